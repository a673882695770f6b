"""Averages of an activation and of its slope over normal input of any variance.

The line is cut into panels. In each, a polynomial through the activation's values at
the Gauss-Legendre nodes gives the integral and the slope. A panel is halved until its
polynomial predicts the activation at new points. Kinks and steep places thus end up on
the edge of a panel, or in a panel too small to matter.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from keras_initkit.theory.elementwise import ElementwiseFunction

# Beyond +-12 the normal density is below 1e-31: even exp(2z) has no weight there.
_REACH = 12
_PANEL_WIDTH = 0.5
# Near 0, the panels shrink to this width in f's argument u. Activations bend at
# |u| ~ 1, which is a tiny z if the variance is large.
_INNERMOST_WIDTH = 2**-6
# A panel that is unresolved at this width contains a jump.
_SMALLEST_WIDTH = 2**-28
_MOST_PANELS = 2**16
# Tolerance of the prediction, relative to the largest value.
_TOLERANCE = 1e-10
_ROUNDING_ERRORS = 16
# Replaces a variance of 0, at which a slope has no width to measure it on.
_SMALLEST_VARIANCE = 1e-12

_NODE_COUNT = 10
_NODES, _NODE_WEIGHTS = legendre.leggauss(_NODE_COUNT)
_TO_COEFFICIENTS = np.linalg.inv(legendre.legvander(_NODES, _NODE_COUNT - 1))
_TO_SLOPES = (
    legendre.legval(_NODES, legendre.legder(np.eye(_NODE_COUNT))).T @ _TO_COEFFICIENTS
)
_TO_HALVES = np.stack(
    [
        legendre.legvander((_NODES + side) / 2, _NODE_COUNT - 1) @ _TO_COEFFICIENTS
        for side in (-1, 1)
    ]
)


class GaussianSamples(NamedTuple):
    """An activation at the points of a quadrature over `z ~ N(0, 1)`.

    The average of anything elementwise is a sum over all points:
    `E[f(u)^2]` is `samples.average(samples.values, 2)`, where `u = sqrt(variance) * z`.
    All arrays have shape `(panels, 10)` and ascend; `edges` has `(panels + 1,)`.

    Attributes:
        z: the points.
        weights: `dz`; with the normal density they sum to 1.
        values: `f(u)`.
        slopes: `f'(u)` almost everywhere; 0 at a jump, as automatic
            differentiation has it.
        edges: the edges of the panels, in `z`.
    """

    z: np.ndarray
    weights: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    edges: np.ndarray

    def average(self, integrand: np.ndarray, power: int = 1) -> float:
        """Returns `E[integrand^power]` for values at the points."""
        weights = self.weights * normal_density(self.z)
        # The caller refuses an overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sum(weights * integrand**power))


def gaussian_samples(
    function: ElementwiseFunction, variance: float, widest_panel: float = math.inf
) -> GaussianSamples:
    """Returns a function's values and slopes at the points of a normal quadrature.

    Averages are accurate to about 1e-9 for a function of float64, even with kinks and
    jumps, and to 1e-5 for a function of float32.

    Examples:

    >>> samples = gaussian_samples(np.tanh, variance=4.0)
    >>> round(samples.average(samples.slopes, power=2), 4)
    0.256

    Args:
        function: An elementwise function of float64 arrays.
        variance: Variance of its argument, at least 0.
        widest_panel: Wider panels are cut into equal parts, for integrands that need
            it.

    Returns:
        `GaussianSamples`.

    Raises:
        ValueError: If no number of panels resolves the function, because it is random
            or oscillates too fast for this variance.
    """
    scale = math.sqrt(max(variance, _SMALLEST_VARIANCE))
    with np.errstate(over="ignore", invalid="ignore"):
        left, right, smooth = _resolve(function, scale)
        parts = np.ceil((right - left) / widest_panel).clip(min=1).astype(int)
        left, right, smooth = _cut(left, right, smooth, parts)
        z, half_widths = _nodes(left, right), (right - left)[:, None] / 2
        values = np.asarray(function(scale * z), "float64")
        # Without its offset, a constant in a panel has a slope of exactly 0.
        rise = values - values[:, :1]
        slopes = rise @ _TO_SLOPES.T / (half_widths * scale)
        slopes[~smooth] = 0
    return GaussianSamples(
        z, _NODE_WEIGHTS * half_widths, values, slopes, np.append(left, right[-1])
    )


def normal_density(z: np.ndarray) -> np.ndarray:
    """Returns `exp(-z^2 / 2) / sqrt(2 pi)`."""
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _resolve(
    function: ElementwiseFunction, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns ascending panels, and whether their polynomials match the function.

    The square root of the normal density weighs an error, as in all moments up to the
    second.
    """
    edges = _first_edges(scale)
    left, right = edges[:-1], edges[1:]
    points = _nodes(left, right)
    values = function(scale * points)
    largest = float(np.max(abs(values) * np.exp(-(points**2) / 4)))
    # Numbers near 1 that cancel (1 - cos u) leave their rounding error.
    rounding = float(np.finfo(values.dtype).eps) * max(1, scale, largest)
    tolerance = max(_TOLERANCE * largest, _ROUNDING_ERRORS * rounding)

    resolved = []
    while left.size:
        middle = (left + right) / 2
        half_left = np.stack([left, middle])
        half_right = np.stack([middle, right])
        points = _nodes(half_left, half_right)
        half_values = function(scale * points)
        predicted = values @ _TO_HALVES.transpose(0, 2, 1)
        error = abs(half_values - predicted) * np.exp(-(points**2) / 4)
        unresolved = error.max(axis=(0, 2)) > tolerance
        given_up = unresolved & (right - left < _SMALLEST_WIDTH)
        done = ~unresolved | given_up
        resolved.append((left[done], right[done], ~given_up[done]))
        if 2 * np.sum(~done) > _MOST_PANELS:
            raise ValueError(
                "The activation oscillates too fast to average it over normal input "
                f"of standard deviation {scale}, or it draws random numbers. "
                f"Received: function={function}"
            )
        left, right = half_left[:, ~done].ravel(), half_right[:, ~done].ravel()
        values = half_values[:, ~done].reshape(-1, _NODE_COUNT)

    left, right, smooth = (np.concatenate(ends) for ends in zip(*resolved, strict=True))
    order = np.argsort(left)
    return left[order], right[order], smooth[order]


def _first_edges(scale: float) -> np.ndarray:
    """Returns edges in `z`, evenly spaced except for the dyadic ones near 0."""
    halvings = max(0, math.ceil(math.log2(scale * _PANEL_WIDTH / _INNERMOST_WIDTH)))
    inner = _PANEL_WIDTH * 2.0 ** -np.arange(halvings, 0, -1)
    outer = np.arange(_PANEL_WIDTH, _REACH + _PANEL_WIDTH, _PANEL_WIDTH)
    positive = np.concatenate([inner, outer])
    return np.concatenate([-positive[::-1], [0.0], positive])


def _nodes(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return ((left + right) / 2)[..., None] + _NODES * ((right - left) / 2)[..., None]


def _cut(
    left: np.ndarray, right: np.ndarray, smooth: np.ndarray, parts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the panels, each cut into its number of equal parts."""
    width = np.repeat((right - left) / parts, parts)
    part = np.arange(len(width)) - np.repeat(np.cumsum(parts) - parts, parts)
    left = np.repeat(left, parts) + part * width
    return left, np.append(left[1:], right[-1]), np.repeat(smooth, parts)
