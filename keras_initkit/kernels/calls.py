"""Catches the calls of layers with a kernel in a forward pass."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras

from keras_initkit.backends import keras_private

# Layers of z = W x + b and an activation. The kernel is under the last of these names
# that the layer has: Dense stores the rest of LoRA and quantization elsewhere.
LAYERS = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
KERNELS = ("kernel", "_kernel", "pointwise_kernel")


class KernelCall(NamedTuple):
    """One call of a layer: z = W x + b, a = f(z).

    Attributes:
        layer: the layer.
        kernel: the variable W.
        inputs: x, shape (batch, ..., channels).
        call: the layer's current function from x to a.
    """

    layer: Any
    kernel: Any
    inputs: Any
    call: Callable[[Any], Any]

    def run(self) -> Any:
        """a with the current weights, shape (batch, ..., units)."""
        return self.call(self.inputs)

    def pre_activation(self) -> Any:
        """z with the current weights, shape (batch, ..., units)."""
        with activation_replaced(self.layer, keras.activations.linear):
            return self.run()


def kernel_of(layer: Any) -> Any:
    """The kernel variable of a built layer that is one of `LAYERS`."""
    return [getattr(layer, name) for name in KERNELS if hasattr(layer, name)][-1]


@contextlib.contextmanager
def each_kernel_call(
    model: keras.Model, on_call: Callable[[KernelCall], Any]
) -> Iterator[None]:
    """Within it, `on_call` stands in for every call of a layer with a kernel.

    The layers are met in the order of execution, in nested and subclassed models too,
    and a shared one at each of its calls.

    Args:
        model: a built `keras.Model`.
        on_call: function of a `KernelCall` to what the layer shall return.
    """

    def replace(layer: Any, call: Callable) -> Callable | None:
        if isinstance(layer, LAYERS) and layer.built:
            return _stand_in(layer, call, on_call)
        return None

    with each_call(model, replace):
        yield


@contextlib.contextmanager
def each_call(
    model: keras.Model, replace: Callable[[Any, Callable], Callable | None]
) -> Iterator[None]:
    """Within it, the calls of a model's layers, and its own, are replaced.

    Args:
        model: a built `keras.Model`.
        replace: function of a layer and its `call` to what stands in for that; None if
            it stays.
    """
    with Interception(model, replace):
        yield


class Interception:
    """Stands in for `call` of a model and its layers, while it is entered.

    What stands in is made once, so that entering again is cheap.

    Args:
        model: a `keras.Model`, built or not.
        replace: as in `each_call`.
    """

    def __init__(
        self, model: keras.Model, replace: Callable[[Any, Callable], Callable | None]
    ) -> None:
        self._model = model
        self._replace = replace
        self._stand_ins: dict[int, tuple[dict[str, Any], Callable | None]] = {}
        self._undo: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def __enter__(self) -> None:
        for attributes, stand_in in self._stand_ins.values():
            self._put(attributes, stand_in)
        self.extend()

    def __exit__(self, *_: object) -> None:
        for attributes, previous in reversed(self._undo):
            del attributes["call"]
            attributes.update(previous)
        self._undo = []

    def extend(self) -> None:
        """Looks for layers that were made since."""
        for layer in keras_private.layers_of(self._model):
            if id(layer) not in self._stand_ins:
                stand_in = self._replace(layer, layer.call)
                self._stand_ins[id(layer)] = vars(layer), stand_in
                self._put(vars(layer), stand_in)

    def _put(self, attributes: dict[str, Any], stand_in: Callable | None) -> None:
        if stand_in is None:
            return
        self._undo.append(
            (attributes, {k: v for k, v in attributes.items() if k == "call"})
        )
        # Not by setattr: a layer tracks what it is given.
        attributes["call"] = stand_in


@contextlib.contextmanager
def activation_replaced(layer: Any, function: Callable[[Any], Any]) -> Iterator[None]:
    """Within it, a layer has another activation; with a linear one it returns z."""
    # Not by setattr: a layer tracks what it is given. With PyTorch, an activation that
    # is a layer is no attribute, and one of that name hides it.
    attributes = vars(layer)
    previous = {k: v for k, v in attributes.items() if k == "activation"}
    attributes["activation"] = function
    try:
        yield
    finally:
        del attributes["activation"]
        attributes.update(previous)


def _stand_in(layer: Any, call: Callable, on_call: Callable) -> Callable:
    kernel = kernel_of(layer)

    def stand_in(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        def run(inputs: Any) -> Any:
            return call(inputs, *args, **kwargs)

        return on_call(KernelCall(layer, kernel, inputs, run))

    return stand_in
