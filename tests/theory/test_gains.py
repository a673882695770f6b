import math

import keras
import numpy as np
import pytest

from keras_initkit.theory.gains import calculate_gain, gaussian_moments

NOT_ELEMENTWISE = {"glu", "log_softmax", "softmax", "sparsemax"}
NOT_UNARY = {"threshold"}
ACTIVATIONS = {
    name
    for name in dir(keras.activations)
    if not name.startswith("_") and name not in {"get", "serialize", "deserialize"}
}


@pytest.mark.parametrize(
    ("activation", "forward", "std", "backward", "chi"),
    [
        ("relu", 1.4142, 1.7129, 1.4142, 1.0000),
        ("leaky_relu", 1.3868, 1.5465, 1.3868, 1.0000),
        ("elu", 1.2452, 1.2708, 1.2234, 1.0359),
        ("selu", 1.0000, 1.0000, 0.9660, 1.0716),
        ("gelu", 1.5335, 1.7009, 1.4811, 1.0720),
        ("silu", 1.6765, 1.7872, 1.6233, 1.0666),
        ("mish", 1.4868, 1.5920, 1.4448, 1.0591),
        ("tanh", 1.5925, 1.5925, 1.4674, 1.1778),
        ("sigmoid", 1.8462, 4.8013, 4.7226, 0.1528),
        ("softplus", 1.0419, 1.9191, 1.8462, 0.3185),
        ("softsign", 2.3375, 2.3375, 2.0958, 1.2440),
    ],
)
def test_gains_are_the_tabulated_ones(activation, forward, std, backward, chi):
    assert calculate_gain(activation) == pytest.approx(forward, abs=1e-4)
    assert calculate_gain(activation, "std") == pytest.approx(std, abs=1e-4)
    assert calculate_gain(activation, "backward") == pytest.approx(backward, abs=1e-4)
    ratio = calculate_gain(activation) / calculate_gain(activation, "backward")
    assert ratio**2 == pytest.approx(chi, abs=1e-4)


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        (None, 1),
        ("linear", 1),
        ("sigmoid", 1),
        ("tanh", 5 / 3),
        ("relu", math.sqrt(2)),
        ("leaky_relu", math.sqrt(2 / (1 + 0.2**2))),
        (keras.layers.LeakyReLU(0.01), math.sqrt(2 / (1 + 0.01**2))),
        ("selu", 3 / 4),
    ],
)
def test_torch_gains_are_those_of_its_table(activation, gain):
    assert calculate_gain(activation, method="torch") == pytest.approx(gain)


@pytest.mark.parametrize("activation", ["gelu", np.sin, keras.layers.ELU(), "no_such"])
def test_torch_has_no_gain_for_others(activation):
    with pytest.raises(ValueError, match=r"Received: activation="):
        calculate_gain(activation, method="torch")


@pytest.mark.parametrize(
    ("activation", "mean_squared_slope"),
    [
        (np.sin, (1 + math.exp(-2)) / 2),
        (keras.ops.erf, 4 / math.pi / math.sqrt(5)),
        (lambda z: z**3, 27),
        ("exponential", math.exp(2)),
        ("hard_tanh", math.erf(1 / math.sqrt(2))),
        ("relu6", math.erf(6 / math.sqrt(2)) / 2),
        ("soft_shrink", 1 - math.erf(0.5 / math.sqrt(2))),
        ("hard_shrink", 1 - math.erf(0.5 / math.sqrt(2))),
        ("hard_sigmoid", math.erf(3 / math.sqrt(2)) / 36),
    ],
)
def test_backward_gain_is_the_closed_form(activation, mean_squared_slope):
    gain = calculate_gain(activation, method="backward")
    assert gain == pytest.approx(mean_squared_slope**-0.5, rel=1e-6)


@pytest.mark.parametrize("method", ["backward", "std"])
def test_a_constant_has_neither_slope_nor_variance(method):
    with pytest.raises(ValueError, match=r"Received: activation="):
        calculate_gain(np.ones_like, method)


@pytest.mark.parametrize(
    ("activation", "mean", "mean_square"),
    [
        (None, 0, 1),
        ("relu", 1 / math.sqrt(2 * math.pi), 1 / 2),
        ("leaky_relu", 0.8 / math.sqrt(2 * math.pi), (1 + 0.2**2) / 2),
        ("exponential", math.exp(1 / 2), math.exp(2)),
        ("sigmoid", 1 / 2, None),
        ("squareplus", None, (1 + 1 + 4) / 4),
        (np.sin, 0, (1 - math.exp(-2)) / 2),
        (np.cos, math.exp(-1 / 2), (1 + math.exp(-2)) / 2),
        (lambda z: z**3, 0, 15),
        (np.ones_like, 1, 1),
    ],
)
def test_moments_are_the_closed_form(activation, mean, mean_square):
    moments = gaussian_moments(activation)
    if mean is not None:
        assert moments.mean == pytest.approx(mean, abs=1e-7)
    if mean_square is not None:
        assert moments.mean_square == pytest.approx(mean_square, rel=1e-7)
        assert calculate_gain(activation) == pytest.approx(mean_square**-0.5)


def test_kinks_cost_no_precision():
    def normal_cdf(x):
        return (1 + math.erf(x / math.sqrt(2))) / 2

    def normal_pdf(x):
        return math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

    inside = (2 * normal_cdf(1) - 1) - 2 * normal_pdf(1)
    hard_tanh = inside + 2 * normal_cdf(-1)
    assert gaussian_moments("hard_tanh").mean_square == pytest.approx(hard_tanh)
    hard_shrink = 2 * (normal_cdf(-0.5) + 0.5 * normal_pdf(0.5))
    assert gaussian_moments("hard_shrink").mean_square == pytest.approx(hard_shrink)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS - NOT_ELEMENTWISE - NOT_UNARY))
def test_gains_exist_for_every_elementwise_keras_activation(name):
    assert 0.3 < calculate_gain(name) < 3
    assert 0.3 < calculate_gain(name, method="backward") < 7
    assert calculate_gain(name, method="std") >= calculate_gain(name) - 1e-9


@pytest.mark.parametrize("name", sorted(ACTIVATIONS & NOT_ELEMENTWISE))
def test_activations_that_mix_entries_are_refused(name):
    with pytest.raises(ValueError, match=f"elementwise.*Received: activation={name}"):
        calculate_gain(name)


@pytest.mark.parametrize("activation", ["no_such_activation", 3, "threshold"])
def test_what_is_no_activation_is_refused(activation):
    with pytest.raises(ValueError, match=f"Received: activation={activation}$"):
        calculate_gain(activation)


@pytest.mark.parametrize(
    "activation",
    [np.zeros_like, lambda z: z * np.nan, lambda z: z + np.inf],
    ids=["zero", "nan", "inf"],
)
def test_an_activation_without_finite_power_has_no_gain(activation):
    with pytest.raises(ValueError, match=r"mean square .* Received: activation="):
        calculate_gain(activation)


def test_name_config_function_and_layer_agree():
    by_name = calculate_gain("leaky_relu")
    assert calculate_gain(keras.activations.leaky_relu) == by_name
    layer = keras.layers.LeakyReLU(0.2)
    assert calculate_gain(layer) == pytest.approx(by_name)
    config = keras.saving.serialize_keras_object(layer)
    assert calculate_gain(config) == pytest.approx(by_name)
