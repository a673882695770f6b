import math

import numpy as np
import pytest

from keras_initkit.theory.depth import depth_scales, max_trainable_depth
from keras_initkit.theory.mean_field import (
    correlation_map,
    fixed_correlation,
    fixed_variance,
    variance_map,
)


@pytest.mark.parametrize("weight_variance", [1.0, 2.35])
def test_the_iterated_maps_approach_their_fixed_points_at_the_depth_scale(
    weight_variance,
):
    scales = depth_scales("tanh", weight_variance, 0.05)
    q_fixed = fixed_variance("tanh", weight_variance, 0.05)
    c_fixed = fixed_correlation("tanh", weight_variance, 0.05)
    q, c = q_fixed + 1e-4, c_fixed - 1e-3
    for _ in range(3):
        q = variance_map("tanh", weight_variance, 0.05, q)
        c = correlation_map("tanh", weight_variance, 0.05, c)
    variance_left, correlation_left = (q - q_fixed) / 1e-4, (c_fixed - c) / 1e-3
    assert variance_left == pytest.approx(math.exp(-3 / scales.variance), rel=1e-2)
    assert correlation_left == pytest.approx(
        math.exp(-3 / scales.correlation), rel=1e-2
    )


def test_relu_without_bias_decays_by_half_its_weight_variance():
    scales = depth_scales("relu", 1.5)
    assert scales == pytest.approx((-1 / math.log(0.75), -1 / math.log(0.75)))
    assert depth_scales("relu", 2.0) == (math.inf, math.inf)


def test_sine_has_its_closed_form():
    q = fixed_variance(np.sin, 1.0, 0.2)
    scales = depth_scales(np.sin, 1.0, 0.2)
    assert scales.variance == pytest.approx(1 / (2 * q))
    assert scales.correlation == pytest.approx(
        -1 / math.log((1 + math.exp(-2 * q)) / 2)
    )


def test_linear_biases_are_forgotten_at_once_where_nothing_is_passed_on():
    assert depth_scales("linear", 0.0, 0.1) == (0, 0)


def test_trainable_depth_peaks_at_criticality():
    variances = [1.0, 1.34, 1.78, 2.35, 4.0]
    depths = [max_trainable_depth("tanh", v, 0.05) for v in variances]
    assert max(depths) == depths[2] > 100
    assert depths[0] < depths[1] < depths[2] > depths[3] > depths[4]
    assert depths[0] == pytest.approx(6 * depth_scales("tanh", 1.0, 0.05).correlation)


def test_a_signal_that_grows_has_no_depth_scale():
    with pytest.raises(ValueError, match=r"without bound.*weight_variance=2.1$"):
        max_trainable_depth("relu", 2.1)
