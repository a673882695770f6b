"""Orthogonal initial weights that keep the variance at any shape."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_initkit import arguments
from keras_initkit.initializers.matrix_draw import MatrixDraw
from keras_initkit.initializers.seeded_draw import SeedLike


@keras.saving.register_keras_serializable(package="keras_initkit")
class ScaledOrthogonal(MatrixDraw):
    """Initializer that draws an orthogonal matrix, scaled up where it expands.

    The matrix of (inputs, units) is `gain * sqrt(max(1, num_units / num_inputs)) * Q`.
    `Q` is uniform among the matrices with orthonormal columns, or with orthonormal rows
    if there are more units than inputs. `keras.initializers.Orthogonal` leaves out the
    square root, so an expanding layer loses variance. Here, the outputs have `gain^2`
    times the variance of the inputs at any shape. All singular values are equal, and
    the variance of an entry is `gain^2 / num_inputs`.

    Examples:

    >>> # Standalone usage:
    >>> initializer = ScaledOrthogonal()
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer that follows a ReLU:
    >>> initializer = ScaledOrthogonal(gain=calculate_gain("relu"))
    >>> layer = keras.layers.Dense(3, kernel_initializer=initializer)

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = ScaledOrthogonal(input_axes=(0, 1, 3))
    >>> layer = keras.layers.Conv2DTranspose(3, 3, kernel_initializer=initializer)

    Args:
        gain: Positive, finite float. On average, a transposed convolution with strides
            sums over only a part of its window: multiply the gain by the square root of
            the strides of all axes, so by 2 for `strides=2` in a Conv2DTranspose.
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

    - [Saxe et al., 2014](https://arxiv.org/abs/1312.6120)
    """

    def __init__(
        self,
        gain: float = 1.0,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes)
        self.gain = arguments.number("gain", gain, above=0)

    def _moments(self, num_inputs: int, num_units: int) -> tuple[float, float]:
        return 0.0, self.gain**2 / num_inputs

    def _draw_matrix(self, num_inputs: int, num_units: int, dtype: str) -> Any:
        expansion = math.sqrt(max(1, num_units / num_inputs))
        orthogonal = keras.initializers.Orthogonal(self.gain * expansion, self.seed)
        return orthogonal((num_inputs, num_units), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}
