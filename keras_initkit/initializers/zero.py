"""Initial weights without randomness: zeros and ones, up to sign and factor."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_initkit.initializers.centre_draw import CentreDraw


@keras.saving.register_keras_serializable(package="keras_initkit")
class ZerO(CentreDraw):
    """Initializer without randomness, from identity and Hadamard matrices.

    The matrix of (inputs, units) is

    - the identity, if there are as many units as inputs;
    - the first columns of the identity, if there are fewer units;
    - the upper left corner of `2^(-(m - 1) / 2) * H_m`, if there are more. `H_m` is the
      Hadamard matrix of `2^m` rows, with `m = ceil(log2(num_units))`, `H_0 = [[1]]` and
      `H_m = [[H_(m-1), H_(m-1)], [H_(m-1), -H_(m-1)]]`.

    The identity keeps the variance of its inputs, even with fewer columns. A Hadamard
    matrix multiplies the variance of uncorrelated inputs of mean 0 by
    `2 * num_inputs / 2^m`, and so keeps it if `num_units = 2 * num_inputs = 2^m`. With
    `2^m` units, the squared length of the outputs is twice that of the inputs, and a
    ReLU removes half of it.

    In a convolution, the matrix is in the middle of the window, as in
    `DeltaOrthogonal`, and all other weights are zero. The variance of all entries of an
    identity is `p * (1 - p)`, with `p = 1 / (taps * num_inputs)`.

    Examples:

    >>> # Standalone usage:
    >>> initializer = ZerO()
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer:
    >>> initializer = ZerO()
    >>> layer = keras.layers.Dense(3, kernel_initializer=initializer)

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = ZerO(
    ...     input_axes=(0, 1, 3), output_axes=(0, 1, 2)
    ... )
    >>> layer = keras.layers.Conv2DTranspose(
    ...     8, 3, padding="same", kernel_initializer=initializer
    ... )

    Args:
        input_axes: Axes of the kernel that a unit sums over; all others are units. By
            default all but the last. Set by `EinsumDense`. A Conv2DTranspose needs
            `(0, 1, 3)`.
        output_axes: Axes of the kernel that an input spreads over. The window of a
            convolution is in both. Set by `EinsumDense`. A Conv2DTranspose needs
            `(0, 1, 2)`.

    Raises:
        ValueError: If the kernel to draw has fewer than two axes or an empty one.

    Reference:

    - [Zhao et al., 2022](https://arxiv.org/abs/2110.12661)
    """

    is_uncorrelated: ClassVar[bool] = False

    def __init__(
        self,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(None, input_axes, output_axes)

    def _moments(self, num_inputs: int, num_units: int) -> tuple[float, float]:
        if num_units <= num_inputs:
            return 1 / num_inputs, 1 / num_inputs
        scale = _hadamard_scale(num_units)
        return scale * _hadamard_corner(num_inputs, num_units).mean(), scale**2

    def _draw_matrix(self, num_inputs: int, num_units: int, dtype: str) -> Any:
        if num_units <= num_inputs:
            return ops.eye(num_inputs, num_units, dtype=dtype)
        signs = _hadamard_corner(num_inputs, num_units)
        return _hadamard_scale(num_units) * ops.cast(signs, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"input_axes": self.input_axes, "output_axes": self.output_axes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ZerO":
        # EinsumDense puts a seed into the config of every initializer with axes.
        return cls(config.get("input_axes"), config.get("output_axes"))


def _hadamard_scale(num_units: int) -> float:
    exponent = (int(num_units) - 1).bit_length()
    return 2 ** (-(exponent - 1) / 2)


def _hadamard_corner(num_rows: int, num_columns: int) -> np.ndarray:
    """Returns a corner of Sylvester's matrix with fewer rows than columns."""
    block = np.ones((1, 1), "int8")
    while len(block) < num_rows:
        block = np.block([[block, block], [block, -block]])
    # The upper half of each larger matrix repeats the block.
    repeats = -(-num_columns // len(block))
    return np.tile(block, repeats)[:num_rows, :num_columns]
