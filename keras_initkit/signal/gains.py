"""How much an activation shrinks a standard normal signal, and the gain against it."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import keras
import numpy as np

# Beyond +-12 the normal density is below 1e-31: even exp(2z) has no weight there.
_REACH = 12
# Every kink of a Keras activation (0, +-0.5, +-1, +-3, 6) is an edge of a panel, so
# the integrand is smooth inside each and Gauss-Legendre converges to rounding.
_PANEL_WIDTH = 0.25
_NODES_PER_PANEL = 8


class Moments(NamedTuple):
    """Mean and variance of `f(z)` for `z ~ N(0, 1)`."""

    mean: float
    variance: float

    @property
    def mean_square(self) -> float:
        """`E[f(z)^2]`."""
        return self.variance + self.mean**2


def calculate_gain(activation: str | dict | Callable | None) -> float:
    """Returns the factor that makes up for the signal lost in an activation.

    `gain = E[f(z)^2]^(-1/2)` for `z ~ N(0, 1)`. Weights of variance
    `gain^2 / fan_in` behind the activation `f` keep the pre-activation variance of a
    wide network at 1 from layer to layer: this is `scale=2.0` of `HeNormal` for
    ReLU, and its counterpart for any other elementwise activation.

    Example:

    >>> round(calculate_gain("relu"), 4)
    1.4142
    >>> round(calculate_gain("tanh"), 4)
    1.5925

    Args:
        activation: Name of a Keras activation, its config, an elementwise callable,
            or `None` for linear.

    Returns:
        A positive float.

    Raises:
        ValueError: If the activation is unknown, is not elementwise (`softmax`), or
            has no positive, finite `E[f(z)^2]`.

    Reference:

    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    - [Bingham & Miikkulainen, 2023](https://arxiv.org/abs/2109.08958)
    """
    return 1 / math.sqrt(gaussian_moments(activation).mean_square)


def gaussian_moments(activation: str | dict | Callable | None) -> Moments:
    """Returns mean and variance of an activation's output for standard normal input.

    Computed by composite Gauss-Legendre quadrature against the normal density, to
    about 1e-12 (1e-6 where the backend computes the activation in float32).

    Example:

    >>> moments = gaussian_moments("relu")
    >>> round(moments.mean, 4), round(moments.mean_square, 4)
    (0.3989, 0.5)

    Args:
        activation: As in `calculate_gain`.

    Returns:
        `Moments(mean, variance)`, with `mean_square` as a property.

    Raises:
        ValueError: As in `calculate_gain`.
    """
    points, weights = _normal_quadrature()
    values = _evaluate(activation, points)
    with np.errstate(over="ignore", invalid="ignore"):  # Refused below.
        mean = float(weights @ values)
        moments = Moments(mean, float(weights @ (values - mean) ** 2))
    if not 0 < moments.mean_square < math.inf:
        raise ValueError(
            "Argument `activation` must have a positive, finite mean square for "
            f"standard normal input, but it is {moments.mean_square}. "
            f"Received: activation={activation}"
        )
    return moments


def _normal_quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Returns ascending points and their weights, which sum to 1."""
    nodes, node_weights = np.polynomial.legendre.leggauss(_NODES_PER_PANEL)
    centres = np.arange(-_REACH, _REACH, _PANEL_WIDTH) + _PANEL_WIDTH / 2
    points = (centres[:, None] + nodes * _PANEL_WIDTH / 2).ravel()
    weights = np.tile(node_weights, len(centres)) * np.exp(-(points**2) / 2)
    return points, weights / weights.sum()


def _evaluate(
    activation: str | dict | Callable | None, points: np.ndarray
) -> np.ndarray:
    try:
        function = keras.activations.get(activation)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Argument `activation` must be the name of a Keras activation, its "
            f"config, a callable or `None`. Received: activation={activation}"
        ) from error

    def values_at(points: np.ndarray) -> np.ndarray:
        return np.asarray(keras.ops.convert_to_numpy(function(points)), "float64")

    half = points[: len(points) // 2]
    # Keras may build a layer while it traces a model, where no op has a value. A trace
    # belongs to its thread: in a new one, every backend computes eagerly.
    with ThreadPoolExecutor(max_workers=1) as eager:
        try:
            values, half_values = eager.map(values_at, (points, half))
        except (TypeError, ValueError) as error:
            raise ValueError(
                "Argument `activation` must be callable with one array of any shape. "
                f"Received: activation={activation}"
            ) from error

    # An elementwise function does not see whether the other half is there.
    if values.shape != points.shape or not np.allclose(
        values[: len(half)], half_values, rtol=1e-4, atol=1e-6, equal_nan=True
    ):
        raise ValueError(
            "Argument `activation` must be elementwise: one whose output depends on "
            "other entries, or has another shape than its input, has no gain. "
            f"Received: activation={activation}"
        )
    return values
