"""What all initializers of kernels share: the axes that are inputs and units."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_initkit import arguments
from keras_initkit.initializers.seeded_draw import SeededDraw, SeedLike


# Not for its formula (its constructor is not even called): Keras >= 3.15 tells only
# instances of VarianceScaling which axes of an EinsumDense kernel, and so of
# MultiHeadAttention, are inputs and which outputs.
class KernelDraw(SeededDraw, keras.initializers.VarianceScaling):
    """Abstract initializer of a kernel.

    Args:
        seed: As in `SeededDraw`.
        input_axes: Axes of the kernel that are summed over; by default all but the
            last, as in Dense and convolution layers. Set by `EinsumDense`. A depthwise
            convolution needs its spatial axes, `(0, 1)`.
        output_axes: Axes of the kernel that are units, by default all others. Set by
            `EinsumDense`.
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

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        rank = len(arguments.shape("shape", shape))
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        for name, given in axes.items():
            if any(not -rank <= axis < rank for axis in given or ()):
                expected = f"axes of a kernel of shape {tuple(shape)}"
                raise arguments.error(name, given, expected)
        return super().__call__(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        return {**super().get_config(), **axes}


def _checked(name: str, axes: Any) -> Sequence[int] | None:
    """Axes as they came, so that a config holds what was given."""
    is_list = isinstance(axes, list | tuple)
    if axes is not None and not (
        is_list
        and all(arguments.is_integer(axis, least=-math.inf) for axis in axes)
        and len(set(axes)) == len(axes)
    ):
        raise arguments.error(name, axes, "different integers, or None")
    return axes
