import math

import pytest

from keras_initkit.theory import chi

LN_10 = math.log(10)
BOTH = pytest.mark.parametrize("activation", ["tanh", "sigmoid"])


@BOTH
def test_large_weights_saturate_and_stay_saturated(findings, activation):
    large = findings[f"{activation} x 10"]
    assert large["saturated"] > 0.9
    assert large["at the end"] > 0.8
    assert findings[f"{activation} x 1"]["saturated"] < 0.1
    assert large["accuracy"] < 0.5


@pytest.mark.parametrize(("activation", "right"), [("tanh", 1), ("sigmoid", 4)])
def test_saturated_layers_make_the_gradient_grow_as_mean_field_theory_says(
    findings, activation, right
):
    large = findings[f"{activation} x 10"]
    growth = chi(activation, weight_variance=(10 * right) ** 2)
    assert growth > 3
    assert large["gradient x"] == pytest.approx(growth, rel=0.3)


@BOTH
def test_small_weights_give_all_digits_one_output(findings, activation):
    small = findings[f"{activation} x 0.1"]
    assert small["saturated"] == small["at the end"] == 0
    # Each layer leaves a tenth: the weights' factor times the slope at 0, which is
    # 0.1 * 1 for tanh and 0.4 * 1/4 for sigmoid.
    assert small["spread x"] == pytest.approx(0.1, rel=0.1)
    assert small["loss"] == pytest.approx(LN_10, abs=0.05)
    assert small["accuracy"] < 0.2
    assert small["accuracy"] < findings[f"{activation} x 10"]["accuracy"]


def test_small_weights_divide_the_gradient_in_each_layer(findings):
    # Its variance falls by 0.1 ** 2 per layer. With sigmoid, the outputs stay at 1/2,
    # so each layer shows it. With tanh, the outputs shrink toward the head as the
    # gradient shrinks toward the input, so all kernels get equally little.
    sigmoid, tanh = findings["sigmoid x 0.1"], findings["tanh x 0.1"]
    assert sigmoid["gradient x"] == pytest.approx(0.01, rel=0.3)
    assert tanh["gradient x"] == pytest.approx(1, rel=0.3)
    for activation, small in (("sigmoid", sigmoid), ("tanh", tanh)):
        assert small["gradient 1"] < 1e-6 * findings[f"{activation} x 1"]["gradient 1"]


def test_the_right_tanh_learns(findings):
    right = findings["tanh x 1"]
    assert right["accuracy"] > 0.8
    assert right["gradient x"] == pytest.approx(1, rel=0.3)
