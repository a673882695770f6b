"""Variances of weights and biases on the edge between order and chaos."""

import math
from typing import Any, NamedTuple

from keras_initkit import arguments
from keras_initkit.theory.elementwise import (
    Activation,
    ElementwiseFunction,
    elementwise_function,
)
from keras_initkit.theory.gaussian_average import gaussian_samples
from keras_initkit.theory.root import bracketed_root, root_near_one

# Share of q*. A bias variance this close below 0 counts as 0, as for ReLU.
_ROUNDING = 1e-6
# Share of q*. A bias variance this far from the requested one is a different one.
_OTHER_BIAS = 1e-3
# The Jacobian's squared singular values deviate by twice their mean.
_SINGULAR_VALUE_VARIANCE = 4.0
_SMALLEST_VARIANCE, _LARGEST_VARIANCE = 1e-8, 1.0


class Criticality(NamedTuple):
    """Variances at which a wide network neither shrinks nor magnifies a signal.

    Attributes:
        variance: `q*`: the variance of the pre-activations in every layer.
        weight_variance: `sigma_w^2`: `fan_in` times the variance of a weight.
        bias_variance: `sigma_b^2`: the variance of a bias.
    """

    variance: float
    weight_variance: float
    bias_variance: float


def critical_variances(
    activation: Activation,
    variance: float | None = None,
    bias_variance: float | None = None,
) -> Criticality:
    """Returns the variances of weights and biases at which `chi` is 1.

    `sigma_w^2 = 1 / E[f'(sqrt(q) z)^2]` keeps the gradient's variance from layer to
    layer, and `sigma_b^2 = q - sigma_w^2 E[f(sqrt(q) z)^2]` keeps the signal's at `q`.
    The critical points form a line, one for each `q`. Choose one by `q` or by
    `bias_variance`.

    Examples:

    >>> point = critical_variances("tanh", bias_variance=0.05)
    >>> round(point.variance, 4), round(point.weight_variance, 4)
    (0.57, 1.761)

    Args:
        activation: Name of a Keras activation, its config, an elementwise callable,
            or `None` for linear.
        variance: `q*`, the variance that the pre-activations keep. Positive.
        bias_variance: `sigma_b^2`, at least 0. Pass exactly one of the two. If several
            `q*` have this bias variance, the search returns the nearest to 1: 1 for
            ReLU, whose bias variance is 0 at every `q*`, and 1e-8 for tanh without
            bias, which stands for 0.

    Returns:
        `Criticality(variance, weight_variance, bias_variance)`.

    Raises:
        ValueError: If not exactly one of `variance` and `bias_variance` is given, if it
            is not a number or out of range, or if the activation is not elementwise or
            has no critical point there. Sigmoid and softplus, which are far from 0 at
            0, have none below a variance of 10. tanh_shrink, which is flat at 0, has
            none without bias.

    Reference:

    - [Poole et al., 2016](https://arxiv.org/abs/1606.05340)
    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    """
    function = elementwise_function(activation)
    if (variance is None) == (bias_variance is None):
        raise ValueError(
            "Exactly one of the arguments `variance` and `bias_variance` must be "
            f"given. Received: variance={variance}, bias_variance={bias_variance}"
        )
    if variance is None:
        return _point_with_bias(function, activation, bias_variance)
    variance = arguments.number("variance", variance, above=0)
    point = _critical_point(function, variance)
    if not point.bias_variance >= 0:
        raise ValueError(
            f"Argument `activation` has no critical point at a variance of {variance}: "
            "if the weights keep the gradient's variance, no bias variance keeps the "
            f"signal's. Received: activation={activation}"
        )
    return point


def variances_for_depth(activation: Activation, depth: int) -> Criticality:
    """Returns the variances at which a network of this depth is dynamically isometric.

    This is the most nonlinear critical point, with the largest `q*` up to 1, at which
    the squared singular values of the input-output Jacobian of an orthogonal network
    have a standard deviation of at most twice their mean:

    `depth * (mu_2 / mu_1^2 - 1) <= 4` with `mu_k = E[f'(sqrt(q*) z)^(2k)]`

    The factor "twice" is empirical: on MNIST, tanh networks of 100 to 1,000 layers
    learn more slowly with a third of this `q*`, and hardly faster with twice as much.

    Use the result with orthogonal kernels of gain `sqrt(weight_variance)`, normal
    biases of variance `bias_variance`, and inputs scaled so that the first layer's
    pre-activations have variance `variance`.

    Examples:

    >>> point = variances_for_depth("tanh", depth=100)
    >>> round(point.variance, 4), round(point.weight_variance, 4)
    (0.1005, 1.1784)

    Args:
        activation: Name of a Keras activation, its config, an elementwise callable,
            or `None` for linear.
        depth: Number of layers, at least 1.

    Returns:
        `Criticality(variance, weight_variance, bias_variance)`.

    Raises:
        ValueError: If `depth` is not a positive integer; if the activation is not
            elementwise, has no critical point there (sigmoid), or stays nonlinear for
            small inputs, as ReLU does: for that, use `LooksLinear`.

    Reference:

    - [Pennington, Schoenholz & Ganguli, 2017](https://arxiv.org/abs/1711.04735)
    """
    depth = arguments.integer("depth", depth)
    function = elementwise_function(activation)

    def excess(log_variance: float) -> float:
        spread = _slope_variance(function, math.exp(log_variance))
        return depth * spread - _SINGULAR_VALUE_VARIANCE

    smallest, largest = math.log(_SMALLEST_VARIANCE), math.log(_LARGEST_VARIANCE)
    if not excess(smallest) <= 0:
        raise ValueError(
            "Argument `activation` must become linear for small input. An activation "
            "that bends at 0, like ReLU, spreads the singular values at every scale: "
            "use `LooksLinear` for depth. "
            f"Received: activation={activation}"
        )
    if excess(largest) <= 0:
        return critical_variances(activation, variance=_LARGEST_VARIANCE)
    root = bracketed_root(excess, smallest, largest, precision=1e-9)
    return critical_variances(activation, variance=math.exp(root))


def _critical_point(function: ElementwiseFunction, variance: float) -> Criticality:
    samples = gaussian_samples(function, variance)
    mean_squared_slope = samples.average(samples.slopes, power=2)
    if not 0 < mean_squared_slope < math.inf:
        return Criticality(variance, math.nan, math.nan)
    weight_variance = 1 / mean_squared_slope
    bias_variance = variance - weight_variance * samples.average(
        samples.values, power=2
    )
    if abs(bias_variance) < _ROUNDING * variance:
        bias_variance = 0.0
    return Criticality(variance, weight_variance, bias_variance)


def _point_with_bias(
    function: ElementwiseFunction, activation: Activation, bias_variance: Any
) -> Criticality:
    bias_variance = arguments.number("bias_variance", bias_variance, least=0)
    variance = root_near_one(
        lambda q: bias_variance - _critical_point(function, q).bias_variance
    )
    if not math.isinf(variance):
        point = _critical_point(function, max(variance, _SMALLEST_VARIANCE))
        # It differs if the search went down to 0 and found none.
        excess = abs(point.bias_variance - bias_variance)
        if excess <= _OTHER_BIAS * point.variance:
            return point
    raise ValueError(
        "Argument `activation` has no critical point with this bias variance. "
        f"Received: activation={activation}, bias_variance={bias_variance}"
    )


def _slope_variance(function: ElementwiseFunction, variance: float) -> float:
    """Returns `mu_2 / mu_1^2 - 1`, the relative variance of the squared slope."""
    samples = gaussian_samples(function, variance)
    mean_squared_slope = samples.average(samples.slopes, power=2)
    if mean_squared_slope == 0:
        return math.inf
    return samples.average(samples.slopes**2 / mean_squared_slope - 1, power=2)
