"""Initial weights with the variance that fits the activation in front of them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_initkit import arguments
from keras_initkit.initializers.matrix_draw import MatrixDraw
from keras_initkit.initializers.seeded_draw import SeedLike
from keras_initkit.theory.gains import calculate_gain

_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


@keras.saving.register_keras_serializable(package="keras_initkit")
class ActivationScaling(MatrixDraw):
    """Initializer that makes up for the signal lost in the activation before it.

    It draws weights of mean 0 and variance `gain^2 / fan_in`, where `gain` is
    `calculate_gain(activation, method)`: `HeNormal` for ReLU, `LecunNormal` for a
    linear layer, and their counterpart for any other elementwise activation.

    Examples:

    >>> # Standalone usage:
    >>> initializer = ActivationScaling("gelu")
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer that follows a GELU:
    >>> initializer = ActivationScaling("gelu")
    >>> layer = keras.layers.Dense(3, kernel_initializer=initializer)

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = ActivationScaling("gelu", input_axes=(0, 1, 3))
    >>> layer = keras.layers.Conv2DTranspose(3, 3, kernel_initializer=initializer)

    Args:
        activation: Activation of the layer *before*, as in `calculate_gain`. `None`
            for standard normal inputs.
        method: The kind of gain, as in `calculate_gain`. Every method divides the
            variance by `fan_in`, so `"backward"` keeps the variance of the gradient
            between layers of equal width.
        distribution: One of `"truncated_normal"`, `"untruncated_normal"` and
            `"uniform"`, all with the same variance, as in
            `keras.initializers.VarianceScaling`.
        seed: An integer draws the same values in each call. A
            `keras.random.SeedGenerator` continues from call to call. With `None`, each
            call draws new values (reproducibly after `keras.utils.set_random_seed`), so
            one instance can serve several layers.
        input_axes: Axes of the kernel that a unit sums over; all others are units. By
            default all but the last, as in Dense and convolution layers. Set by
            `EinsumDense`. A Conv2DTranspose needs `(0, 1, 3)`, a DepthwiseConv2D
            `(0, 1)`.
        output_axes: Axes of the kernel that an input spreads over. Set by
            `EinsumDense`.

    Raises:
        ValueError: If an argument is not as above. When it draws: if the kernel has
            fewer than two axes or an empty one.

    Reference:

    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    - [Bingham & Miikkulainen, 2023](https://arxiv.org/abs/2109.08958)
    """

    def __init__(
        self,
        activation: str | dict | Callable | None,
        method: str = "forward",
        distribution: str = "truncated_normal",
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes)
        self._gain = calculate_gain(activation, method)
        self.activation = keras.activations.get(activation)
        self.method = method
        self.distribution = arguments.choice(
            "distribution", distribution, _DISTRIBUTIONS
        )

    def _moments(self, num_inputs: int, num_units: int) -> tuple[float, float]:
        return 0.0, self._gain**2 / num_inputs

    def _draw_matrix(self, num_inputs: int, num_units: int, dtype: str) -> Any:
        scaled = keras.initializers.VarianceScaling(
            self._gain**2, "fan_in", self.distribution, self.seed
        )
        return scaled((num_inputs, num_units), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        config = {
            "activation": keras.activations.serialize(self.activation),
            "method": self.method,
            "distribution": self.distribution,
        }
        return {**config, **super().get_config()}
