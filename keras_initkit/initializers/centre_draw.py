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
        centre = super()._draw(self._centre_shape(shape), dtype)
        # Keras pads an even window by one less before than after.
        window = self._window(len(shape))
        around = [
            ((size - 1) // 2, size // 2) if axis in window else (0, 0)
            for axis, size in enumerate(shape)
        ]
        return ops.pad(centre, around)

    def _matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return super()._matrix_shape(self._centre_shape(shape))

    def _centre_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the one tap, a kernel whose window has no extent."""
        self._axes(shape)  # refuses an empty window, which has no centre
        window = self._window(len(shape))
        return tuple(1 if axis in window else n for axis, n in enumerate(shape))
