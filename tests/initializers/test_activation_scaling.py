import math

import keras
import numpy as np
import pytest

from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.theory.gains import calculate_gain


def draw(initializer, shape=(400, 300), dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def assert_std(values, std):
    # Five sigmas of the sampling error of a normal standard deviation, which bounds
    # that of the lighter-tailed truncated normal and uniform.
    assert np.std(values) == pytest.approx(std, rel=5 / math.sqrt(2 * values.size))


@pytest.mark.parametrize(
    ("activation", "known"),
    [
        ("relu", keras.initializers.HeNormal),
        ("selu", keras.initializers.LecunNormal),
        (None, keras.initializers.LecunNormal),
    ],
)
def test_the_known_ones_are_those_of_keras(activation, known):
    kernel = draw(ActivationScaling(activation, seed=3))
    np.testing.assert_allclose(kernel, draw(known(seed=3)), rtol=1e-3)


@pytest.mark.parametrize(
    "distribution", ["truncated_normal", "untruncated_normal", "uniform"]
)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sigmoid"])
def test_variance_is_that_of_the_formula(activation, distribution):
    kernel = draw(ActivationScaling(activation, distribution=distribution))
    assert_std(kernel, calculate_gain(activation) / math.sqrt(400))


def test_the_distributions_have_their_own_reach():
    std = calculate_gain("relu") / math.sqrt(400)

    def reach(distribution):
        kernel = draw(ActivationScaling("relu", distribution=distribution))
        return np.abs(kernel).max() / std

    assert reach("uniform") == pytest.approx(math.sqrt(3), rel=1e-3)
    # Cut off at two standard deviations of the normal distribution before the cut.
    assert reach("truncated_normal") == pytest.approx(2 / 0.87962566, rel=1e-2)
    assert reach("untruncated_normal") > 3.5


@pytest.mark.parametrize("method", ["forward", "backward", "std", "torch"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_method_has_its_gain(activation, method):
    kernel = draw(ActivationScaling(activation, method))
    assert_std(kernel, calculate_gain(activation, method) / math.sqrt(400))


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "silu", "softplus"])
def test_a_network_keeps_its_mean_square(activation):
    z = np.random.default_rng(0).normal(size=(256, 1024)).astype("float32")
    for seed in range(4):
        initializer = ActivationScaling(activation, seed=seed)
        layer = keras.layers.Dense(1024, kernel_initializer=initializer)
        z = layer(keras.activations.get(activation)(z))
    # The log of the mean square has variance 5 * depth / width between networks.
    assert np.mean(np.square(z)) == pytest.approx(1, rel=0.5)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_backward_keeps_the_gradient_between_equal_widths(activation):
    gain = calculate_gain(activation, "backward")
    z = np.random.default_rng(0).normal(size=2_000_000)
    step = 1e-3
    function = keras.activations.get(activation)
    ahead, behind = (
        np.asarray(keras.ops.convert_to_numpy(function(z + shift)), "float64")
        for shift in (step, -step)
    )
    slope = (ahead - behind) / (2 * step)
    kernel = draw(ActivationScaling(activation, "backward"), (500, 500))
    into_one_input = np.mean(np.sum(np.square(kernel), axis=1))
    assert into_one_input * np.mean(slope**2) == pytest.approx(1, rel=0.02)
    assert into_one_input == pytest.approx(gain**2, rel=0.02)


@pytest.mark.parametrize(
    ("shape", "axes", "fan_in"),
    [
        ((3, 3, 50, 60), None, 450),
        ((5, 20, 100), None, 100),
        ((3, 3, 200, 8), (0, 1), 9),
        ((200, 8, 32), (0,), 200),
    ],
)
def test_fan_in_is_what_a_unit_sums_over(shape, axes, fan_in):
    kernel = draw(ActivationScaling("relu", input_axes=axes), shape)
    assert kernel.shape == shape
    assert_std(kernel, math.sqrt(2 / fan_in))


def test_activation_must_be_elementwise():
    with pytest.raises(ValueError, match=r"Received: activation=softmax$"):
        ActivationScaling("softmax")
