"""Initializers that draw a kernel of any rank as one matrix of inputs and units."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from keras import ops

from keras_initkit.initializers.kernel_draw import KernelDraw


class MatrixDraw(KernelDraw):
    """Abstract initializer: a matrix of (inputs, units), folded to the kernel's shape.

    A Dense kernel is that matrix. A convolution sums over its window and its input
    channels, an einsum over its `input_axes`. These axes together are the inputs.

    Args:
        seed, input_axes, output_axes: As in `KernelDraw`.
    """

    # Entries have mean 0, and no two of them are correlated.
    is_uncorrelated: ClassVar[bool] = True

    def intended_variance(self, shape: Sequence[int]) -> float:
        """Returns the variance of the entries of a kernel, over entries and draws.

        All entries count, even those that are always zero. The class names the formula.

        Args:
            shape: Shape of the kernel.

        Raises:
            ValueError: If it cannot draw a kernel of this shape.
        """
        shape = tuple(shape)
        num_inputs, num_units = self._matrix_shape(shape)
        mean, mean_square = self._moments(num_inputs, num_units)
        share = num_inputs * num_units / math.prod(shape)
        return share * mean_square - (share * mean) ** 2

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        matrix = self._draw_matrix(*self._matrix_shape(shape), dtype)
        inputs, units = self._axes(shape)
        order = inputs + units
        kernel = ops.reshape(matrix, [shape[axis] for axis in order])
        return (
            kernel
            if order == sorted(order)
            else ops.transpose(kernel, np.argsort(order).tolist())
        )

    def _matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Returns the number of inputs and of units of a kernel."""
        inputs, units = self._axes(shape)
        return (
            math.prod(shape[axis] for axis in inputs),
            math.prod(shape[axis] for axis in units),
        )

    def _moments(self, num_inputs: int, num_units: int) -> tuple[float, float]:
        """Returns the mean and the mean square of the entries of the matrix."""
        raise NotImplementedError

    def _draw_matrix(self, num_inputs: int, num_units: int, dtype: str) -> Any:
        """Returns a matrix of shape (num_inputs, num_units), float32 or float64."""
        raise NotImplementedError
