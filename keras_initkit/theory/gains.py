"""The moments of an activation for a standard normal signal, and its gain."""

import math
from typing import NamedTuple

import keras
import numpy as np

from keras_initkit import arguments
from keras_initkit.theory.elementwise import (
    Activation,
    activation_function,
    elementwise_function,
)
from keras_initkit.theory.gaussian_average import GaussianSamples, gaussian_samples

_METHODS = ("forward", "backward", "std", "torch")
_TORCH_GAINS = {
    keras.activations.linear: 1.0,
    keras.activations.sigmoid: 1.0,
    keras.activations.tanh: 5 / 3,
    keras.activations.relu: math.sqrt(2),
    keras.activations.selu: 3 / 4,
}
_LEAKY_RELU_SLOPE = 0.2  # The default of keras.activations.leaky_relu.


class Moments(NamedTuple):
    """Mean and variance of `f(z)` for `z ~ N(0, 1)`."""

    mean: float
    variance: float

    @property
    def mean_square(self) -> float:
        """`E[f(z)^2]`."""
        return self.variance + self.mean**2


def calculate_gain(activation: Activation, method: str = "forward") -> float:
    """Returns the factor that makes up for the signal lost in an activation.

    Weights of variance `gain^2 / fan_in` after the activation `f` keep a variance from
    layer to layer of a wide network whose pre-activations `z` have variance 1:

    | `method`     | gain              | what it keeps                              |
    |--------------|-------------------|--------------------------------------------|
    | `"forward"`  | `E[f(z)^2]^-1/2`  | the variance of the pre-activations        |
    | `"backward"` | `E[f'(z)^2]^-1/2` | the variance of the gradient               |
    | `"std"`      | `Var[f(z)]^-1/2`  | the variance, if the weights of a unit sum |
    |              |                   | to 0 (weight standardization)              |
    | `"torch"`    | a table           | the same as `torch.nn.init.calculate_gain` |

    `gain^2` is the `scale` of `VarianceScaling`: 2.0 for ReLU, as in `HeNormal`.

    Examples:

    >>> round(calculate_gain("relu"), 4)
    1.4142
    >>> round(calculate_gain("tanh"), 4)
    1.5925
    >>> round(calculate_gain("tanh", method="backward"), 4)
    1.4674
    >>> round(calculate_gain("relu", method="std"), 4)
    1.7129
    >>> round(calculate_gain("tanh", method="torch"), 4)
    1.6667

    Args:
        activation: Name of a Keras activation, its config, an elementwise callable
            (a Keras layer without weights is one), or `None` for linear.
        method: One of `"forward"`, `"backward"`, `"std"` and `"torch"`. The slope `f'`
            is 0 at a jump, as in automatic differentiation. The table has linear,
            sigmoid, tanh, ReLU, leaky ReLU (with the slope of Keras, or of a given
            `LeakyReLU` layer) and SELU.

    Returns:
        A positive float.

    Raises:
        ValueError: If the method is unknown; if the activation is unknown, is not
            elementwise (`softmax`), has no positive, finite mean to take the root of,
            or is not in the table.

    Reference:

    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    - [Bingham & Miikkulainen, 2023](https://arxiv.org/abs/2109.08958)
    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232) (backward)
    - [Brock et al., 2021](https://arxiv.org/abs/2101.08692) (std)
    - [torch.nn.init](https://pytorch.org/docs/stable/nn.init.html) (torch)
    """
    if arguments.choice("method", method, _METHODS) == "torch":
        return _torch_gain(activation)
    samples = gaussian_samples(elementwise_function(activation), variance=1.0)
    moments = _moments(samples)
    kept = {
        "forward": ("mean square", moments.mean_square),
        "backward": ("mean squared slope", samples.average(samples.slopes, power=2)),
        "std": ("variance", moments.variance),
    }
    return 1 / math.sqrt(_positive_and_finite(*kept[method], activation))


def gaussian_moments(activation: Activation) -> Moments:
    """Returns mean and variance of an activation's output for standard normal input.

    Adaptive Gauss-Legendre quadrature against the normal density is accurate to about
    1e-9 (1e-6 if the backend computes the activation in float32).

    Examples:

    >>> moments = gaussian_moments("relu")
    >>> round(moments.mean, 4), round(moments.mean_square, 4)
    (0.3989, 0.5)

    Args:
        activation: As in `calculate_gain`.

    Returns:
        `Moments(mean, variance)`, with `mean_square` as a property.

    Raises:
        ValueError: If the activation is unknown, is not elementwise (`softmax`), or
            has no positive, finite `E[f(z)^2]`.
    """
    moments = _moments(gaussian_samples(elementwise_function(activation), variance=1.0))
    _positive_and_finite("mean square", moments.mean_square, activation)
    return moments


def _moments(samples: GaussianSamples) -> Moments:
    mean = samples.average(samples.values)
    with np.errstate(invalid="ignore"):  # The caller refuses an infinite mean.
        return Moments(mean, samples.average(samples.values - mean, power=2))


def _positive_and_finite(name: str, average: float, activation: Activation) -> float:
    if not 0 < average < math.inf:
        raise ValueError(
            "Argument `activation` must have a positive, finite "
            f"{name} for standard normal input, but it is {average}. "
            f"Received: activation={activation}"
        )
    return average


def _torch_gain(activation: Activation) -> float:
    function = activation_function(activation)
    if isinstance(function, keras.layers.LeakyReLU):
        return math.sqrt(2 / (1 + function.negative_slope**2))
    if function is keras.activations.leaky_relu:
        return math.sqrt(2 / (1 + _LEAKY_RELU_SLOPE**2))
    if function not in _TORCH_GAINS:
        known = sorted([f.__name__ for f in _TORCH_GAINS] + ["leaky_relu"])
        raise ValueError(
            f"Argument `activation` must be one of {known} for `method='torch'`. "
            f"Received: activation={activation}"
        )
    return _TORCH_GAINS[function]
