"""Dense networks that are traced once for many initializations."""

import math
import sys
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.initializers import Initializer

from keras_initkit.experiments.kernel_initializers import kernel_initializers
from keras_initkit.experiments.networks import dense_network
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.rescale.lsuv import lsuv
from keras_initkit.theory.critical import critical_variances
from keras_initkit.theory.gains import calculate_gain

PIXELS = 784
DIGITS = 10
BATCH_SIZE = 256
EVALUATION_BATCH_SIZE = 1000
PUBLISHED_BIAS_VARIANCE = 0.05


class Architecture(NamedTuple):
    """The formula of z, and the initializers for it."""

    residual: bool
    activation: str
    initializers: tuple[str, ...]


ARCHITECTURES = {
    "plain-tanh": Architecture(
        False,
        "tanh",
        (
            "glorot_uniform",
            "he_normal",
            "gaussian_critical",
            "orthogonal",
            "critical",
            "lsuv",
        ),
    ),
    "plain-relu": Architecture(
        False,
        "relu",
        ("glorot_uniform", "he_normal", "scaled_orthogonal", "looks_linear", "lsuv"),
    ),
    "plain-gelu": Architecture(
        False,
        "gelu",
        ("glorot_uniform", "he_normal", "critical", "looks_linear", "lsuv"),
    ),
    "residual-relu": Architecture(
        True, "relu", ("he_normal", "scaled_depth", "zero_branches")
    ),
}


class DeepNetwork:
    """A network of `dense_network` on images of digits, trained by plain SGD.

    It is built and traced once. Each training starts from new values in the same
    variables; plain SGD keeps no state from the training before.

    Args:
        name: one of `ARCHITECTURES`.
        depth: number of hidden layers.
        width: units in each of them.

    Attributes:
        model: compiled, and traced for training and for prediction.
    """

    def __init__(self, name: str, depth: int, width: int) -> None:
        # Keras walks through the layers of a model by recursion.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 20 * depth))
        self.architecture = ARCHITECTURES[name]
        self.depth = depth
        self.model = dense_network(
            PIXELS,
            DIGITS,
            width,
            self.architecture.activation,
            [keras.initializers.Zeros()] * (depth + 1),
            self.architecture.residual,
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.SGD(), loss, jit_compile=False)
        x = np.zeros((EVALUATION_BATCH_SIZE, PIXELS), "float32")
        self.train(x[:BATCH_SIZE], np.zeros(BATCH_SIZE, "int64"), learning_rate=0.0)
        self.model.predict(x, EVALUATION_BATCH_SIZE, verbose=0)

    def initialize(self, name: str, seed: int, x: np.ndarray) -> None:
        """Draws new weights.

        Args:
            name: one of the architecture's initializers.
            seed: non-negative; every kernel and every bias gets its own draw from it.
            x: one batch of images, for LSUV and the first kernel of Critical.
        """
        layers = [
            layer
            for layer in self.model.layers
            if isinstance(layer, keras.layers.Dense)
        ]
        activation = self.architecture.activation
        initializers = weight_initializers(
            name, self.depth, activation, float(np.mean(x**2)), seed
        )
        for layer, (kernel, bias) in zip(layers, initializers, strict=True):
            layer.kernel.assign(kernel(layer.kernel.shape))
            layer.bias.assign(bias(layer.bias.shape))
        if name == "lsuv":
            # Its own orthogonal kernels would not depend on the seed.
            lsuv(self.model, x, orthogonal=False)

    def train(self, x: np.ndarray, y: np.ndarray, learning_rate: float) -> int:
        """Makes one pass in the given order; returns the number of steps.

        They are fewer than the batches if the loss stopped being finite.
        """
        self.model.optimizer.learning_rate = learning_rate
        stop = StopAtNonFiniteLoss()
        self.model.fit(x, y, BATCH_SIZE, verbose=0, shuffle=False, callbacks=[stop])
        return stop.steps

    def accuracy(self, x: np.ndarray, y: np.ndarray) -> float:
        """The share of images whose largest logit is that of their digit."""
        logits = self.model.predict(x, EVALUATION_BATCH_SIZE, verbose=0)
        return float(np.mean(np.argmax(logits, axis=1) == y))


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Stops the training; `steps` counts its steps."""

    steps = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self.steps = batch + 1
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = True


def weight_initializers(
    name: str, depth: int, activation: str, input_variance: float, seed: int
) -> list[tuple[Initializer, Initializer]]:
    """The initializers of the kernel and the bias of each layer, the head's last.

    Args:
        name: as in `ARCHITECTURES`.
        depth: number of hidden layers.
        activation: the network's activation.
        input_variance: mean square of a pixel; only Critical gets it.
        seed: non-negative.
    """
    # It continues from draw to draw, so one initializer serves many layers.
    draws = keras.random.SeedGenerator(seed)
    zeros = keras.initializers.Zeros()
    match name:
        case "gaussian_critical":
            return [gaussian_critical(activation, draws)] * (depth + 1)
        case "critical":
            others = Critical(activation, depth=depth, seed=draws)
            # Instead of scaling the images to q_star.
            variance = others.q_star - others.bias_variance
            first = ScaledOrthogonal(math.sqrt(variance / input_variance), seed=draws)
            biases = others.bias_initializer
            return [(kernel, biases) for kernel in (first, *[others] * depth)]
        case "lsuv":
            kernels = [keras.initializers.Orthogonal(seed=draws)] * (depth + 1)
        case "scaled_orthogonal":
            first = ScaledOrthogonal(seed=draws)
            others = ScaledOrthogonal(calculate_gain(activation), seed=draws)
            kernels = [first, *[others] * depth]
        case "looks_linear":
            first, hidden, last = (
                LooksLinear(position, seed=draws)
                for position in ("first", "hidden", "last")
            )
            kernels = [first, *[hidden] * (depth - 1), last]
        case "zero_branches":
            first_and_last = keras.initializers.HeNormal(seed=draws)
            kernels = [first_and_last, *[zeros] * (depth - 1), first_and_last]
        case _:
            kernels = kernel_initializers(name, depth, activation, seed)
    return [(kernel, zeros) for kernel in kernels]


def gaussian_critical(
    activation: str, draws: keras.random.SeedGenerator
) -> tuple[Initializer, Initializer]:
    """The published critical initialization: independent weights, one point for all.

    Reference:

    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    """
    point = critical_variances(activation, bias_variance=PUBLISHED_BIAS_VARIANCE)
    kernel = keras.initializers.VarianceScaling(
        point.weight_variance, distribution="untruncated_normal", seed=draws
    )
    stddev = math.sqrt(point.bias_variance)
    return kernel, keras.initializers.RandomNormal(stddev=stddev, seed=draws)
