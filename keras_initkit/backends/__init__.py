"""The interface to a framework, with one file for each backend.

Everything else in the package uses `keras.ops` or numpy, and names no framework.
"""

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np

NAMES = ("tensorflow", "jax", "torch")


class Outbox(Protocol):
    """Takes rows from the user's own training step, and keeps them until read.

    Attributes:
        num_lost: the number of rows that were overwritten before they were read.
    """

    num_lost: int

    def post(self, is_wanted: Any, make_row: Callable[[], Any]) -> None:
        """Makes and keeps a row if `is_wanted`, a boolean scalar, is true.

        Args:
            is_wanted: may be a tensor of a graph. If it is false, nothing is made.
            make_row: returns three tensors: the step, whether it was skipped, and a
                vector of numbers.
        """

    def num_waiting(self) -> int:
        """The number of rows that were kept and not read yet."""

    def read(self) -> list[tuple[int, bool, np.ndarray]]:
        """The rows since the last call, oldest first, with float64 vectors."""


class Backend(Protocol):
    """The functions of each module beside this one."""

    # -- tensors -----------------------------------------------------------------------

    def value(self, variable: Any) -> Any:
        """The value of a variable, as a tensor that may change with the variable."""

    def snapshot(self, variable: Any) -> Any:
        """The value of a variable, as a tensor that does not change."""

    def dense(self, gradient: Any, shape: Sequence[int]) -> Any:
        """The gradient as a tensor, with repeated rows added."""

    def outside(self, tensor: Any) -> Any:
        """The tensor for use outside the differentiation that it is part of."""

    def trace_of(self, tensor: Any) -> Any:
        """The graph or trace that a tensor belongs to; None if it holds numbers."""

    def numbers(self, tensor: Any) -> np.ndarray:
        """The numbers in a tensor, of the whole batch, once it is computed."""

    def reduce(self, kind: str, tensors: Sequence[Any]) -> Any:
        """One number of each tensor, computed in the fastest way for this backend.

        Args:
            kind: `"mean"`, `"sum_of_squares"`, `"max"` or `"min"`, over all entries.
            tensors: float32 or float64, of any shapes.

        Returns:
            Shape (tensors,).
        """

    def of_each(self, function: Callable[[Any], Any], tensors: Sequence[Any]) -> Any:
        """The results of a function for each tensor, with many at once if that is fast.

        Args:
            function: takes n tensors of one shape, shape (n, ...), and returns n
                results.
            tensors: of any shapes; the results of all have one shape.

        Returns:
            Shape (tensors, ...).
        """

    def float_bits(self, tensor: Any) -> Any:
        """The bits of each entry of a float32 tensor, int32."""

    def count(self, indices: Any, length: int) -> Any:
        """The counts of 0 to length - 1 in an integer vector, float32."""

    # -- functions ---------------------------------------------------------------------

    def apart(self, function: Callable[[], Any]) -> Any:
        """Calls a function so that the compiler does not merge it with the rest."""

    def must_recompute(self, tensor: Any) -> bool:
        """Tells whether a second reader of a tensor could change the first result.

        If so, measurements of the forward pass compute it once more, separately.
        """

    def eagerly(self, function: Callable[[], Any]) -> Any:
        """Calls a function outside any trace."""

    def random_state_kept(self) -> AbstractContextManager:
        """A context that restores the framework's random generator at its end.

        Keras has its own generator, except for dropout without a seed with torch.
        """

    def slope(self, function: Callable[[Any], Any], tensor: Any) -> Any:
        """f'(x) at every entry of a tensor, for an elementwise f."""

    def is_pure(self, function: Callable[[Any], Any], shape: Sequence[int]) -> bool:
        """Tells whether a function of a float32 tensor has no draws and no state."""

    def gradients(
        self,
        forward: Callable[
            [Callable[[Any], Any]], tuple[Any, Callable[[], Sequence[Any]]]
        ],
    ) -> list[Any]:
        """The gradients of a scalar with respect to tensors on the way to it, eagerly.

        Args:
            forward: takes `watch` and returns the scalar, and a function that lists the
                tensors. Pass each tensor of that list through `watch`, and continue
                with the result.

        Returns:
            A gradient for each tensor of the list, of its shape; None if nothing
            depends on it.
        """

    # -- training ----------------------------------------------------------------------

    def with_rows(self, outputs: Any, rows: Any) -> Any:
        """The outputs of a train step, with rows beside its logs."""

    def without_rows(self, outputs: Any) -> tuple[Any, Any, Any]:
        """The inverse of `with_rows`, after the trainer's function.

        Returns:
            The outputs, the logs in them, and the rows.
        """

    def next_batch(self, arguments: tuple) -> tuple:
        """Takes a batch; returns arguments of a train function with only that batch.

        Raises:
            StopIteration: if there is none.
        """

    def next_arguments(self, arguments: tuple, outputs: Any) -> tuple:
        """The next arguments of a train function, within one execution."""

    def can_look(self, model: Any) -> bool:
        """Tells whether `held` costs almost nothing at this moment."""

    def held(self, model: Any, variable: Any) -> int:
        """The current value of an optimizer's integer variable, in the middle of `fit`.

        It may have to wait for the step that is running.
        """

    def on_all_replicas(self, function: Callable[[tuple], Any], given: Any) -> Any:
        """Calls a function once with the entries of all replicas. Each gets the result.

        Args:
            function: takes a tuple with one entry for each replica.
            given: this replica's entry, an object that is not a list, tuple or dict.
        """

    def peek(self, arguments: tuple, count: int) -> tuple[Any, tuple]:
        """The next batch, and arguments of a train function that begin with it.

        Args:
            arguments: Keras's arguments of the train function.
            count: the number of batches in an execution.

        Returns:
            None instead of a batch that is spread over several replicas.
        """

    def with_state(
        self, model: Any, arguments: tuple, function: Callable[[], None]
    ) -> tuple:
        """Calls a function while the variables hold the state and may change.

        Args:
            model: the model.
            arguments: Keras's arguments of the train function.
            function: takes no arguments.

        Returns:
            The arguments with the new values of the variables.
        """

    def is_first_process(self) -> bool:
        """Tells whether this process writes, if several train together."""

    def where_needed(
        self, predicate: Any, compute: Callable[[], Any], otherwise: Any
    ) -> Any:
        """The result of `compute` if the predicate is true. Only then is it called.

        Args:
            predicate: boolean scalar, maybe of a graph.
            compute: returns a tensor of the shape of `otherwise`.
            otherwise: the result if the predicate is false.
        """

    def where_wanted(self, is_wanted: Any, make: Callable[[], Any]) -> Any:
        """The result of `make` if `is_wanted` is true. Otherwise it is not made.

        Args:
            is_wanted: boolean scalar, maybe of a graph.
            make: returns a vector of numbers.
        """

    def outbox(self, width: int, capacity: int) -> Outbox:
        """A new outbox for vectors of `width` numbers."""


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


if TYPE_CHECKING:  # mypy checks each file against the interface
    from keras_initkit.backends import jax, tensorflow, torch

    _CHECKED: tuple[Backend, ...] = (tensorflow, jax, torch)
