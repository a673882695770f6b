"""The variances of signal and gradient along a deep, wide, random network."""

import numpy as np

from keras_initkit.theory.elementwise import Activation, elementwise_function
from keras_initkit.theory.gaussian_average import gaussian_samples


def signal_profile(
    activation: Activation, weight_variance: float, depth: int, variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how each layer of a network without biases changes a signal.

    The variance of the pre-activations is `q[0] = variance` and
    `q[l + 1] = sigma_w^2 E[f(sqrt(q[l]) z)^2]`, and that of their gradient is
    `slopes[l] = sigma_w^2 E[f'(sqrt(q[l]) z)^2]` times that of layer `l + 1`, for
    `z ~ N(0, 1)` and layers of one width.

    Examples:

    >>> signal_profile("relu", weight_variance=1.0, depth=3, variance=4.0)
    (array([4., 2., 1.]), array([0.5, 0.5, 0.5]))

    Args:
        activation: As in `variance_map`.
        weight_variance: `fan_in` times the variance of a weight, at least 0.
        depth: Number of layers.
        variance: Variance of the first layer's pre-activations, at least 0.

    Returns:
        `q` and `slopes`, float64, `(depth,)` each.

    Raises:
        ValueError: If the activation is unknown or not elementwise.

    Reference:

    - [Poole et al., 2016](https://arxiv.org/abs/1606.05340)
    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    """
    function = elementwise_function(activation)
    variances, slopes = np.empty(depth), np.empty(depth)
    for layer in range(depth):
        samples = gaussian_samples(function, variance)
        variances[layer] = variance
        slopes[layer] = weight_variance * samples.average(samples.slopes, power=2)
        variance = weight_variance * samples.average(samples.values, power=2)
    return variances, slopes
