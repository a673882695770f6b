"""Finds initializers that count other inputs and outputs than their layers have."""

import math
from collections.abc import Iterable
from typing import Any

from keras_initkit.initializers.intended_variance import (
    intended_variance,
    with_other_axes,
)
from keras_initkit.kernels.fans import KernelFans
from keras_initkit.kernels.origin import initializer_name, kernel_initializer


def axes_notes(kernels: Iterable[tuple[str, Any, KernelFans]]) -> list[str]:
    """Says which argument an initializer lacks, and in which layers.

    Keras gives an initializer the shape of a kernel, but not its layer. The kernel of a
    transposed or a depthwise convolution looks like that of a convolution.

    Args:
        kernels: for each kernel, the name of its layer, the layer, and its fans.

    Returns:
        A sentence for each initializer and its axes, with the layers in it.
    """
    layers: dict[str, list[str]] = {}
    for name, layer, kernel in kernels:
        initializer = kernel_initializer(layer, kernel)
        ratio = _ratio(initializer, kernel)
        if math.isnan(ratio) or math.isclose(ratio, 1):
            continue
        advice = (
            f"Give {initializer_name(initializer)} the arguments "
            f"input_axes={kernel.input_axes}, output_axes={kernel.output_axes}"
        )
        times = f"variance {ratio:.3g} times that for its fans"
        layers.setdefault(advice, []).append(f"{name!r} ({times})")
    return [f"{advice} in {', '.join(names)}." for advice, names in layers.items()]


def _ratio(initializer: Any, kernel: KernelFans) -> float:
    """The intended variance, over that with the layer's axes; NaN if unknown."""
    if not hasattr(initializer, "input_axes"):
        return math.nan
    shape = tuple(kernel.variable.shape)
    told = with_other_axes(initializer, kernel.input_axes, kernel.output_axes)
    of_its_fans = intended_variance(told, shape)
    return intended_variance(initializer, shape) / (of_its_fans or math.nan)
