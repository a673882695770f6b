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
    """A context in which `on_call` replaces every call of a layer with a kernel.

    The calls come in the order of execution, even in nested and subclassed models. A
    shared layer has several.

    Args:
        model: a built `keras.Model`.
        on_call: takes a `KernelCall` and returns the output of the layer.
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
    """A context that replaces the calls of a model and its layers.

    Args:
        model: a built `keras.Model`.
        replace: takes a layer and its `call`, and returns a replacement or None.
    """
    with Interception(model, replace):
        yield


class Interception:
    """A context that replaces `call` of a model and its layers.

    It makes the replacements once, so entering again is cheap.

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
        """Looks for new layers."""
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
        # Not by setattr, because a layer tracks its attributes.
        attributes["call"] = stand_in


@contextlib.contextmanager
def activation_replaced(layer: Any, function: Callable[[Any], Any]) -> Iterator[None]:
    """Replaces a layer's activation; with a linear one, the layer returns z."""
    # Not by setattr, because a layer tracks its attributes. With PyTorch, an activation
    # that is a layer is no attribute, and an attribute of that name hides it.
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
