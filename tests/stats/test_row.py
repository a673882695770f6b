import keras
import numpy as np
import pytest
from keras import ops

from keras_initkit.stats import log_bins
from keras_initkit.stats.row import Row, greatest_slope
from keras_initkit.stats.statistics import Statistics

RNG = np.random.default_rng(0)
SHAPES = [(8, 4), (8, 4), (3, 3, 2, 5), (7,)]
WEIGHTS = [RNG.normal(size=shape).astype("float32") for shape in SHAPES]
GRADIENTS = [RNG.normal(size=shape).astype("float32") for shape in SHAPES]
NO_SIGNALS = [[]] * len(SHAPES)
numbers = ops.convert_to_numpy


def table(vector):
    """Shape (keys, layers)."""
    return numbers(vector).reshape(-1, len(SHAPES))


def tensors(arrays):
    return [None if a is None else ops.convert_to_tensor(a) for a in arrays]


def test_by_statistic_and_then_by_layer():
    statistics = Statistics(["mean", "l2_norm"])
    vector = Row(statistics).of_tensors(tensors(WEIGHTS), tensors(GRADIENTS))
    expected = [
        *([array.mean() for array in WEIGHTS], [np.linalg.norm(a) for a in WEIGHTS]),
        *(
            [array.mean() for array in GRADIENTS],
            [np.linalg.norm(a) for a in GRADIENTS],
        ),
    ]
    assert statistics.keys == (
        *("weight_mean", "weight_l2_norm"),
        *("gradient_mean", "gradient_l2_norm"),
    )
    np.testing.assert_allclose(table(vector), expected, rtol=1e-5, atol=1e-7)


def test_a_layer_without_a_gradient_has_nan_there_and_numbers_elsewhere():
    statistics = Statistics("all")
    gradients = [GRADIENTS[0], None, *GRADIENTS[2:]]
    vector = Row(statistics).of_tensors(tensors(WEIGHTS), tensors(gradients))
    rows = dict(zip(statistics.of_tensors, table(vector), strict=True))
    for key, values in rows.items():
        is_known = np.isfinite(values).tolist()
        if key.startswith("weight_"):
            assert is_known == [True] * 4, key
        else:
            assert is_known == [True, False, True, True], key


def test_a_layer_that_was_not_called_has_nan_in_the_forward_pass():
    statistics = Statistics("all")
    vector = Row(statistics).of_signals(NO_SIGNALS)
    assert table(vector).shape == (len(statistics.forward), len(SHAPES))
    assert np.isnan(numbers(vector)).all()


def test_a_function_of_the_user_is_applied_to_each_tensor_alone():
    def spread(tensor):
        return ops.max(tensor) - ops.min(tensor)

    row = Row(Statistics(["gradient_mean", spread]))
    vector = row.of_tensors(tensors(WEIGHTS), tensors(GRADIENTS))
    rows = table(vector)
    np.testing.assert_allclose(rows[0], [np.ptp(array) for array in WEIGHTS], rtol=1e-6)
    np.testing.assert_allclose(rows[2], [np.ptp(a) for a in GRADIENTS], rtol=1e-6)


def test_the_update_is_measured_between_two_states():
    after = [weight * (1 + 0.5**n) for n, weight in enumerate(WEIGHTS)]
    ratios = numbers(Row(Statistics("update_ratio")).of_update(WEIGHTS, after))
    np.testing.assert_allclose(ratios, [1, 0.5, 0.25, 0.125], rtol=1e-5)


def test_histograms_hold_every_finite_entry_once():
    gradients = [GRADIENTS[0], None, *GRADIENTS[2:]]
    weights = [weight.copy() for weight in WEIGHTS]
    weights[0][0, :3] = np.nan, np.inf, -np.inf
    row = Row(Statistics())
    counts = numbers(row.histograms(tensors(weights), tensors(gradients), NO_SIGNALS))
    assert counts.shape == (3, 4, log_bins.NUM_BINS)
    sizes = np.array([array.size for array in WEIGHTS])
    np.testing.assert_array_equal(counts[0].sum(axis=1), sizes - [3, 0, 0, 0])
    np.testing.assert_array_equal(counts[1].sum(axis=1), [32, np.nan, 90, 7])
    assert np.isnan(counts[2]).all()
    expected, _ = np.histogram(WEIGHTS[2], log_bins.edges())
    np.testing.assert_array_equal(counts[0, 2], expected)


class Noisy:
    def __init__(self):
        self.seed_generator = keras.random.SeedGenerator(1)

    def __call__(self, z):
        return z + keras.random.normal(ops.shape(z), seed=self.seed_generator)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (keras.activations.linear, 1),
        (keras.activations.relu, 1),
        (keras.activations.sigmoid, 0.25),
        (keras.activations.tanh, 1),
        # Its slope is greatest at sqrt(2).
        (keras.activations.gelu, 1.1289),
        (keras.activations.softmax, np.nan),
        (lambda z: ops.sum(z, axis=-1), np.nan),
        (lambda z: 0 * z, np.nan),
        (Noisy(), np.nan),
    ],
)
def test_the_greatest_slope_of_an_activation(function, slope):
    assert greatest_slope(function, (3, 4)) == pytest.approx(slope, 1e-3, nan_ok=True)
