import math

import keras
import numpy as np
import pytest

from keras_initkit.theory.mean_field import (
    chi,
    correlation_map,
    fixed_correlation,
    fixed_variance,
    variance_map,
)


def covariances_in_a_random_network(activation, weight_variance, bias_variance, depth):
    """Moments of ten inputs' pre-activations at each layer of a wide network."""
    width, inputs = 1000, 10
    draw = np.random.default_rng(0).normal
    signal = draw(size=(width, inputs))
    covariances = []
    for _ in range(depth):
        kernel = draw(size=(width, width)) * math.sqrt(weight_variance / width)
        bias = draw(size=(width, 1)) * math.sqrt(bias_variance)
        signal = kernel @ activation(signal) + bias
        covariances.append(signal.T @ signal / width)
    return np.array(covariances)


@pytest.mark.parametrize(
    ("weight_variance", "bias_variance"), [(4.0, 0.05), (1.0, 0.1)]
)
def test_a_deep_random_network_comes_to_the_fixed_point(weight_variance, bias_variance):
    covariance = covariances_in_a_random_network(
        np.tanh, weight_variance, bias_variance, depth=30
    )[-8:].mean(axis=0)
    q = np.mean(np.diag(covariance))
    product = np.mean(covariance[~np.eye(len(covariance), dtype=bool)])
    assert fixed_variance("tanh", weight_variance, bias_variance) == pytest.approx(
        q, rel=0.05
    )
    c = fixed_correlation("tanh", weight_variance, bias_variance)
    assert c == pytest.approx(product / q, abs=0.05)


def test_variance_map_of_relu_is_linear():
    q = np.array([[0.0, 1e-6, 1.0], [3.0, 100.0, 1e6]])
    mapped = variance_map("relu", 1.5, 0.1, q)
    np.testing.assert_allclose(mapped, 0.75 * q + 0.1, rtol=1e-9)
    assert isinstance(variance_map("relu", 1.5, 0.1, 3.0), float)


@pytest.mark.parametrize("c", [-1.0, -0.3, 0.0, 0.7, 0.999, 1.0])
def test_correlation_map_of_relu_is_the_arc_cosine_kernel(c):
    angle = math.acos(c)
    kernel = (math.sin(angle) + (math.pi - angle) * c) / math.pi
    assert correlation_map("relu", 2.0, 0.0, c) == pytest.approx(kernel, abs=1e-6)
    mapped = correlation_map("relu", 2.0, 0.5, c, variance=4.0)
    assert mapped == pytest.approx(kernel + 0.125, abs=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "hard_tanh"])
def test_the_fixed_variance_is_fixed_and_the_correlation_map_fixes_one(activation):
    q = fixed_variance(activation, 1.3, 0.2)
    assert variance_map(activation, 1.3, 0.2, q) == pytest.approx(q, rel=1e-9)
    assert correlation_map(activation, 1.3, 0.2, 1.0) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(
    ("activation", "weight_variance", "bias_variance", "variance"),
    [
        ("relu", 2.0, 0.0, 1),
        ("relu", 1.5, 0.1, 0.4),
        ("relu", 1.9, 0.0, 0),
        ("relu", 2.1, 0.0, math.inf),
        ("relu", 2.0, 0.1, math.inf),
        ("tanh", 0.9, 0.0, 0),
        ("tanh", 1.76095, 0.05, 0.57005),
        ("tanh", 1.05, 2.01e-5, 0.02592),
        ("selu", 1.0, 0.0, 1),
        ("exponential", 3.0, 0.0, math.inf),
        (None, 0.0, 0.3, 0.3),
    ],
)
def test_fixed_variances_are_known(
    activation, weight_variance, bias_variance, variance
):
    q = fixed_variance(activation, weight_variance, bias_variance)
    assert q == pytest.approx(variance, rel=1e-3)


@pytest.mark.parametrize("weight_variance", [1.2, 2.0, 4.0])
@pytest.mark.parametrize("activation", ["tanh", keras.ops.erf])
def test_chaos_of_odd_activations_without_bias_forgets_all(activation, weight_variance):
    assert chi(activation, weight_variance) > 1
    assert fixed_correlation(activation, weight_variance) == 0


@pytest.mark.parametrize(
    ("activation", "weight_variance", "bias_variance"),
    [("tanh", 1.0, 0.05), ("relu", 2.0, 0.0), ("tanh", 0.5, 0.0), ("gelu", 2.0, 0.1)],
)
def test_order_makes_all_inputs_one(activation, weight_variance, bias_variance):
    assert chi(activation, weight_variance, bias_variance) <= 1 + 1e-9
    assert fixed_correlation(activation, weight_variance, bias_variance) == 1


def test_chaos_fixes_a_correlation_where_the_slope_is_below_one():
    c = fixed_correlation("tanh", 2.35, 0.05)
    assert correlation_map("tanh", 2.35, 0.05, c) == pytest.approx(c, abs=1e-7)
    assert chi("tanh", 2.35, 0.05) > 1 > chi("tanh", 2.35, 0.05, correlation=c) > 0


def test_chi_is_the_slope_of_the_correlation_map():
    for c in (0.2, 0.9):
        rise = correlation_map("gelu", 2.0, 0.1, c + 1e-4) - correlation_map(
            "gelu", 2.0, 0.1, c - 1e-4
        )
        assert chi("gelu", 2.0, 0.1, c) == pytest.approx(rise / 2e-4, rel=1e-5)


def test_leaky_slopes_are_averaged():
    assert chi("leaky_relu", 1.0, 0.1) == pytest.approx((1 + 0.2**2) / 2)
    assert chi("tanh", 0.9) == pytest.approx(0.9)


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"without bound.*weight_variance=3.0$"):
        correlation_map("relu", 3.0, 0.0, 0.5)
    with pytest.raises(ValueError, match=r"falls to 0.*weight_variance=1.0$"):
        correlation_map("relu", 1.0, 0.0, 0.5)
    with pytest.raises(ValueError, match=r"without bound.*weight_variance=3.0$"):
        chi("relu", 3.0)
    with pytest.raises(ValueError, match=r"`correlation`.*Received: correlation=array"):
        chi("tanh", 1.0, 0.0, np.array([0.5, 2.0]))


@pytest.mark.parametrize("function", [correlation_map, chi])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_of_correlations_is_mapped_entry_by_entry(function, dtype):
    correlations = np.array([[0.125, 0.5, -1.0]], dtype)
    mapped = function("tanh", 2.0, 0.1, correlation=correlations)
    expected = [function("tanh", 2.0, 0.1, correlation=c) for c in (0.125, 0.5, -1.0)]
    np.testing.assert_array_equal(mapped, [expected])
