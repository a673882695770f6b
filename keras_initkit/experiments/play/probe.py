"""What a network does with a batch, forwards and backwards, in one compiled call."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from keras_initkit import backends


class Look(NamedTuple):
    """What `Probe.look` sees. Layers are in the order of execution, the head last.

    Attributes:
        inputs: of each Dense layer, `(samples, fan_in)`.
        outputs: the pre-activations z of each Dense layer, `(samples, units)`; those of
            the head are the logits.
        deltas: the gradient of each sample's own cross-entropy with respect to z,
            `(samples, units)`.
        others: the logits of the samples without a class, `(others, classes)`.
    """

    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    deltas: list[np.ndarray]
    others: np.ndarray

    def kernel_gradient(self, layer: int) -> np.ndarray:
        """The gradient of the mean cross-entropy, `(fan_in, units)`."""
        inputs, deltas = self.inputs[layer], self.deltas[layer]
        with np.errstate(all="ignore"):  # of a training that has broken down
            return inputs.T @ deltas / len(inputs)


class Probe(keras.Model):
    """Looks at the network of `dense_network`, whose layers it shares.

    The network's own trainer is not touched, so that it can be in the middle of `fit`.
    Nothing is traced again for other weights.

    Args:
        network: a plain one from `dense_network`.
        activation: the identifier of its hidden layers' activation.
    """

    def __init__(self, network: keras.Model, activation: str) -> None:
        super().__init__()
        self.dense = [x for x in network.layers if isinstance(x, layers.Dense)]
        self.activation = keras.activations.get(activation)

    def look(self, x: np.ndarray, y: np.ndarray, others: np.ndarray) -> Look:
        """Runs the network.

        Args:
            x: `(samples, features)`.
            y: their class numbers, `(samples,)`.
            others: `(others, features)`; only their logits are wanted.
        """
        batch = {"x": x, "y": y, "others": others}
        return Look(**self.predict_on_batch(batch))

    def call(self, batch: dict[str, Any]) -> dict[str, Any]:
        inputs, outputs = self._forward(batch["x"])
        *_, logits = outputs
        classes = ops.one_hot(batch["y"], logits.shape[-1], dtype=logits.dtype)
        deltas = [ops.softmax(logits) - classes]
        for layer, z in zip(self.dense[:0:-1], outputs[-2::-1], strict=True):
            slope = backends.current().slope(self.activation, z)
            deltas.append(slope * (deltas[-1] @ ops.transpose(layer.kernel)))
        _, of_others = self._forward(batch["others"])
        return {
            "inputs": inputs,
            "outputs": outputs,
            "deltas": deltas[::-1],
            "others": of_others[-1],
        }

    def _forward(self, x: Any) -> tuple[list[Any], list[Any]]:
        inputs, outputs = [x], [self.dense[0](x)]
        for layer in self.dense[1:]:
            inputs.append(self.activation(outputs[-1]))
            outputs.append(layer(inputs[-1]))
        return inputs, outputs
