"""The deviation of a network of finite width from its mean field."""

import math
from collections.abc import Iterable

import numpy as np

from keras_initkit import arguments
from keras_initkit.theory.elementwise import (
    Activation,
    ElementwiseFunction,
    elementwise_function,
)
from keras_initkit.theory.gaussian_average import gaussian_samples

_PROBE = np.linspace(-2, 2, 17)
# Up to 32 on both sides, because the average reaches 12, and down to invisible bends.
_SCALES = 2.0 ** np.arange(-10, 5)[:, None]


def finite_width_fluctuation(
    widths: Iterable[int], activation: Activation = "relu"
) -> float:
    """Returns how much the length of a signal differs between draws of the weights.

    Every layer of width `n` multiplies the squared length of one input's activations by
    a random factor of relative variance `kappa / n`, with
    `kappa = E[f(z)^4] / E[f(z)^2]^2 - 1` (ReLU 5, linear 2). The factors are
    independent, so after all layers the relative standard deviation is

    `sqrt(prod(1 + kappa / n) - 1)`

    This is exact for normal weights of any scale, biases of 0 and a positively
    homogeneous activation. If the `1 / n` of a ReLU network add up to 0.2, it is 1.3:
    one draw in six starts with less than a quarter of the intended signal. In that
    case, widen the narrowest layers, draw orthogonal kernels, which fluctuate less, or
    rescale the layers on data (LSUV).

    Examples:

    >>> round(finite_width_fluctuation([100] * 20), 4)
    1.2858
    >>> round(finite_width_fluctuation([1000] * 20), 4)
    0.3239

    Args:
        widths: Number of units of each hidden layer, from the first on.
        activation: Name of a Keras activation, its config, an elementwise callable,
            or `None` for linear. Positively homogeneous: `f(a u) = a f(u)` for
            positive `a`, as ReLU, leaky ReLU and linear.

    Returns:
        A float: standard deviation over mean of the mean squared activation in the
        last of these layers; `inf` where it exceeds what a float holds.

    Raises:
        ValueError: If a width is not a positive integer, or the activation is not
            elementwise or not positively homogeneous.

    Reference:

    - [Hanin & Rolnick, 2018](https://arxiv.org/abs/1803.01719)
    """
    counts = _positive_integers(widths)
    function = elementwise_function(activation)
    if not _is_positively_homogeneous(function):
        raise ValueError(
            "Argument `activation` must be positively homogeneous, like ReLU: for "
            "others, the fluctuation depends on the signal's variance. "
            f"Received: activation={activation}"
        )
    samples = gaussian_samples(function, variance=1.0)
    mean_square = samples.average(samples.values, power=2)
    kappa = samples.average(samples.values**2 / mean_square - 1, power=2)
    with np.errstate(over="ignore"):
        growth = np.expm1(sum(math.log1p(kappa / n) for n in counts))
    return math.sqrt(growth)


def _positive_integers(widths: Iterable[int]) -> list[int]:
    counts = list(widths) if isinstance(widths, Iterable) else []
    if not counts or not all(map(arguments.is_integer, counts)):
        raise arguments.error("widths", widths, "one or more positive integers")
    return [int(count) for count in counts]


def _is_positively_homogeneous(function: ElementwiseFunction) -> bool:
    values = function(_PROBE)
    scaled = function(_SCALES * _PROBE) / _SCALES
    return bool(np.allclose(scaled, values, rtol=1e-4, atol=1e-6) and np.any(values))
