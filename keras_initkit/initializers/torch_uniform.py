"""The initial weights that PyTorch gives its linear layers and convolutions."""

import math
from typing import Any

import keras

from keras_initkit.initializers.matrix_draw import MatrixDraw


@keras.saving.register_keras_serializable(package="keras_initkit")
class TorchUniform(MatrixDraw):
    """Initializer of kernels as in `torch.nn.Linear` and `torch.nn.Conv2d`.

    It draws from a uniform distribution within `[-limit, limit]`, where
    `limit = 1 / sqrt(fan_in)`: the variance is `1 / (3 * fan_in)`. PyTorch draws the
    biases from the same distribution; see `TorchUniformBias`.

    In `torch.nn.ConvTranspose2d`, PyTorch counts the filters as inputs. So does this
    class in a Conv2DTranspose, unless you pass `input_axes`.

    Examples:

    >>> # Standalone usage:
    >>> initializer = TorchUniform()
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer with 64 inputs:
    >>> layer = keras.layers.Dense(
    ...     3,
    ...     kernel_initializer=TorchUniform(),
    ...     bias_initializer=TorchUniformBias(fan_in=64),
    ... )

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = TorchUniform(input_axes=(0, 1, 3))
    >>> layer = keras.layers.Conv2DTranspose(3, 3, kernel_initializer=initializer)

    Args:
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

    - [torch.nn.Linear](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html)
    - [torch.nn.Conv2d](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html)
    """

    def _moments(self, num_inputs: int, num_units: int) -> tuple[float, float]:
        return 0.0, 1 / (3 * num_inputs)

    def _draw_matrix(self, num_inputs: int, num_units: int, dtype: str) -> Any:
        limit = 1 / math.sqrt(num_inputs)
        uniform = keras.initializers.RandomUniform(-limit, limit, self.seed)
        return uniform((num_inputs, num_units), dtype=dtype)
