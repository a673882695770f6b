import keras
import numpy as np
import pytest

from keras_initkit.stats import log_bins

EDGES = log_bins.edges()


def test_edges_ascend_and_mirror():
    assert EDGES.dtype == "float64"
    assert EDGES.shape == (log_bins.NUM_BINS + 1,)
    assert (np.diff(EDGES) > 0).all()
    np.testing.assert_array_equal(EDGES, -EDGES[::-1])


def test_from_2_to_the_minus_40_to_2_to_the_24():
    positive = EDGES[EDGES > 0]
    assert (positive[0], positive[-1]) == (2.0**-40, 2.0**24)
    assert len(positive) == len(EDGES) / 2


def test_neighbours_are_at_most_a_quarter_apart():
    positive = EDGES[EDGES > 0]
    ratios = positive[1:] / positive[:-1]
    assert ratios.max() == 1.25
    assert ratios.min() > 1.14


def test_every_power_of_two_is_an_edge():
    assert np.isin(2.0 ** np.arange(-40, 25), EDGES).all()


def test_edges_are_exact_in_float32():
    np.testing.assert_array_equal(EDGES.astype("float32"), EDGES)


# -- the bin of a number ---------------------------------------------------------------


def counts_of(array):
    """The count of each bin, and finally of entries in no bin."""
    indices = keras.ops.convert_to_numpy(log_bins.indices(array))
    assert indices.dtype == "int32"
    return np.bincount(indices, minlength=log_bins.NUM_BINS + 1)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_every_number_is_in_the_bin_that_numpy_gives_it(scale):
    values = np.random.default_rng(0).normal(scale=scale, size=(200, 50))
    values = values.astype("float32")
    expected, _ = np.histogram(values, EDGES)
    np.testing.assert_array_equal(counts_of(values)[:-1], expected)


def test_an_edge_belongs_to_the_bin_that_is_further_from_zero():
    positive = EDGES[EDGES > 0][:-1].astype("float32")
    first = log_bins.NUM_BINS // 2 + 1
    expected = np.arange(first, log_bins.NUM_BINS)
    indices = keras.ops.convert_to_numpy(log_bins.indices(positive))
    np.testing.assert_array_equal(indices, expected)
    mirrored = keras.ops.convert_to_numpy(log_bins.indices(-positive))
    np.testing.assert_array_equal(mirrored, log_bins.NUM_BINS - 1 - expected)


def test_what_is_too_small_too_large_or_no_number():
    values = [0.0, -0.0, 1e-30, -1e-45, 2.0**24, 3e38, -3e38]
    bad = [np.nan, np.inf, -np.inf]
    counts = counts_of(np.array([*values, *bad], "float32"))
    middle = log_bins.NUM_BINS // 2
    assert np.flatnonzero(counts).tolist() == [
        0,
        middle,
        len(counts) - 2,
        len(counts) - 1,
    ]
    assert counts[[0, middle, -2, -1]].tolist() == [1, 4, 2, 3]


def test_bins_of_a_tensor_inside_of_a_trace(compiled):
    values = np.random.default_rng(0).normal(size=1000).astype("float32")
    indices = keras.ops.convert_to_numpy(compiled(log_bins.indices)(values))
    np.testing.assert_array_equal(
        indices, keras.ops.convert_to_numpy(log_bins.indices(values))
    )
