"""Initializers that set only the middle tap of a window, so pixels stay in place."""

from typing import Any

from keras import ops

from keras_initkit.initializers.matrix_draw import MatrixDraw


class CentreDraw(MatrixDraw):
    """Abstract initializer: a matrix of (channels, filters) in the middle of a window.

    All other taps of a convolution are zero. A kernel without a window, as in a Dense
    layer or an einsum, is the matrix itself, folded as in `MatrixDraw`.

    Args:
        seed, input_axes, output_axes: As in `KernelDraw`.
    """

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        centre = super()._draw(self._centre_shape(shape), dtype)
        # Keras pads an even window with one less before than after.
        window = self._window(len(shape))
        around = [
            ((size - 1) // 2, size // 2) if axis in window else (0, 0)
            for axis, size in enumerate(shape)
        ]
        return ops.pad(centre, around)

    def _matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return super()._matrix_shape(self._centre_shape(shape))

    def _centre_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the middle tap: a kernel with a window of one."""
        self._axes(shape)  # raises for an empty window, which has no middle
        window = self._window(len(shape))
        return tuple(1 if axis in window else n for axis, n in enumerate(shape))
