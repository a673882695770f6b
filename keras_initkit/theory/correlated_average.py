"""Averages over two normal inputs that are correlated."""

import math
from typing import NamedTuple

import numpy as np

from keras_initkit.theory.elementwise import ElementwiseFunction
from keras_initkit.theory.gaussian_average import gaussian_samples, normal_density

# Above this correlation, results are interpolated linearly.
_NEARLY_ONE = 1 - 1e-7
# Ten nodes over three standard deviations integrate a normal density to 1e-9.
_DEVIATIONS_PER_PANEL = 3
_REACH_IN_DEVIATIONS = 8


class CorrelatedMoments(NamedTuple):
    """Moments of two correlated normal inputs `u1, u2 ~ N(0, variance)`.

    Attributes:
        values: `E[f(u1) f(u2)]`.
        slopes: `E[f'(u1) f'(u2)]`.
    """

    values: float
    slopes: float


def correlated_moments(
    function: ElementwiseFunction, variance: float, correlation: float
) -> CorrelatedMoments:
    """Returns the average product of a function's values, and of its slopes.

    Examples:

    >>> moments = correlated_moments(np.sin, variance=1.0, correlation=0.5)
    >>> round(moments.values, 6), round(math.exp(-1) * math.sinh(0.5), 6)
    (0.1917, 0.1917)

    Args:
        function: An elementwise function of float64 arrays.
        variance: Variance of both inputs, at least 0.
        correlation: Correlation of the inputs, from -1 to 1.

    Returns:
        `CorrelatedMoments(values, slopes)`, accurate to about 1e-7 for a function of
        float64. At a jump of the function, the slope is 0.

    Raises:
        ValueError: As in `gaussian_samples`.
    """
    if correlation <= _NEARLY_ONE:
        return _over_both_inputs(function, variance, max(correlation, -_NEARLY_ONE))
    samples = gaussian_samples(function, variance)
    equal = CorrelatedMoments(
        samples.average(samples.values, power=2),
        samples.average(samples.slopes, power=2),
    )
    if correlation == 1:
        return equal
    nearly = _over_both_inputs(function, variance, _NEARLY_ONE)
    share = (1 - correlation) / (1 - _NEARLY_ONE)
    return CorrelatedMoments(
        equal.values + share * (nearly.values - equal.values),
        equal.slopes + share * (nearly.slopes - equal.slopes),
    )


def _over_both_inputs(
    function: ElementwiseFunction, variance: float, correlation: float
) -> CorrelatedMoments:
    """Uses the same points for both inputs; given `z1`, `z2 ~ N(c z1, 1 - c^2)`."""
    deviation = math.sqrt(1 - correlation**2)
    samples = gaussian_samples(function, variance, _DEVIATIONS_PER_PANEL * deviation)
    means = correlation * samples.z
    reach = _REACH_IN_DEVIATIONS * deviation
    z = samples.z.ravel()
    starts = np.searchsorted(z, means.min(axis=1) - reach)
    stops = np.searchsorted(z, means.max(axis=1) + reach)
    # Values and slopes side by side, so the density is computed once for both.
    integrands = np.stack([samples.values.ravel(), samples.slopes.ravel()], axis=1)
    weighted = samples.weights.reshape(-1, 1) * integrands

    given_first = np.empty((*samples.z.shape, 2))
    for panel, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        distance = (z[start:stop] - means[panel][:, None]) / deviation
        given_first[panel] = normal_density(distance) / deviation @ weighted[start:stop]
    return CorrelatedMoments(
        samples.average(samples.values * given_first[..., 0]),
        samples.average(samples.slopes * given_first[..., 1]),
    )
