"""One forward and backward pass through a model, with the signals of every kernel."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit import backends
from keras_initkit.backends import keras_private
from keras_initkit.kernels.calls import (
    LAYERS,
    KernelCall,
    each_call,
    each_kernel_call,
)
from keras_initkit.kernels.fans import KernelFans, kernel_fans
from keras_initkit.kernels.signals import ACTIVATIONS, take_over
from keras_initkit.report.scale_invariance import is_scale_invariant

# These are z = W x + b; a subclass may compute something else.
KNOWN_CALLS = {layer.call for layer in LAYERS}


@dataclasses.dataclass(eq=False)
class KernelSignal:
    """One call of a layer: z = W x + b, a = f(z).

    Attributes:
        layer: the layer.
        kernel: its kernel, a variable.
        function: f, the layer's own or that of the activation layer directly after it.
        inputs: x, shape (batch, ..., channels).
        z: the pre-activations, shape (batch, ..., units).
        caught_activation: a, of the shape of z.
        source: x as the layer got it, which other layers may also read.
        reading: x as this layer reads it.
        pre_activation: z on the way to the loss.
        output: a, as the next layer gets it.
        gradient: the gradient of the loss with respect to z, of its shape; 0 if nothing
            depends on z.
        follower: the only call that reads a, or None.
    """

    layer: Any
    kernel: Any
    function: Callable[[Any], Any]
    # For use outside the differentiation. The next four are part of it.
    inputs: Any
    z: Any
    caught_activation: Any
    source: Any
    reading: Any
    pre_activation: Any
    output: Any
    gradient: Any = None
    follower: "KernelSignal | None" = None


class SignalPass:
    """Runs a model in training mode, forward and backward, and catches its signals.

    Args:
        model: a built `keras.Model`.

    Attributes:
        signals: one for each call of a layer in `LAYERS`, in the order of execution. A
            call in a graph has none, because its tensors do not leave the graph.
        kernels: the fans of all kernels, in the order of their layers' first calls.
            Layers without a call come last.
        scale_invariant: the ids of the kernels whose scale changes nothing.
    """

    def __init__(self, model: keras.Model) -> None:
        self.signals: list[KernelSignal] = []
        self.kernels: list[KernelFans] = []
        self.scale_invariant: set[int] = set()
        self._model = model
        self._probed: set[int] = set()
        self._watch: Callable[[Any], Any]

    def __call__(self, x: Any, loss: Callable[[Any], Any]) -> None:
        """Runs it.

        Args:
            x: one batch of inputs.
            loss: function from the model's outputs to the scalar to differentiate.
        """

        def forward(watch: Callable[[Any], Any]) -> Any:
            self._watch = watch
            with (
                each_call(self._model, self._note_order),
                each_call(self._model, self._replace_activation),
                each_kernel_call(self._model, self._on_kernel_call),
            ):
                outputs = self._model(x, training=True)
            return loss(outputs), self._watched

        gradients = backends.current().gradients(forward)
        self._keep(kernel_fans(self._model))
        self._share_out(gradients)

    def first_signals(self) -> dict[int, KernelSignal]:
        """The signal of the first call of each layer, by the `id` of its kernel."""
        return {id(signal.kernel): signal for signal in reversed(self.signals)}

    def _watched(self) -> list[Any]:
        self._connect()
        followed = [signal for signal in self.signals if signal.follower]
        return [
            *(signal.pre_activation for signal in self.signals),
            *(signal.output for signal in followed),
            *(signal.follower.reading for signal in followed if signal.follower),
        ]

    def _connect(self) -> None:
        for signal in self.signals:
            readers = [s for s in self.signals if s.source is signal.output]
            if len(readers) == 1:
                signal.follower = readers[0]

    def _share_out(self, gradients: list[Any]) -> None:
        followed = [signal for signal in self.signals if signal.follower]
        of_z = gradients[: len(self.signals)]
        rest = gradients[len(self.signals) :]
        of_all_readers, of_follower = rest[: len(followed)], rest[len(followed) :]
        for signal, gradient in zip(self.signals, of_z, strict=True):
            signal.gradient = ops.zeros_like(signal.z) if gradient is None else gradient
        for signal, of_all, of_one in zip(
            followed, of_all_readers, of_follower, strict=True
        ):
            # If a shortcut also reads it, its gradient is part of the sum.
            if of_one is None or not _is_equal(of_all, of_one):
                signal.follower = None

    def _note_order(self, layer: Any, call: Callable) -> Callable | None:
        kernels = _own_kernels(layer)
        if not kernels:
            return None

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            self._keep(kernels)
            return call(*args, **kwargs)

        return stand_in

    def _keep(self, kernels: list[KernelFans]) -> None:
        known = {id(kernel.variable) for kernel in self.kernels}
        self.kernels += [k for k in kernels if id(k.variable) not in known]

    def _on_kernel_call(self, call: KernelCall) -> Any:
        if _is_in_graph(call.inputs):
            return call.run()
        outside = backends.current().outside
        inputs = outside(call.inputs)
        if id(call.kernel) not in self._probed:
            self._probed.add(id(call.kernel))
            if is_scale_invariant(call._replace(inputs=inputs)):
                self.scale_invariant.add(id(call.kernel))
        if type(call.layer).call not in KNOWN_CALLS:
            return call.run()
        reading = self._watch(call.inputs)
        z = self._watch(call._replace(inputs=reading).pre_activation())
        function = call.layer.activation or keras.activations.linear
        output = self._watch(function(z))
        signal = KernelSignal(
            call.layer,
            call.kernel,
            function,
            inputs=inputs,
            z=outside(z),
            caught_activation=outside(output),
            source=call.inputs,
            reading=reading,
            pre_activation=z,
            output=output,
        )
        self.signals.append(signal)
        return output

    def _replace_activation(self, layer: Any, call: Callable) -> Callable | None:
        if not isinstance(layer, ACTIVATIONS):
            return None

        def stand_in(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = call(inputs, *args, **kwargs)
            if not _is_in_graph(outputs):
                outputs = self._watch(outputs)
                take_over(self.signals, inputs, outputs, call)
            return outputs

        return stand_in


def _is_in_graph(tensor: Any) -> bool:
    """Tells whether a tensor holds no numbers, even within a differentiation."""
    backend = backends.current()
    return backend.trace_of(backend.outside(tensor)) is not None


def _is_equal(gradient: Any, other: Any) -> bool:
    first, second = map(ops.convert_to_numpy, (gradient, other))
    return np.array_equal(first, second, equal_nan=True)


def _own_kernels(layer: Any) -> list[KernelFans]:
    """The kernels of a layer itself: the layers inside it have their own calls."""
    # The cell of a recurrent layer may have no call.
    is_recurrent = isinstance(layer, keras.layers.RNN)
    layers = keras_private.layers_of(layer, include_self=False)
    within = [] if is_recurrent else layers
    of_others = {id(variable) for inner in within for variable in inner.weights}
    return [k for k in kernel_fans(layer) if id(k.variable) not in of_others]
