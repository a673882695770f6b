"""Initial weights that let a rectifier network start as a linear one."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from keras_initkit import arguments
from keras_initkit.initializers.centre_draw import CentreDraw
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.seeded_draw import SeedLike

_POSITIONS = ("first", "hidden", "last")


@keras.saving.register_keras_serializable(package="keras_initkit")
class LooksLinear(CentreDraw, ScaledOrthogonal):
    """Initializer of plain rectifier networks that start as an orthogonal linear map.

    Every unit has a mirror image of the opposite sign in the other half of its layer.
    The matrix of (inputs, units) is, with a `W` of `ScaledOrthogonal`,

    - `[W, -W]` at the `position` `"first"`, whose inputs have no mirror images;
    - `[[W, -W], [-W, W]]` at `"hidden"`;
    - `[[W], [-W]]` at `"last"`, whose outputs need none.

    Because `relu(z) - relu(-z) = z`, such a network multiplies its inputs by all its
    `W`. At any depth it keeps their variance and, between equal widths, their lengths
    and angles, forward and backward. The same is true of GELU and SiLU. For
    `leaky_relu(a)`, `f(z) - f(-z) = (1 + a) z`: give the hidden and the last layers
    `gain=1 / (1 + a)`.

    The variance of an entry is that of its `W`: `gain^2 / num_inputs` at `"first"`, and
    `2 * gain^2 / num_inputs` at the other positions. In a convolution, divide this by
    the number of taps, zeros included.

    This needs a chain of layers: `"first"`, any number of `"hidden"`, `"last"`. They
    share one of these activations, with none after the last. They have biases of zero,
    and no normalization, dropout or skip connections.

    In a convolution, the channels are mirrored, and the matrix is in the middle of the
    window, as in `DeltaOrthogonal`. A Dense layer after it must not mix channels and
    pixels in its inputs, so use pooling instead of `Flatten`.

    Examples:

    >>> # Standalone usage:
    >>> initializer = LooksLinear()
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras model:
    >>> def dense(units, position, activation=None):
    ...     initializer = LooksLinear(position)
    ...     return keras.layers.Dense(units, activation, kernel_initializer=initializer)
    >>> model = keras.Sequential(
    ...     [dense(64, "first", "relu")]
    ...     + [dense(64, "hidden", "relu") for _ in range(100)]
    ...     + [dense(10, "last")]
    ... )

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = LooksLinear(
    ...     input_axes=(0, 1, 3), output_axes=(0, 1, 2)
    ... )
    >>> layer = keras.layers.Conv2DTranspose(
    ...     8, 3, padding="same", kernel_initializer=initializer
    ... )

    Args:
        position: One of `"first"`, `"hidden"` and `"last"`.
        gain: Positive, finite float.
        seed: An integer draws the same values in each call. A
            `keras.random.SeedGenerator` continues from call to call. With `None`, each
            call draws new values (reproducibly after `keras.utils.set_random_seed`), so
            one instance can serve several layers.
        input_axes: Axes of the kernel that a unit sums over; all others are units. By
            default all but the last. Set by `EinsumDense`. A Conv2DTranspose needs
            `(0, 1, 3)`.
        output_axes: Axes of the kernel that an input spreads over. The window of a
            convolution is in both. Set by `EinsumDense`. A Conv2DTranspose needs
            `(0, 1, 2)`.

    Raises:
        ValueError: If an argument is not as above. When it draws: if the kernel has
            fewer than two axes or an empty one, or an odd number of inputs or units
            that need mirror images.

    Reference:

    - [Balduzzi et al., 2017](https://arxiv.org/abs/1702.08591)
    """

    is_uncorrelated: ClassVar[bool] = False

    def __init__(
        self,
        position: str = "hidden",
        gain: float = 1.0,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(gain, seed, input_axes, output_axes)
        self.position = arguments.choice("position", position, _POSITIONS)

    def _moments(self, num_inputs: int, num_units: int) -> tuple[float, float]:
        _, half_shape = self._mirrored(num_inputs, num_units)
        return super()._moments(*half_shape)

    def _draw_matrix(self, num_inputs: int, num_units: int, dtype: str) -> Any:
        mirrored_axes, half_shape = self._mirrored(num_inputs, num_units)
        matrix = super()._draw_matrix(*half_shape, dtype)
        for axis in mirrored_axes:
            matrix = ops.concatenate([matrix, -matrix], axis=axis)
        return matrix

    def _mirrored(
        self, num_inputs: int, num_units: int
    ) -> tuple[list[int], tuple[int, int]]:
        """Returns the axes that are mirrored, and the shape of `W`."""
        mirrored_axes = {"first": [1], "hidden": [0, 1], "last": [0]}[self.position]
        half_shape = [num_inputs, num_units]
        for axis in mirrored_axes:
            if half_shape[axis] % 2:
                raise ValueError(
                    f"`LooksLinear` at the position '{self.position}' needs an even "
                    f"number of {('inputs', 'units')[axis]}, axis {axis} of its matrix "
                    f"of inputs and units. Received: shape={(num_inputs, num_units)}"
                )
            half_shape[axis] //= 2
        return mirrored_axes, (half_shape[0], half_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {"position": self.position, **super().get_config()}
