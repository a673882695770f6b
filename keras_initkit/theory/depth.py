"""The depth that a signal travels through a wide, random network."""

import math
from typing import NamedTuple

from keras_initkit.theory.elementwise import Activation, elementwise_function
from keras_initkit.theory.gaussian_average import gaussian_samples
from keras_initkit.theory.mean_field import chi, fixed_correlation, fixed_variance

# A depth scale beyond ten million layers counts as infinite.
_CRITICAL_MARGIN = 1e-7
_TRAINABLE_DEPTH_SCALES = 6


class DepthScales(NamedTuple):
    """The number of layers over which information about an input decays by `e`.

    Attributes:
        variance: `xi_q`, for the distance of the variance from `q*`.
        correlation: `xi_c`, for the distance of two inputs' correlation from `c*`.
    """

    variance: float
    correlation: float


def depth_scales(
    activation: Activation, weight_variance: float, bias_variance: float = 0.0
) -> DepthScales:
    """Returns the depths over which a network forgets its input.

    `xi_q = -1 / ln V'(q*)` and `xi_c = -1 / ln C'(c*)` with the slopes of
    `variance_map` and `correlation_map` at their stable fixed points.

    Examples:

    >>> scales = depth_scales("tanh", weight_variance=1.0, bias_variance=0.05)
    >>> round(scales.variance, 2), round(scales.correlation, 2)
    (1.75, 3.63)

    Args:
        activation: As in `variance_map`.
        weight_variance: `fan_in` times the variance of a weight, at least 0.
        bias_variance: Variance of a bias, at least 0.

    Returns:
        `DepthScales(variance, correlation)` in layers, each `inf` if its slope is 1, as
        for the correlation at criticality.

    Raises:
        ValueError: If the activation is unknown or not elementwise, a variance is
            negative, or the network's variance grows without bound.

    Reference:

    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    """
    correlation = fixed_correlation(activation, weight_variance, bias_variance)
    slope = float(chi(activation, weight_variance, bias_variance, correlation))
    variance = fixed_variance(activation, weight_variance, bias_variance)
    return DepthScales(
        variance=_depth_scale(_variance_slope(activation, weight_variance, variance)),
        correlation=_depth_scale(slope),
    )


def max_trainable_depth(
    activation: Activation, weight_variance: float, bias_variance: float = 0.0
) -> float:
    """Returns the depth beyond which a plain network does not start to train.

    It is `6 xi_c`, six times the correlation's depth scale. At this depth, e^-6, a
    quarter of a percent, is left of the difference of two inputs, or of the gradient.

    At criticality it is infinite, but that does not mean that any depth trains. Mean
    field theory ignores the finite width (`finite_width_fluctuation`) and the spread of
    the singular values of the input-output Jacobian (`variances_for_depth`). A critical
    network also still forgets, as a power of the depth: with ReLU and
    `weight_variance=2.0`, two inputs' correlation goes to 1 as depth^-2.

    Examples:

    >>> round(max_trainable_depth("tanh", weight_variance=1.0, bias_variance=0.05))
    22
    >>> max_trainable_depth("relu", weight_variance=2.0)
    inf

    Args:
        activation: As in `variance_map`.
        weight_variance: `fan_in` times the variance of a weight, at least 0.
        bias_variance: Variance of a bias, at least 0.

    Returns:
        A float, in layers.

    Raises:
        ValueError: As in `depth_scales`.

    Reference:

    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    """
    scales = depth_scales(activation, weight_variance, bias_variance)
    return _TRAINABLE_DEPTH_SCALES * scales.correlation


def _variance_slope(
    activation: Activation, weight_variance: float, variance: float
) -> float:
    """Returns `V'(q) = sigma_w^2 E[(z^2 - 1) f(sqrt(q) z)^2] / (2 q)`.

    By parts, it equals `sigma_w^2 E[z f f'] / sqrt(q)`, but it also holds for a jump.
    """
    function = elementwise_function(activation)
    samples = gaussian_samples(function, variance)
    if variance == 0:
        return weight_variance * samples.average(samples.slopes, power=2)
    second_order = (samples.z**2 - 1) * samples.values**2
    return weight_variance * samples.average(second_order) / (2 * variance)


def _depth_scale(slope: float) -> float:
    if abs(slope) >= 1 - _CRITICAL_MARGIN:
        return math.inf
    return -1 / math.log(abs(slope)) if slope else 0.0
