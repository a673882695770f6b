import math

import keras
import numpy as np
import pytest

from keras_initkit.theory.elementwise import elementwise_function
from keras_initkit.theory.gaussian_average import gaussian_samples, normal_density

VARIANCES = [1e-8, 1e-4, 0.3, 1.0, 7.0, 1e3, 1e6]


def normal_cdf(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


def mean_square(samples):
    return samples.average(samples.values, power=2)


def mean_squared_slope(samples):
    return samples.average(samples.slopes, power=2)


@pytest.mark.parametrize("q", VARIANCES)
def test_sine_has_its_closed_form_at_any_variance(q):
    samples = gaussian_samples(np.sin, q)
    assert mean_square(samples) == pytest.approx(-math.expm1(-2 * q) / 2, rel=1e-8)
    assert mean_squared_slope(samples) == pytest.approx((1 + math.exp(-2 * q)) / 2)
    fourth = (3 + 4 * math.exp(-2 * q) + math.exp(-8 * q)) / 8
    assert samples.average(samples.slopes, power=4) == pytest.approx(fourth)


@pytest.mark.parametrize("q", VARIANCES)
def test_erf_has_its_closed_form_at_any_variance(q):
    samples = gaussian_samples(elementwise_function(keras.ops.erf), q)
    arcsine = 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
    assert mean_square(samples) == pytest.approx(arcsine, rel=1e-6)
    slope = 4 / math.pi / math.sqrt(1 + 4 * q)
    assert mean_squared_slope(samples) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("q", VARIANCES)
def test_relu_scales_with_its_input(q):
    samples = gaussian_samples(elementwise_function("relu"), q)
    assert mean_square(samples) == pytest.approx(q / 2)
    assert mean_squared_slope(samples) == pytest.approx(1 / 2)
    product = samples.average(samples.z * samples.values * samples.slopes)
    assert product == pytest.approx(math.sqrt(q) / 2)


@pytest.mark.parametrize("q", VARIANCES)
def test_hard_tanh_bends_at_one_whatever_the_variance(q):
    samples = gaussian_samples(elementwise_function("hard_tanh"), q)
    inside = math.erf(1 / math.sqrt(2 * q))
    assert mean_squared_slope(samples) == pytest.approx(inside, rel=1e-5)


@pytest.mark.parametrize("kink", [0.3171, -2.7182, 0.001, 1 / 3])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_kink_may_be_anywhere(kink, dtype):
    samples = gaussian_samples(lambda z: np.maximum(z - kink, 0).astype(dtype), 1.0)
    active = 1 - normal_cdf(kink)
    assert mean_squared_slope(samples) == pytest.approx(active, rel=1e-5)
    square = (1 + kink**2) * active - kink * normal_density(np.array(kink))
    assert mean_square(samples) == pytest.approx(square, rel=1e-6)


@pytest.mark.parametrize("jump", [0.5, 0.3171])
def test_the_slope_at_a_jump_is_zero(jump):
    samples = gaussian_samples(lambda z: np.where(abs(z) > jump, z, 0.0), 1.0)
    outside = 2 * (1 - normal_cdf(jump))
    assert mean_squared_slope(samples) == pytest.approx(outside, abs=1e-7)
    step = gaussian_samples(lambda z: np.sign(z - jump), 1.0)
    assert mean_squared_slope(step) == pytest.approx(0, abs=1e-12)
    assert step.average(step.values) == pytest.approx(1 - 2 * normal_cdf(jump))


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "mish", "elu", "softplus"])
def test_single_precision_is_good_to_five_digits(name):
    exact = elementwise_function(name)
    activation = keras.activations.get(name)
    single = elementwise_function(lambda z: activation(z.astype("float32")))
    samples, rounded = gaussian_samples(exact, 1.0), gaussian_samples(single, 1.0)
    assert mean_square(rounded) == pytest.approx(mean_square(samples), rel=1e-6)
    slope = mean_squared_slope(samples)
    assert mean_squared_slope(rounded) == pytest.approx(slope, rel=1e-5)


def test_slopes_are_those_of_the_function():
    samples = gaussian_samples(np.tanh, 4.0)
    np.testing.assert_allclose(
        samples.slopes, 1 - np.tanh(2 * samples.z) ** 2, atol=1e-7
    )


def test_weights_are_those_of_the_normal_density():
    samples = gaussian_samples(elementwise_function("hard_shrink"), 0.7, 0.1)
    moments = [samples.average(samples.z**power) for power in range(7)]
    assert moments == pytest.approx([1, 0, 1, 0, 3, 0, 15], abs=1e-12)
    assert np.all(np.diff(samples.z.ravel()) > 0)
    assert np.max(np.diff(samples.edges)) <= 0.1 + 1e-12


def test_cancellation_is_not_mistaken_for_structure():
    samples = gaussian_samples(lambda z: 1 - np.cos(z), 1e-6)
    assert mean_square(samples) == pytest.approx(3e-12 / 4, rel=1e-4)
    assert samples.z.size < 1000


def test_a_random_function_is_refused():
    draw = np.random.default_rng(0).normal
    with pytest.raises(ValueError, match=r"draws random numbers.*Received: function="):
        gaussian_samples(lambda z: z + draw(size=z.shape), 1.0)


def test_overflow_is_left_to_the_caller():
    assert not math.isfinite(mean_square(gaussian_samples(np.exp, 1e4)))
