"""The function to differentiate: the model's loss, or a random sum of its outputs."""

from typing import Any

import keras
import numpy as np
from keras import ops


class SignalLoss:
    """A scalar function of a model's outputs.

    With targets, it is the loss that the model is compiled with, including
    regularization, times the scale of a `LossScaleOptimizer`, so half precision does
    not lose its gradients. Without targets, it is the sum of all outputs, each times
    its own standard normal number. The numbers are the same in each call.

    Args:
        model: a `keras.Model`; with targets, a compiled one.
        x: the inputs.
        y: the targets, or None.

    Attributes:
        scale: the factor of the loss.
    """

    def __init__(self, model: keras.Model, x: Any, y: Any = None) -> None:
        self._model = model
        self._x = x
        self._y = y
        self._optimizer = None if y is None else model.optimizer
        self.scale = float(self._scaled(ops.ones(())))

    def __call__(self, outputs: Any) -> Any:
        if self._y is None:
            tensors = keras.tree.flatten(outputs)
            return _random_sum([tensor for tensor in tensors if tensor is not None])
        y = keras.tree.map_structure(ops.convert_to_tensor, self._y)
        try:
            loss = self._model.compute_loss(
                x=self._x, y=y, y_pred=outputs, sample_weight=None
            )
        except Exception as error:  # the loss may raise anything
            raise ValueError(
                "Argument `y` must fit the model's outputs and its loss. The loss "
                "fails: "
                f"{error} Received: y of shape {_shapes(y)} for outputs of shape "
                f"{_shapes(outputs)}"
            ) from error
        return self._scaled(loss)

    def _scaled(self, loss: Any) -> Any:
        return self._optimizer.scale_loss(loss) if self._optimizer else loss


def _shapes(tensors: Any) -> str:
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(tensors)]
    return ", ".join(map(str, shapes))


def _random_sum(outputs: list[Any]) -> Any:
    # Its own generator, so no other draws change.
    generator = np.random.default_rng(0)
    total = ops.zeros(())
    for output in outputs:
        cotangent = generator.standard_normal(output.shape)
        wide = ops.cast(output, "float32")
        total = total + ops.sum(wide * ops.cast(cotangent, "float32"))
    return total
