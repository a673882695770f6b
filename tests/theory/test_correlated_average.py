import math

import keras
import numpy as np
import pytest

from keras_initkit.theory.correlated_average import correlated_moments
from keras_initkit.theory.elementwise import elementwise_function

CORRELATIONS = [-1, -0.9999999, -0.9, 0, 0.3, 0.9, 0.999, 0.99999, 0.99999999, 1]


@pytest.mark.parametrize("c", CORRELATIONS)
def test_relu_is_the_arc_cosine_kernel(c):
    angle = math.acos(c)
    moments = correlated_moments(elementwise_function("relu"), 3.0, c)
    kernel = 3 * (math.sin(angle) + (math.pi - angle) * c) / (2 * math.pi)
    assert moments.values == pytest.approx(kernel, abs=1e-8)
    assert moments.slopes == pytest.approx((math.pi - angle) / (2 * math.pi), abs=2e-4)


@pytest.mark.parametrize("c", CORRELATIONS)
def test_sine_is_the_hyperbolic_one(c):
    moments = correlated_moments(np.sin, 2.0, c)
    assert moments.values == pytest.approx(math.exp(-2) * math.sinh(2 * c), abs=1e-6)
    assert moments.slopes == pytest.approx(math.exp(-2) * math.cosh(2 * c), abs=1e-6)


@pytest.mark.parametrize("c", [-0.5, 0.1, 0.8, 0.9999])
def test_erf_is_the_arc_sine_kernel(c):
    moments = correlated_moments(elementwise_function(keras.ops.erf), 1.5, c)
    kernel = 2 / math.pi * math.asin(2 * 1.5 * c / (1 + 2 * 1.5))
    assert moments.values == pytest.approx(kernel, abs=1e-7)


@pytest.mark.parametrize("c", [-0.7, 0.2, 0.97])
def test_a_jump_is_no_obstacle(c):
    moments = correlated_moments(np.sign, 1.0, c)
    assert moments.values == pytest.approx(2 / math.pi * math.asin(c))


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_smooth_activations_agree_with_gauss_hermite(name):
    function = elementwise_function(name)
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    first, second = np.meshgrid(nodes, nodes)
    other = 0.6 * first + 0.8 * second
    product = function(math.sqrt(0.5) * first) * function(math.sqrt(0.5) * other)
    moments = correlated_moments(function, 0.5, 0.6)
    assert moments.values == pytest.approx(weights @ product @ weights, rel=1e-8)
