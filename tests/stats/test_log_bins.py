import numpy as np

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
