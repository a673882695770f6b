import math

import keras
import numpy as np
import pytest

from keras_initkit.signal.gains import calculate_gain, gaussian_moments

NOT_ELEMENTWISE = {"glu", "log_softmax", "softmax", "sparsemax"}
NOT_UNARY = {"threshold"}
ACTIVATIONS = {
    name
    for name in dir(keras.activations)
    if not name.startswith("_") and name not in {"get", "serialize", "deserialize"}
}


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        ("relu", 1.4142),
        ("leaky_relu", 1.3868),
        ("elu", 1.2452),
        ("selu", 1.0000),
        ("gelu", 1.5335),
        ("silu", 1.6765),
        ("mish", 1.4868),
        ("tanh", 1.5925),
        ("sigmoid", 1.8462),
        ("softplus", 1.0419),
        ("softsign", 2.3375),
    ],
)
def test_gain_is_the_tabulated_one(activation, gain):
    assert calculate_gain(activation) == pytest.approx(gain, abs=1e-4)


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
def test_gain_exists_for_every_elementwise_keras_activation(name):
    assert 0.3 < calculate_gain(name) < 3


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
