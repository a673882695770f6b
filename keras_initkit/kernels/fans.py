"""The number of inputs and units of each kernel of a layer."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from keras_initkit import arguments
from keras_initkit.kernels.kernel import is_kernel, owners


class KernelFans(NamedTuple):
    """The fans of one kernel, and the axes that describe them to an initializer."""

    variable: Any
    fan_in: float
    fan_out: float
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]


def kernel_fans(layer: keras.Layer) -> list[KernelFans]:
    """Returns the fans of every kernel of a built layer, and of all layers in it.

    For a linear layer with input `x`, output `y` and a kernel `w` of independent
    entries of mean 0, `Var[y] = fan_in * Var[w] * E[x^2]` and
    `Var[dL/dx] = fan_out * Var[w] * E[(dL/dy)^2]`. A kernel is a weight that multiplies
    the layer's input, trained or frozen: a variable with two or more axes that is no
    bias, slope or scale. With a window of `k` taps, a stride of `s` positions and `g`
    groups:

    layer | fan_in | fan_out
    --|--|--
    Dense | inputs | units
    EinsumDense | the axes summed over | the axes of the output that the input lacks
    Conv | k * inputs / g | k * filters / g / s
    DepthwiseConv | k | k * depth_multiplier / s
    ConvTranspose | k * inputs / s | k * filters
    SimpleRNN, GRU, LSTM | inputs or units | units of all 1, 3 or 4 gates
    Embedding | 1: it looks up a row | the columns, for a one-hot input

    MultiHeadAttention and GroupQueryAttention consist of EinsumDense layers, and a
    SeparableConv consists of a DepthwiseConv and a Conv of one tap. Any other kernel
    counts as that of a Conv with `g = s = 1`, as in
    `keras.initializers.VarianceScaling`. With a stride, the variance is the mean over
    all positions.

    The fans ignore borders, although with padding "same" the outputs there have fewer
    inputs. They also ignore an axis of unknown size that an einsum sums over and its
    kernel lacks.

    Examples:

    >>> layer = keras.layers.DepthwiseConv2D(3)
    >>> layer.build((None, 8, 8, 64))
    >>> [fans] = kernel_fans(layer)
    >>> fans.fan_in, fans.fan_out, fans.input_axes
    (9.0, 9.0, (0, 1))

    Args:
        layer: A built layer or model.

    Returns:
        A list of `KernelFans(variable, fan_in, fan_out, input_axes, output_axes)` in
        the order of `layer.weights`, with each shared kernel once. Without strides, the
        sizes of `input_axes` multiply to `fan_in`. Without strides and groups, those of
        `output_axes` multiply to `fan_out`. The window of a convolution is in both.

    Raises:
        ValueError: If `layer` is not a layer.

    Reference:

    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    """
    arguments.instance("layer", layer, keras.Layer, "a Keras layer or model")
    made_by = owners(layer)
    return [
        _fans(made_by[id(variable)], variable)
        for variable in layer.weights
        if id(variable) in made_by and is_kernel(made_by[id(variable)], variable)
    ]


def _fans(layer: Any, kernel: Any) -> KernelFans:
    for layer_types, name, rule in _RULES:
        if isinstance(layer, layer_types) and kernel.name == name:
            return rule(layer, kernel)
    return _dense_or_convolution(kernel)


def _dense_or_convolution(
    kernel: Any, groups: int = 1, strides: Sequence[int] = ()
) -> KernelFans:
    *window, inputs, units = range(len(kernel.shape))
    fans = _of_axes(kernel, [*window, inputs], [*window, units])
    return fans._replace(fan_out=fans.fan_out / groups / math.prod(strides))


def _convolution(layer: Any, kernel: Any) -> KernelFans:
    return _dense_or_convolution(kernel, layer.groups, layer.strides)


def _depthwise_convolution(layer: Any, kernel: Any) -> KernelFans:
    *window, _, multiplier = range(len(kernel.shape))
    fans = _of_axes(kernel, window, [*window, multiplier])
    return fans._replace(fan_out=fans.fan_out / math.prod(layer.strides))


def _transposed_convolution(layer: Any, kernel: Any) -> KernelFans:
    *window, units, inputs = range(len(kernel.shape))
    fans = _of_axes(kernel, [*window, inputs], [*window, units])
    return fans._replace(fan_in=fans.fan_in / math.prod(layer.strides))


def _embedding(layer: Any, kernel: Any) -> KernelFans:
    return _of_axes(kernel, [], [1])


def _einsum(layer: Any, kernel: Any) -> KernelFans:
    operands, output = layer.equation.replace(" ", "").split("->")
    inputs, weights = operands.split(",")
    fans = _of_axes(
        kernel,
        [axis for axis, label in enumerate(weights) if label not in output],
        [axis for axis, label in enumerate(weights) if label not in inputs],
    )
    lost = [label for label in inputs if label not in weights + output + "."]
    sizes = _sizes(inputs, layer.get_build_config()["input_shape"]) if lost else {}
    summed = math.prod(sizes[label] or 1 for label in lost)
    return fans._replace(fan_in=fans.fan_in * summed)


def _sizes(labels: str, shape: Sequence[int | None]) -> dict[str, int | None]:
    """Returns the size of each label: "a...b", at most one ellipsis."""
    left, _, right = labels.partition("...")
    sizes = dict(zip(left, shape, strict=False))
    sizes.update(zip(reversed(right), reversed(shape), strict=False))
    return sizes


def _of_axes(
    kernel: Any, input_axes: Sequence[int], output_axes: Sequence[int]
) -> KernelFans:
    return KernelFans(
        kernel,
        float(math.prod(kernel.shape[axis] for axis in input_axes)),
        float(math.prod(kernel.shape[axis] for axis in output_axes)),
        tuple(input_axes),
        tuple(output_axes),
    )


_layers = keras.layers
# The rule for the variable of this name in layers of these types.
_RULES: tuple[tuple[tuple[type, ...], str, Any], ...] = (
    ((_layers.EinsumDense,), "kernel", _einsum),
    ((_layers.Conv1D, _layers.Conv2D, _layers.Conv3D), "kernel", _convolution),
    (
        (_layers.DepthwiseConv1D, _layers.DepthwiseConv2D),
        "kernel",
        _depthwise_convolution,
    ),
    (
        (_layers.SeparableConv1D, _layers.SeparableConv2D),
        "depthwise_kernel",
        _depthwise_convolution,
    ),
    (
        (_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose),
        "kernel",
        _transposed_convolution,
    ),
    ((_layers.Embedding,), "embeddings", _embedding),
)
