import math

import pytest

from keras_initkit.theory import chi, finite_width_fluctuation, fixed_variance

pytestmark = pytest.mark.slow  # the study takes twenty seconds

DEPTH = 10  # of the quick run
WIDTH = 200


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_linear_layers_are_an_exact_product(findings, gain):
    linear = findings[f"linear, {gain} I"]
    # From the first hidden layer to the eighth: seven factors, squared in a variance.
    assert linear["signal"] == pytest.approx(gain**14, rel=1e-5)
    assert linear["gradient"] == pytest.approx(gain**14, rel=1e-5)
    assert linear["off the product"] < 1e-5  # gradients of the kernels, in training
    # The output is gain^8 (x_1 + x_2), and the target is 2 (x_1 + x_2).
    ratio = linear["loss before"] / findings["linear, 1.0 I"]["loss before"]
    assert ratio == pytest.approx((gain**8 - 2) ** 2, rel=1e-4)


def test_only_a_product_of_ones_trains(findings):
    one, half = findings["linear, 1.0 I"], findings["linear, 0.5 I"]
    assert one["loss after"] < 1e-6 * one["loss before"]
    # Ten seeds: 0.83 to 0.99 of it.
    assert half["loss after"] > 0.7 * half["loss before"]
    assert not math.isfinite(findings["linear, 1.5 I"]["loss after"])


@pytest.mark.parametrize("weight_variance", [1, 2, 3])
def test_relu_multiplies_both_by_half_the_weight_variance(findings, weight_variance):
    relu = findings[f"relu, {weight_variance}"]
    factor = (weight_variance / 2) ** (DEPTH - 1)
    assert relu["signal, theory"] == pytest.approx(factor)
    assert relu["gradient, theory"] == pytest.approx(factor)
    # A draw is within four standard deviations of the logarithm.
    off = 4 * math.log1p(finite_width_fluctuation([WIDTH] * DEPTH))
    assert math.log(relu["signal, worst draw off by"]) < off
    assert math.log(relu["gradient, worst draw off by"]) < off


def test_draws_of_relu_stray_most_in_the_signal(findings):
    relu, tanh = findings["relu, 2"], findings["tanh, 1"]
    assert relu["signal, worst draw off by"] > tanh["signal, worst draw off by"]


def test_tanh_keeps_the_signal_where_the_gradient_explodes(findings):
    chaotic = findings["tanh, 4"]
    # From the first layer's variance, 4, to the fixed point.
    fixed = fixed_variance("tanh", 4) / 4
    assert chaotic["signal"] == pytest.approx(fixed, rel=0.2)
    assert chi("tanh", 4) > 1.3
    assert chaotic["gradient"] > 8
    assert chaotic["gradient"] == pytest.approx(chaotic["gradient, theory"], rel=0.3)


def test_tanh_loses_both_below_one_and_slowly_at_one(findings):
    below, at = findings["tanh, 0.5"], findings["tanh, 1"]
    for column in ("signal", "gradient"):
        assert below[column] < 0.001
        assert 0.01 < at[column] < 0.1
        for run in below, at:
            assert run[column] == pytest.approx(run[f"{column}, theory"], rel=0.25)


@pytest.mark.parametrize("weight_variance", [1, 4, 16])
def test_sigmoid_keeps_the_signal_and_loses_the_gradient(findings, weight_variance):
    sigmoid = findings[f"sigmoid, {weight_variance}"]
    fixed = fixed_variance("sigmoid", weight_variance) / weight_variance
    assert sigmoid["signal"] == pytest.approx(fixed, rel=0.4)
    assert sigmoid["gradient"] < 1e-3
    assert sigmoid["gradient"] == pytest.approx(sigmoid["gradient, theory"], rel=0.4)
    # f' is at most a quarter.
    assert sigmoid["gradient, theory"] < (weight_variance / 16) ** (DEPTH - 1)
