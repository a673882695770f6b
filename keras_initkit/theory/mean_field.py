"""The variance and correlation of inputs in a deep, wide, random network.

In a layer `W f(u) + b` with `n` inputs, `weight_variance` is `n Var[W]` (`sigma_w^2`)
and `bias_variance` is `Var[b]` (`sigma_b^2`). The wider the layer, the closer its
pre-activations `u` are to normal. Two numbers then describe them completely: the
variance `q` of one input, and the correlation `c` of two.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_initkit import arguments
from keras_initkit.theory.correlated_average import correlated_moments
from keras_initkit.theory.elementwise import (
    Activation,
    ElementwiseFunction,
    elementwise_function,
)
from keras_initkit.theory.gaussian_average import gaussian_samples
from keras_initkit.theory.root import bracketed_root, root_near_one

# A fixed correlation this close to 1 counts as 1.
_NEARLY_ONE = 1 - 1e-5
_ROUNDING = 1e-9


def variance_map(
    activation: Activation,
    weight_variance: float,
    bias_variance: float,
    variance: float | np.ndarray,
) -> float | np.ndarray:
    """Returns the variance of a layer's pre-activations, given the layer before.

    `V(q) = sigma_w^2 E[f(sqrt(q) z)^2] + sigma_b^2` for `z ~ N(0, 1)`.

    Examples:

    >>> round(variance_map("relu", 2.0, bias_variance=0.1, variance=3.0), 6)
    3.1

    Args:
        activation: Name of a Keras activation, its config, an elementwise callable,
            or `None` for linear.
        weight_variance: `fan_in` times the variance of a weight, at least 0.
        bias_variance: Variance of a bias, at least 0.
        variance: Variance of the pre-activations before, at least 0 and finite: a
            number or an array.

    Returns:
        A float, or an array of the shape of `variance`.

    Raises:
        ValueError: If the activation is unknown or not elementwise, or a variance is
            not a finite number of at least 0.

    Reference:

    - [Poole et al., 2016](https://arxiv.org/abs/1606.05340)
    """
    function = _checked_function(activation, weight_variance, bias_variance)
    if not _all_within(variance, 0, np.finfo("float64").max):
        raise ValueError(
            "Argument `variance` must be finite and at least 0. "
            f"Received: variance={variance!r}"
        )
    return _of_each(
        variance, lambda q: weight_variance * _mean_square(function, q) + bias_variance
    )


def fixed_variance(
    activation: Activation, weight_variance: float, bias_variance: float = 0.0
) -> float:
    """Returns the variance `q*` that the pre-activations have deep in the network.

    It is the fixed point of `variance_map` reached from `q = 1`. If every variance is a
    fixed point (ReLU with `weight_variance=2.0` and no bias), this is 1.

    Examples:

    >>> round(fixed_variance("tanh", weight_variance=1.76095, bias_variance=0.05), 4)
    0.57

    Args:
        activation: As in `variance_map`.
        weight_variance: As in `variance_map`.
        bias_variance: As in `variance_map`.

    Returns:
        A float: `inf` if the variance grows beyond 1e6, 0 if it shrinks below 1e-10.

    Raises:
        ValueError: As in `variance_map`.

    Reference:

    - [Poole et al., 2016](https://arxiv.org/abs/1606.05340)
    """
    function = _checked_function(activation, weight_variance, bias_variance)
    return _fixed_variance(function, weight_variance, bias_variance)


def correlation_map(
    activation: Activation,
    weight_variance: float,
    bias_variance: float,
    correlation: float | np.ndarray,
    variance: float | None = None,
) -> float | np.ndarray:
    """Returns the correlation of two inputs after a layer, given that before it.

    `C(c) = (sigma_w^2 E[f(u1) f(u2)] + sigma_b^2) / q`, where `u1` and `u2` have
    variance `q` and correlation `c`.

    Example: two inputs at a right angle, as ReLU leaves them.

    >>> round(correlation_map("relu", 2.0, 0.0, correlation=0.0), 6)
    0.31831

    Args:
        activation: As in `variance_map`.
        weight_variance: As in `variance_map`.
        bias_variance: As in `variance_map`.
        correlation: Correlation of the pre-activations of two inputs, from -1 to 1: a
            number or an array.
        variance: Variance of the pre-activations before and after the layer. Defaults
            to their `fixed_variance`.

    Returns:
        A float, or an array of the shape of `correlation`.

    Raises:
        ValueError: As in `variance_map`; if `correlation` is not from -1 to 1; if
            `variance` is not positive, or is not given and the fixed variance is 0
            or infinite.

    Reference:

    - [Poole et al., 2016](https://arxiv.org/abs/1606.05340)
    """
    function = _checked_function(activation, weight_variance, bias_variance)
    if variance is not None:
        variance = arguments.number("variance", variance, above=0)
    else:
        variance = _finite_fixed_variance(function, weight_variance, bias_variance)
    if variance == 0:
        raise ValueError(
            "Argument `weight_variance` must keep the signal alive, but here the "
            "variance falls to 0 from layer to layer. Pass `variance` for the map at "
            f"a variance of your choice. Received: weight_variance={weight_variance}"
        )
    _check_correlation(correlation)

    def mapped(correlation: float) -> float:
        product = correlated_moments(function, variance, correlation).values
        return (weight_variance * product + bias_variance) / variance

    return _of_each(correlation, mapped)


def fixed_correlation(
    activation: Activation, weight_variance: float, bias_variance: float = 0.0
) -> float:
    """Returns the correlation `c*` that any two inputs have deep in the network.

    It is the stable fixed point of `correlation_map` at the fixed variance: 1 in the
    ordered phase, where all inputs become equal (even if all vanish), and below 1 in
    the chaotic phase, where neighboring inputs diverge.

    Examples:

    >>> fixed_correlation("tanh", weight_variance=1.0, bias_variance=0.05)
    1.0
    >>> round(fixed_correlation("tanh", weight_variance=4.0, bias_variance=0.05), 4)
    0.1651

    Args:
        activation: As in `variance_map`.
        weight_variance: As in `variance_map`.
        bias_variance: As in `variance_map`.

    Returns:
        A float from 0 to 1, accurate to about 1e-5.

    Raises:
        ValueError: As in `variance_map`, and if the variance has no finite fixed
            point.

    Reference:

    - [Poole et al., 2016](https://arxiv.org/abs/1606.05340)
    """
    function = _checked_function(activation, weight_variance, bias_variance)
    variance = _finite_fixed_variance(function, weight_variance, bias_variance)
    if variance == 0:
        return 1.0

    def rise(correlation: float) -> float:
        product = correlated_moments(function, variance, correlation).values
        mapped = (weight_variance * product + bias_variance) / variance
        return mapped - correlation

    # The map is convex on [0, 1] and fixes 1. It fixes another point only if it lies
    # below the diagonal just before 1.
    if rise(_NEARLY_ONE) >= -_ROUNDING:
        return 1.0
    if rise(0.0) <= _ROUNDING:
        return 0.0
    return bracketed_root(rise, 0.0, _NEARLY_ONE, precision=1e-9)


def chi(
    activation: Activation,
    weight_variance: float,
    bias_variance: float = 0.0,
    correlation: float | np.ndarray = 1.0,
) -> float | np.ndarray:
    """Returns how much one layer magnifies the distance of two neighboring inputs.

    It is `chi = sigma_w^2 E[f'(u1) f'(u2)]` at the fixed variance, the slope of
    `correlation_map`. At a correlation of 1, it is `sigma_w^2 E[f'(sqrt(q*) z)^2]`.
    Each layer also multiplies the variance of the gradient by this, backward. The
    network is ordered below 1, critical at 1, chaotic above.

    Examples:

    >>> round(chi("relu", weight_variance=2.0), 6)
    1.0
    >>> round(chi("tanh", weight_variance=4.0, bias_variance=0.05), 4)
    1.3424

    Args:
        activation: As in `variance_map`.
        weight_variance: As in `variance_map`.
        bias_variance: As in `variance_map`.
        correlation: Correlation of the two inputs, from -1 to 1: a number or an array.

    Returns:
        A float, or an array of the shape of `correlation`.

    Raises:
        ValueError: As in `fixed_correlation`, and if `correlation` is not from -1 to 1.

    Reference:

    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    """
    function = _checked_function(activation, weight_variance, bias_variance)
    variance = _finite_fixed_variance(function, weight_variance, bias_variance)
    _check_correlation(correlation)
    return _of_each(
        correlation,
        lambda c: weight_variance * correlated_moments(function, variance, c).slopes,
    )


def _checked_function(
    activation: Activation, weight_variance: float, bias_variance: float
) -> ElementwiseFunction:
    arguments.number("weight_variance", weight_variance, least=0)
    arguments.number("bias_variance", bias_variance, least=0)
    return elementwise_function(activation)


def _check_correlation(correlation: Any) -> None:
    if not _all_within(correlation, -1, 1):
        raise ValueError(
            "Argument `correlation` must be from -1 to 1. "
            f"Received: correlation={correlation!r}"
        )


def _all_within(values: Any, least: float, most: float) -> bool:
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        return False
    is_real = array.dtype.kind in "fiu"
    return is_real and bool(np.all((array >= least) & (array <= most)))


def _of_each(values: Any, function: Callable[[float], float]) -> float | np.ndarray:
    array = np.asarray(values, "float64")
    results = [function(value) for value in array.ravel().tolist()]
    return np.reshape(results, array.shape) if array.ndim else results[0]


def _mean_square(function: ElementwiseFunction, variance: float) -> float:
    samples = gaussian_samples(function, variance)
    return samples.average(samples.values, power=2)


def _fixed_variance(
    function: ElementwiseFunction, weight_variance: float, bias_variance: float
) -> float:
    return root_near_one(
        lambda q: weight_variance * _mean_square(function, q) + bias_variance - q
    )


def _finite_fixed_variance(
    function: ElementwiseFunction, weight_variance: float, bias_variance: float
) -> float:
    variance = _fixed_variance(function, weight_variance, bias_variance)
    if math.isinf(variance):
        raise ValueError(
            "Argument `weight_variance` must leave the pre-activations a finite "
            "variance, but here it grows from layer to layer without bound. "
            f"Received: weight_variance={weight_variance}"
        )
    return variance
