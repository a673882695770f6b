"""The signals of Dense layers in a forward pass, with their activations.

The tensors are those of the pass itself.
"""

import dataclasses
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_initkit import backends
from keras_initkit.kernels.calls import Interception, activation_replaced

DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)


@dataclasses.dataclass(eq=False)
class Signal:
    """One call of a layer: z = W x + b, a = f(z).

    Attributes:
        layer: the layer.
        output: a, as the next layer gets it.
        function: f, the layer's own or that of the activation layer directly after it.
        caught_z: z, for use outside differentiation; None if the layer has its own
            `call`.
        caught_activation: a, likewise.
        again: computes z once more, in the dtype of a.
    """

    layer: Any
    output: Any
    function: Callable[[Any], Any]
    caught_z: Any
    caught_activation: Any
    again: Callable[[], Any]

    @property
    def has_z(self) -> bool:
        """Tells whether z is known without calling the user's own code again."""
        return self.caught_z is not None

    def z(self) -> Any:
        """z, shape (batch, ..., units). Call this before the weights change."""
        must_recompute = backends.current().must_recompute(self.caught_activation)
        return self.again() if must_recompute and self.has_z else self.caught_z

    def tensors(self) -> tuple[Any, Any]:
        """z, or None, and a. Call this before the weights change."""
        z = self.z()
        if z is not self.caught_z and is_pure(self.function, z.shape):
            return z, self.function(z)
        return z, self.caught_activation


@functools.lru_cache(maxsize=256)
def _is_pure(function: "_ById", shape: tuple[int, ...]) -> bool:
    backend = backends.current()
    try:
        return backend.eagerly(lambda: backend.is_pure(function.function, shape))
    except Exception:  # the user's function may raise anything
        return False


class _ById:
    """A function as a key, because not every function has a hash."""

    def __init__(self, function: Callable) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.function is other.function

    def __hash__(self) -> int:
        return id(self.function)


def is_pure(function: Callable[[Any], Any], shape: Sequence[int | None]) -> bool:
    """Tells whether a function of a signal draws nothing and keeps no state."""
    known = tuple(size or 1 for size in shape)
    return _is_pure(_ById(function), known)


def take_over(signals: list[Any], inputs: Any, outputs: Any, function: Any) -> None:
    """Assigns an activation layer to the linear layer directly before it, if any.

    Args:
        signals: the signals so far, each with an `output` and a `function`.
        inputs: the input of the activation layer.
        outputs: its output.
        function: its `call`.
    """
    for signal in signals:
        if signal.output is inputs and signal.function is keras.activations.linear:
            signal.output, signal.function = outputs, function
            signal.caught_activation = backends.current().outside(outputs)


class ForwardPass:
    """A context that catches the signals of a model's last forward pass.

    Args:
        model: a `keras.Model`, built or not.
    """

    def __init__(self, model: keras.Model) -> None:
        self._interception = Interception(model, self._stand_in)
        self._model = model
        # Each thread has its own, because a thread may be a replica.
        self._caught = threading.local()

    def __enter__(self) -> "ForwardPass":
        self._interception.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._interception.__exit__(*error)
        self._caught = threading.local()

    def begin(self) -> None:
        """Forgets all signals, and looks for new layers."""
        self._signals.clear()
        self._interception.extend()

    def take(self, tensor: Any) -> list[Signal]:
        """The signals in the trace of a tensor, each returned once.

        A layer that is also called inside a loop has none, because the loop's tensors
        do not leave it.
        """
        trace_of = backends.current().trace_of
        outer = trace_of(tensor)
        inside = [
            s.layer for s in self._signals if trace_of(s.caught_activation) is not outer
        ]
        signals = [
            signal
            for signal in self._signals
            if not any(signal.layer is layer for layer in inside)
        ]
        self._signals.clear()
        return signals

    @property
    def _signals(self) -> list[Signal]:
        if not hasattr(self._caught, "signals"):
            self._caught.signals = []
        return self._caught.signals

    def _stand_in(self, layer: Any, call: Callable) -> Callable | None:
        if layer is self._model:
            return functools.partial(self._call_model, call)
        if isinstance(layer, DENSE):
            return functools.partial(self._call_dense, layer, call)
        if isinstance(layer, ACTIVATIONS):
            return functools.partial(self._call_activation, call)
        return None

    def _call_model(self, call: Callable, *args: Any, **kwargs: Any) -> Any:
        self.begin()
        return call(*args, **kwargs)

    def _call_dense(
        self, layer: Any, call: Callable, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        outside = backends.current().outside
        own = layer.activation or keras.activations.linear
        z: list[Any] = []

        def watched(pre_activation: Any) -> Any:
            z.append(outside(pre_activation))
            return own(pre_activation)

        def again() -> Any:
            with activation_replaced(layer, keras.activations.linear):
                return ops.cast(call(inputs, *args, **kwargs), output.dtype)

        is_known = any(type(layer).call is dense.call for dense in DENSE)
        if not is_known:
            output = call(inputs, *args, **kwargs)
            z = [None]
        elif own is keras.activations.linear:
            output = call(inputs, *args, **kwargs)
            z = [outside(output)]
        else:
            with activation_replaced(layer, watched):
                output = call(inputs, *args, **kwargs)
        self._signals.append(Signal(layer, output, own, z[-1], outside(output), again))
        return output

    def _call_activation(
        self, call: Callable, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        outputs = call(inputs, *args, **kwargs)
        take_over(self._signals, inputs, outputs, call)
        return outputs
