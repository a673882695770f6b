"""Orthogonal initial weights of convolutions."""

from collections.abc import Sequence

import keras

from keras_initkit.initializers.centre_draw import CentreDraw
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal


@keras.saving.register_keras_serializable(package="keras_initkit")
class DeltaOrthogonal(CentreDraw, ScaledOrthogonal):
    """Initializer of convolutions that start as an orthogonal map of the channels.

    The matrix of (channels, filters) in the middle of the window is that of
    `ScaledOrthogonal`, `gain * sqrt(max(1, filters / channels)) * Q`. All other weights
    are zero. With strides of 1 and `padding="same"`, every pixel, even at the border,
    maps to itself with `gain^2` times its variance, and all singular values of the
    layer are equal. With `taps` taps in the window, the variance of an entry is
    `gain^2 / (taps * channels)`, zeros included.

    The middle of `size` taps is tap `(size - 1) // 2`, counted from 0. For an even
    size, this is the tap that `padding="same"` puts on the pixel itself.

    Examples:

    >>> # Standalone usage:
    >>> initializer = DeltaOrthogonal()
    >>> values = initializer(shape=(3, 3, 2, 2))

    >>> # Usage in a Keras layer that follows a ReLU:
    >>> initializer = DeltaOrthogonal(gain=calculate_gain("relu"))
    >>> layer = keras.layers.Conv2D(
    ...     8, 3, padding="same", kernel_initializer=initializer
    ... )

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = DeltaOrthogonal(
    ...     input_axes=(0, 1, 3), output_axes=(0, 1, 2)
    ... )
    >>> layer = keras.layers.Conv2DTranspose(
    ...     8, 3, padding="same", kernel_initializer=initializer
    ... )

    Args:
        gain: Positive, finite float.
        seed: An integer draws the same values in each call. A
            `keras.random.SeedGenerator` continues from call to call. With `None`, each
            call draws new values (reproducibly after `keras.utils.set_random_seed`), so
            one instance can serve several layers.
        input_axes: Axes of the kernel that a unit sums over. By default all but the
            last. Set by `EinsumDense`. A Conv2DTranspose needs `(0, 1, 3)`.
        output_axes: Axes of the kernel that an input spreads over. By default all but
            the second to last. The window is in both: a Conv2DTranspose needs
            `(0, 1, 2)`. `EinsumDense` sets axes without a window, for which the kernel
            is that of `ScaledOrthogonal`.

    Raises:
        ValueError: If an argument is not as above. When it draws: if the kernel has
            fewer than three axes or an empty one.

    Reference:

    - [Xiao et al., 2018](https://arxiv.org/abs/1806.05393)
    """

    def _axes(self, shape: Sequence[int]) -> tuple[list[int], list[int]]:
        if len(shape) < 3:
            raise ValueError(
                "`DeltaOrthogonal` needs the kernel of a convolution, with at least "
                "three axes. For a Dense layer, use `ScaledOrthogonal`. "
                f"Received: shape={tuple(shape)}"
            )
        return super()._axes(shape)
