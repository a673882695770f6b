"""One forward and backward pass through a model, with the signals of every kernel."""

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras
import numpy as np

from keras_initkit.kernels.calls import (
    LAYERS,
    KernelCall,
    each_call,
    each_kernel_call,
)
from keras_initkit.kernels.fans import KernelFans, kernel_fans
from keras_initkit.kernels.signals import ACTIVATIONS

# What is known to be z = W x + b; a subclass may have made something else of it.
KNOWN_CALLS = {layer.call for layer in LAYERS}


@dataclasses.dataclass(eq=False)
class KernelSignal:
    """One call of a layer: z = W x + b, a = f(z).

    Attributes:
        call: the layer and its kernel; `call.inputs` is x, in this reading of it.
        source: the tensor x that others may read too.
        z: the pre-activations, shape (batch, ..., units).
        function: f, the layer's own or that of an activation layer directly behind.
        activation: a, of the shape of z.
        gradient: of the loss with respect to z, of its shape; 0 if nothing depends
            on z.
        follower: the call that alone reads a; None if there is none.
    """

    call: KernelCall
    source: Any
    z: Any
    function: Callable[[Any], Any]
    activation: Any
    gradient: Any = None
    follower: "KernelSignal | None" = None


class SignalPass:
    """Runs a model in training mode, forwards and backwards, and catches its signals.

    Args:
        model: a built `keras.Model`.
        backend: the module of the Keras backend in use, beside `stats.tap`.

    Attributes:
        signals: of each call of a layer of `LAYERS`, in the order of execution. There
            is none of a call in a graph, whose tensors do not leave it.
        kernels: the fans of all kernels, in the order in which their layers were first
            called; at the end those that were not.
    """

    def __init__(self, model: keras.Model, backend: ModuleType) -> None:
        self.signals: list[KernelSignal] = []
        self.kernels: list[KernelFans] = []
        self._model = model
        self._backend = backend
        self._watch: Callable[[Any], Any]

    def __call__(self, x: Any, loss: Callable[[Any], Any]) -> None:
        """Runs it.

        Args:
            x: one batch of inputs.
            loss: function of the model's outputs to the scalar that is differentiated.
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

        gradients = self._backend.gradients(forward)
        self._keep(kernel_fans(self._model))
        self._share_out(gradients)

    def _watched(self) -> list[Any]:
        self._connect()
        followed = [signal for signal in self.signals if signal.follower]
        return [
            *(signal.z for signal in self.signals),
            *(signal.activation for signal in followed),
            *(signal.follower.call.inputs for signal in followed if signal.follower),
        ]

    def _connect(self) -> None:
        for signal in self.signals:
            readers = [s for s in self.signals if s.source is signal.activation]
            if len(readers) == 1:
                signal.follower = readers[0]

    def _share_out(self, gradients: list[Any]) -> None:
        followed = [signal for signal in self.signals if signal.follower]
        of_z = gradients[: len(self.signals)]
        rest = gradients[len(self.signals) :]
        of_all_readers, of_follower = rest[: len(followed)], rest[len(followed) :]
        for signal, gradient in zip(self.signals, of_z, strict=True):
            signal.gradient = (
                keras.ops.zeros_like(signal.z) if gradient is None else gradient
            )
        for signal, of_all, of_one in zip(
            followed, of_all_readers, of_follower, strict=True
        ):
            # A shortcut reads it too, in whatever way: then its gradient is in the sum.
            if of_one is None or not np.array_equal(of_all, of_one, equal_nan=True):
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
        is_known = type(call.layer).call in KNOWN_CALLS
        if not is_known or self._backend.current_graph() is not None:
            return call.run()
        source = call.inputs
        call = call._replace(inputs=self._watch(source))
        z = self._watch(call.pre_activation())
        function = call.layer.activation or keras.activations.linear
        activation = self._watch(function(z))
        self.signals.append(KernelSignal(call, source, z, function, activation))
        return activation

    def _replace_activation(self, layer: Any, call: Callable) -> Callable | None:
        if not isinstance(layer, ACTIVATIONS):
            return None

        def stand_in(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = self._watch(call(inputs, *args, **kwargs))
            for signal in self.signals:
                if (
                    signal.activation is inputs
                    and signal.function is keras.activations.linear
                ):
                    signal.function, signal.activation = call, outputs
            return outputs

        return stand_in


def _own_kernels(layer: Any) -> list[KernelFans]:
    """Those of a layer, without those of the layers in it, which are called too."""
    # The cell of a recurrent layer need not be.
    is_recurrent = isinstance(layer, keras.layers.RNN)
    within = [] if is_recurrent else layer._flatten_layers(include_self=False)
    of_others = {id(variable) for inner in within for variable in inner.weights}
    return [k for k in kernel_fans(layer) if id(k.variable) not in of_others]
