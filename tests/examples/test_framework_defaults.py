import keras
import numpy as np
import pytest

from keras_initkit.experiments.study_command import load_study

pytestmark = pytest.mark.slow  # the study takes twenty seconds

WIDTH = 128


def test_a_relu_layer_multiplies_the_signal_by_half_its_fan_in_times_the_variance(
    findings,
):
    # He et al. (2015): fan_in * variance / 2, with 1, 1/3 and 2 over fan_in. Narrow
    # networks deviate: the logarithm of a layer's factor by about sqrt(5 / 128).
    for name, factor in {"Keras": 1 / 2, "PyTorch, no biases": 1 / 6, "He": 1}.items():
        found = findings[name]["its factor a layer"]
        assert found == pytest.approx(factor, rel=0.2)


def test_biases_keep_the_signal_at_their_fixed_point(findings):
    # q = q / 6 + 1 / (3 fan_in) at q = 2 / (5 fan_in).
    pytorch = findings["PyTorch"]
    assert pytorch["its factor a layer"] == pytest.approx(1, abs=0.05)
    # Ten seeds: 0.83 to 1.26 of it.
    assert pytorch["z^2, layer 20"] == pytest.approx(2 / (5 * WIDTH), rel=0.4)


def test_biases_do_not_keep_the_differences(findings):
    with_biases = findings["PyTorch"]["factor of differences"]
    without = findings["PyTorch, no biases"]["factor of differences"]
    assert with_biases == pytest.approx(1 / 6, rel=0.2)
    assert with_biases == pytest.approx(without, rel=0.2)


def test_shallow_networks_learn_alike(findings):
    keras_, pytorch = findings["Keras"], findings["PyTorch"]
    # Ten seeds: MNIST 0.878 to 0.896, scikit-learn's digits 0.961 to 0.972.
    assert keras_["accuracy, 2"] > 0.85
    # Ten seeds of either dataset: Keras is better by -0.005 to 0.024.
    assert pytorch["accuracy, 2"] == pytest.approx(keras_["accuracy, 2"], abs=0.04)


def test_at_20_layers_keras_learns_and_pytorch_does_not(findings):
    # Ten seeds of either dataset: Keras 0.43 to 0.84, PyTorch 0.10 to 0.12.
    assert findings["Keras"]["accuracy, 20"] > 0.3
    assert findings["PyTorch"]["accuracy, 20"] < 0.15


@pytest.mark.parametrize("fan_in", [64, 784])
def test_variances_of_the_defaults(fan_in):
    defaults = load_study("framework_defaults").defaults(fan_in, seed=0)
    expected = {
        "Keras": (2 / (fan_in + 512), 0),
        "PyTorch": (1 / (3 * fan_in), 1 / (3 * fan_in)),
        "He": (2 / fan_in, 0),
    }
    for name, variances in expected.items():
        kernel, bias = defaults[name]
        drawn = kernel((fan_in, 512)), bias((10_000,))
        for values, variance in zip(drawn, variances, strict=True):
            found = np.var(keras.ops.convert_to_numpy(values))
            assert found == pytest.approx(variance, rel=0.05)
