"""Initializers that leave the pixels where they are: one tap of the window is set."""

from typing import Any

from keras import ops

from keras_initkit.initializers.matrix_draw import MatrixDraw


class CentreDraw(MatrixDraw):
    """Abstract initializer: a matrix of (channels, filters) in the middle of a window.

    All other taps of a convolution are zero. A kernel without a window, of a Dense
    layer or with the axes of an einsum, is that matrix, folded as in `MatrixDraw`.

    Args:
        seed, input_axes, output_axes: As in `KernelDraw`.
    """

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        if not self._has_window(shape):
            return super()._draw(shape, dtype)
        *window, num_inputs, num_units = shape
        matrix = self._draw_matrix(num_inputs, num_units, dtype)
        centre = ops.reshape(matrix, [1] * len(window) + [num_inputs, num_units])
        # Keras pads an even window by one less before than after.
        around = [((size - 1) // 2, size // 2) for size in window]
        return ops.pad(centre, [*around, (0, 0), (0, 0)])

    def _matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if not self._has_window(shape):
            return super()._matrix_shape(shape)
        return shape[-2], shape[-1]

    def _has_window(self, shape: tuple[int, ...]) -> bool:
        return len(shape) >= 3 and 0 not in shape and self.input_axes is None
