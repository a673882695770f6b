import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from keras_initkit.stats import tap_tensorflow
from keras_initkit.stats.forward_pass import ForwardPass
from keras_initkit.stats.measurement import Measurement
from keras_initkit.stats.statistics import FORWARD, Statistics


def measurement(*chosen):
    return Measurement(Statistics(list(chosen)), tap_tensorflow)


def spread(tensor):
    return ops.max(tensor) - ops.min(tensor)


IN_NUMPY = {
    "max_abs": lambda array: np.abs(array).max(),
    "mean": np.mean,
    "spread": np.ptp,
    "variance": np.var,
    "zero_fraction": lambda array: np.mean(array == 0),
    "l2_norm": lambda array: np.sqrt(np.sum(array**2)),
    "nonfinite_count": lambda array: np.sum(~np.isfinite(array)),
}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    shapes = [(13, 7), (3, 3, 2, 5), (11,)]
    return [
        np.maximum(rng.normal(1, 2, shape), 0).astype("float32") for shape in shapes
    ]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_by_statistic_and_then_by_layer(arrays, jit_compile):
    chosen = [spread if name == "spread" else name for name in IN_NUMPY]
    of_tensors = tf.function(measurement(*chosen).of_tensors, jit_compile=jit_compile)
    result = of_tensors("weight", [tf.constant(array) for array in arrays])
    assert (result.dtype, result.shape) == ("float64", (7 * 3,))
    names = measurement(*chosen)._statistics.names("weight")
    expected = [
        [IN_NUMPY[name](array.astype("float64")) for array in arrays] for name in names
    ]
    np.testing.assert_allclose(result, np.ravel(expected), rtol=1e-6)


def test_only_what_was_chosen_for_the_source(arrays):
    measured = measurement("weight_mean", "gradient_max_abs")
    means = measured.of_tensors("weight", arrays)
    np.testing.assert_allclose(means, [array.mean() for array in arrays], rtol=1e-6)
    largest = measured.of_tensors("gradient", arrays)
    assert largest.numpy().tolist() == [array.max() for array in arrays]
    assert measurement("dead_fraction").of_tensors("weight", arrays).shape == (0,)


def test_what_is_not_there_is_nan(arrays):
    measured = measurement("mean", "max_abs", "nonfinite_count")
    first, _, last = arrays
    result = measured.of_tensors("gradient", [None, first, None, last])
    result = result.numpy().reshape(3, 4)
    assert np.isnan(result[:, [0, 2]]).all()
    only = measured.of_tensors("gradient", [first, last]).numpy().reshape(3, 2)
    np.testing.assert_array_equal(result[:, [1, 3]], only)
    assert (
        np.isnan(measured.of_tensors("gradient", [None, None])).tolist() == [True] * 6
    )


def test_duplicates_of_each_layer():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).astype("float32") for shape in [(5, 4), (3, 6)]]
    weights += [np.ones((2, 3), "float32"), np.ones((4, 1), "float32")]
    gradients = [0 * weight for weight in weights]
    weights[1][:, 0] = weights[1][:, 5]
    measured = measurement("duplicate_fraction")
    keys = measured.unit_keys(weights)
    fractions = measured.duplicates(keys, [4, 6, 3, 1], gradients)
    np.testing.assert_allclose(fractions, [0, 1 / 3, 1, 0], rtol=1e-6)
    gradients[2] = None
    fractions = measured.duplicates(keys, [4, 6, 3, 1], gradients)
    np.testing.assert_allclose(fractions, [0, 1 / 3, np.nan, 0], rtol=1e-6)


def test_updates_of_each_layer():
    before = [np.array([3.0, 4.0], "float32"), np.zeros(3, "float32")]
    after = [np.array([3.0, 3.5], "float32"), np.zeros(3, "float32")]
    result = measurement("update_ratio").updates(before, after)
    np.testing.assert_allclose(result, [0.1, 0], rtol=1e-6)


# -- forward pass ----------------------------------------------------------------------


def caught(model, x):
    forward_pass = ForwardPass(model, tap_tensorflow.current_graph)
    forward_pass.attach()
    model(x)
    signals = forward_pass.take()
    forward_pass.detach()
    return signals


def signals_of(activation, *calls, dtype=None):
    """Of a layer that is called once with each of the pre-activations."""
    dense = layers.Dense(calls[0].shape[-1], activation, False, "identity", dtype=dtype)
    inputs = [keras.Input(z.shape[1:], dtype=dtype) for z in calls]
    return caught(keras.Model(inputs, [dense(x) for x in inputs]), list(calls))


def saturated_fraction(signals):
    (result,) = measurement("saturated_fraction").forward([signals]).numpy()
    return result


def test_forward_statistics_equal_numpy():
    rng = np.random.default_rng(0)
    z = rng.normal(rng.normal(0, 3, size=50), 1, size=(32, 6, 50))
    z = z.astype("float32").astype("float64")
    a = np.maximum(z, 0)
    result = measurement(*FORWARD).forward([signals_of("relu", z)])
    expected = [
        z.mean(),
        z.var(),
        a.mean(),
        a.var(),
        np.mean((a == 0).all(axis=(0, 1))),
        np.mean(np.mean(z <= 0, axis=(0, 1)) > 0.5),
    ]
    assert 0 < expected[4] < expected[5] < 1
    np.testing.assert_allclose(result, expected, rtol=2e-6)


def test_all_calls_of_a_layer_together():
    one, two = np.full((2, 3, 2), [-1.0, 2]), np.full((5, 2), [-3.0, -4])
    signals = signals_of("relu", one, two)
    result = measurement(*FORWARD).forward([signals, []]).numpy().reshape(6, 2)
    z = np.concatenate([one.reshape(-1, 2), two])
    a = np.maximum(z, 0)
    # Of the second unit, 5 of 11 are off.
    expected = [z.mean(), z.var(), a.mean(), a.var(), 0.5, 0.5]
    np.testing.assert_allclose(result[:, 0], expected, rtol=1e-6)
    assert np.isnan(result[:, 1]).all()


@pytest.mark.parametrize(
    ("activation", "bound"),
    [
        ("sigmoid", 2 * np.arctanh(0.99**0.5)),  # s (1 - s) = 0.01 / 4
        ("tanh", np.arctanh(0.99**0.5)),  # 1 - tanh^2 = 0.01
        ("softsign", 9),  # 1 / (1 + |z|)^2 = 0.01
    ],
)
def test_saturation_is_a_slope_below_1_percent_of_the_greatest(activation, bound):
    z = np.full((4, 4), [bound - 0.01, bound + 0.01, -bound + 0.01, -bound - 0.01])
    assert saturated_fraction(signals_of(activation, z)) == 0.5


def test_a_linear_unit_is_never_saturated():
    z = np.full((4, 3), [-1e6, 0, 1e6])
    assert saturated_fraction(signals_of("linear", z)) == 0


@pytest.mark.parametrize("units", [1, 2, 10, 1000])
@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
def test_a_softmax_has_no_slope_of_its_own(activation, units):
    z = np.random.default_rng(0).normal(size=(8, units))
    assert np.isnan(saturated_fraction(signals_of(activation, z)))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: layers.Activation("tanh"), 2 / 3),
        (layers.ReLU, 1 / 3),
        (lambda: layers.ReLU(max_value=6.0), 2 / 3),
        (lambda: layers.LeakyReLU(0.1), 0),
        (lambda: layers.LeakyReLU(0.001), 1 / 3),
        (lambda: layers.PReLU(), 1 / 3),  # its slope begins at 0
        (layers.Softmax, np.nan),
    ],
)
@pytest.mark.parametrize("shape", [(), (5,)])
def test_saturation_with_an_activation_layer(layer, expected, shape):
    dense = layers.Dense(3, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((*shape, 3)), dense, layer()])
    x = np.full((4, *shape, 3), [-10, 0.5, 10], "float32")
    result = saturated_fraction(caught(model, x))
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_half_precision_signals_are_widened():
    z = np.full((1000, 2), [300.0, -300.0], "float16")  # 300^2 is not in its range
    signals = signals_of("relu", z, dtype="float16")
    assert signals[0].pre_activation().dtype == "float16"
    result = measurement("pre_activation_variance", "activation_mean").forward(
        [signals]
    )
    np.testing.assert_allclose(result, [90_000, 150], rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_greatest_slope_is_known_inside_a_graph(jit_compile):
    measured = measurement("saturated_fraction")
    dense = layers.Dense(2, "tanh", kernel_initializer="identity")
    model = keras.Sequential([keras.Input((2,)), dense])

    @tf.function(jit_compile=jit_compile)
    def step(z):
        return measured.forward([caught(model, z)])

    assert step(tf.constant([[0.0, 9.0]])).numpy().tolist() == [0.5]
    assert step(tf.constant([[0.0, 0.0]] * 3)).numpy().tolist() == [0]
