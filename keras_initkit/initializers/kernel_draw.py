"""The base of all initializers of kernels: the axes that are inputs and units."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_initkit import arguments
from keras_initkit.initializers.seeded_draw import SeededDraw, SeedLike


# VarianceScaling is not a base for its formula; its constructor is not even called.
# Keras >= 3.15 tells the input and output axes of an EinsumDense kernel, and so of
# MultiHeadAttention, only to instances of VarianceScaling.
class KernelDraw(SeededDraw, keras.initializers.VarianceScaling):
    """Abstract initializer of a kernel.

    Keras gives an initializer the shape of a kernel, but not its layer. The axes tell
    what the shape does not. They mean the same in `keras.initializers.VarianceScaling`,
    and `kernel_fans` knows them for every layer:

    layer | kernel | input_axes | output_axes
    --|--|--|--
    Dense, LSTM, GRU | (inputs, units) | (0,), the default | (1,)
    EinsumDense, attention | as its equation says | set by the layer | set by the layer
    Conv2D | (3, 3, inputs, filters) | (0, 1, 2), the default | (0, 1, 3)
    Conv2DTranspose | (3, 3, filters, inputs) | (0, 1, 3) | (0, 1, 2)
    DepthwiseConv2D | (3, 3, inputs, multiplier) | (0, 1) | (0, 1, 3)

    Args:
        seed: As in `SeededDraw`.
        input_axes: Axes of the kernel that a unit sums over, distinct integers. By
            default all but the last.
        output_axes: Axes of the kernel that an input spreads over. By default all that
            are not in `input_axes`. The window of a convolution is in both.

    Raises:
        ValueError: If an argument is not as above.
    """

    def __init__(
        self,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        self.input_axes = _checked("input_axes", input_axes)
        self.output_axes = _checked("output_axes", output_axes)

    def _axes(self, shape: Sequence[int]) -> tuple[list[int], list[int]]:
        """Returns the axes of the kernel that are inputs, and all others.

        Raises:
            ValueError: If the kernel has fewer than two axes or an empty one, or lacks
                the given axes.
        """
        shape = arguments.shape("shape", shape)
        rank = len(shape)
        if rank < 2 or 0 in shape:
            raise ValueError(
                f"`{type(self).__name__}` needs a kernel with at least two axes, none "
                f"of them empty. Received: shape={tuple(shape)}"
            )
        given = range(rank - 1) if self.input_axes is None else self.input_axes
        inputs = _in_rank("input_axes", given, rank)
        return inputs, [axis for axis in range(rank) if axis not in inputs]

    def _window(self, rank: int) -> list[int]:
        """Returns the axes of the kernel's window, which are inputs and outputs."""
        if self.input_axes is None:
            return list(range(rank - 2))
        outputs = _in_rank("output_axes", self.output_axes or (), rank)
        inputs = _in_rank("input_axes", self.input_axes, rank)
        return [axis for axis in inputs if axis in outputs]

    def get_config(self) -> dict[str, Any]:
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        return {**super().get_config(), **axes}


def _checked(name: str, axes: Any) -> Sequence[int] | None:
    """Checks axes and returns them unchanged, so a config holds the given ones."""
    is_list = isinstance(axes, list | tuple)
    if axes is not None and not (
        is_list
        and all(arguments.is_integer(axis, least=-math.inf) for axis in axes)
        and len(set(axes)) == len(axes)
    ):
        raise arguments.error(name, axes, "different integers, or None")
    return axes


def _in_rank(name: str, axes: Sequence[int], rank: int) -> list[int]:
    """Returns axes counted from 0: -1 is the last."""
    inside = all(-rank <= axis < rank for axis in axes)
    if not inside or len({axis % rank for axis in axes}) < len(axes):
        raise arguments.error(name, axes, f"distinct axes of a kernel that has {rank}")
    return [axis % rank for axis in axes]
