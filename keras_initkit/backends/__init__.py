"""What the package needs of a framework: one interface, one file for each backend.

Everything else in the package is `keras.ops` or numpy, and names no framework.
"""

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np

NAMES = ("tensorflow", "jax", "torch")


class Outbox(Protocol):
    """Takes rows from a training step of the user's own, and keeps them until read.

    Attributes:
        num_lost: how many rows were overwritten before they were read.
    """

    num_lost: int

    def post(self, is_wanted: Any, make_row: Callable[[], Any]) -> None:
        """Makes a row where `is_wanted`, a boolean scalar, is true, and keeps it.

        Args:
            is_wanted: may be a tensor of a graph; where it is false nothing is made.
            make_row: function of nothing to three tensors: the step, whether it was
                skipped, and a vector of numbers.
        """

    def num_waiting(self) -> int:
        """How many rows were kept and not read yet."""

    def read(self) -> list[tuple[int, bool, np.ndarray]]:
        """The rows since the last call, oldest first; the vectors are float64."""


class Backend(Protocol):
    """What each file beside this one provides, as functions of a module."""

    # -- tensors -----------------------------------------------------------------------

    def value(self, variable: Any) -> Any:
        """What a variable holds now, as a tensor that may change with the variable."""

    def snapshot(self, variable: Any) -> Any:
        """What a variable holds now, as a tensor that stays as it is."""

    def dense(self, gradient: Any, shape: Sequence[int]) -> Any:
        """The gradient as a tensor; rows that are given several times are added."""

    def outside(self, tensor: Any) -> Any:
        """The tensor as it can be used outside the differentiation it is part of."""

    def trace_of(self, tensor: Any) -> Any:
        """The graph or trace that a tensor belongs to; None if it holds numbers."""

    def numbers(self, tensor: Any) -> np.ndarray:
        """What a tensor holds, of the whole batch, once it is computed."""

    def reduce(self, kind: str, tensors: Sequence[Any]) -> Any:
        """One number of each tensor, in whichever way is the fastest here.

        Args:
            kind: `"mean"`, `"sum_of_squares"`, `"max"` or `"min"`, over all entries.
            tensors: float32 or float64, of any shapes.

        Returns:
            Shape (tensors,).
        """

    def of_each(self, function: Callable[[Any], Any], tensors: Sequence[Any]) -> Any:
        """What a function makes of each tensor, of as many at once as is fast here.

        Args:
            function: of n tensors of one shape, shape (n, ...), to n results.
            tensors: of any shapes; the results of all have one shape.

        Returns:
            Shape (tensors, ...).
        """

    def float_bits(self, tensor: Any) -> Any:
        """The bits of each entry of a float32 tensor, int32."""

    def count(self, indices: Any, length: int) -> Any:
        """How often each of 0 to length - 1 occurs in an integer vector, float32."""

    # -- functions ---------------------------------------------------------------------

    def apart(self, function: Callable[[], Any]) -> Any:
        """Calls a function so that the compiler does not merge it with the rest."""

    def must_recompute(self, tensor: Any) -> bool:
        """Whether a second reader of a tensor could change how its first is computed.

        Then what is measured of the forward pass is computed once more, apart from it.
        """

    def eagerly(self, function: Callable[[], Any]) -> Any:
        """Calls a function outside any trace."""

    def random_state_kept(self) -> AbstractContextManager:
        """Within it the framework may draw numbers; then its generator is as before.

        Keras has a generator of its own, but for dropout without a seed with torch.
        """

    def slope(self, function: Callable[[Any], Any], tensor: Any) -> Any:
        """f'(x) at every entry of a tensor, for an elementwise f."""

    def is_pure(self, function: Callable[[Any], Any], shape: Sequence[int]) -> bool:
        """Whether a function of one float32 tensor draws nothing and keeps no state."""

    def gradients(
        self,
        forward: Callable[
            [Callable[[Any], Any]], tuple[Any, Callable[[], Sequence[Any]]]
        ],
    ) -> list[Any]:
        """The gradients of a scalar with respect to tensors on the way to it, eagerly.

        Args:
            forward: function of `watch` to the scalar, and to a function that lists the
                tensors. What is to be in that list must have gone through `watch`,
                which returns the tensor to go on with.

        Returns:
            One for each tensor of the list, of its shape; None if nothing depends on
            it.
        """

    # -- training ----------------------------------------------------------------------

    def with_rows(self, outputs: Any, rows: Any) -> Any:
        """What a train step returns, with rows beside its logs."""

    def without_rows(self, outputs: Any) -> tuple[Any, Any, Any]:
        """The inverse of `with_rows`, after the trainer's function.

        Returns:
            The outputs, the logs that are in them, and the rows.
        """

    def next_batch(self, arguments: tuple) -> tuple:
        """Takes a batch; arguments of a train function that hold nothing else.

        Raises:
            StopIteration: if there is none.
        """

    def next_arguments(self, arguments: tuple, outputs: Any) -> tuple:
        """What a train function is called with next, within one execution."""

    def can_look(self, model: Any) -> bool:
        """Whether `held` costs next to nothing at this moment."""

    def held(self, model: Any, variable: Any) -> int:
        """What an integer variable of the optimizer holds now, in the middle of `fit`.

        It may have to wait for the step that is running.
        """

    def on_all_replicas(self, function: Callable[[tuple], Any], given: Any) -> Any:
        """Calls a function once, with what each replica gave; each gets its result.

        Args:
            function: of a tuple, one entry for each replica.
            given: this replica's entry, an object that is no list, tuple or dict.
        """

    def peek(self, arguments: tuple, count: int) -> tuple[Any, tuple]:
        """The next batch, and arguments of a train function that begin with it.

        Args:
            arguments: what Keras calls the train function with.
            count: how many batches an execution takes.

        Returns:
            None in place of a batch that is spread over several replicas.
        """

    def with_state(
        self, model: Any, arguments: tuple, function: Callable[[], None]
    ) -> tuple:
        """Calls a function while the variables hold the state, and may be changed.

        Args:
            model: the model.
            arguments: what Keras calls the train function with.
            function: of nothing.

        Returns:
            The arguments with what the variables hold then.
        """

    def is_first_process(self) -> bool:
        """Whether this is the process that writes, of several that train together."""

    def where_needed(
        self, predicate: Any, compute: Callable[[], Any], otherwise: Any
    ) -> Any:
        """What `compute` returns where the predicate is true; there only it is called.

        Args:
            predicate: boolean scalar, maybe of a graph.
            compute: function of nothing to a tensor of the shape of `otherwise`.
            otherwise: what is returned elsewhere.
        """

    def where_wanted(self, is_wanted: Any, make: Callable[[], Any]) -> Any:
        """What `make` returns where `is_wanted` is true; elsewhere it is not made.

        Args:
            is_wanted: boolean scalar, maybe of a graph.
            make: function of nothing to a vector of numbers.
        """

    def outbox(self, width: int, capacity: int) -> Outbox:
        """A new outbox for vectors of so many numbers."""


def current() -> Backend:
    """The backend that Keras uses.

    Raises:
        ValueError: if it is none of TensorFlow, JAX and PyTorch.
    """
    name = keras.backend.backend()
    if name not in NAMES:
        raise ValueError(
            "Training is recorded with the Keras backends tensorflow, jax and torch. "
            "Set the environment variable KERAS_BACKEND before keras is imported. "
            f"Received: backend={name!r}"
        )
    module: Any = importlib.import_module(f"keras_initkit.backends.{name}")
    return module


if TYPE_CHECKING:  # mypy holds each file against the interface
    from keras_initkit.backends import jax, tensorflow, torch

    _CHECKED: tuple[Backend, ...] = (tensorflow, jax, torch)
