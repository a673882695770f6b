import warnings

import numpy as np
import pytest

from keras_initkit.tensorboard.depth_summary import depth_summary

PERCENTILES = (50, 10, 90)


@pytest.mark.parametrize("num_layers", [1, 2, 3, 10, 11, 100])
def test_percentiles_are_those_of_numpy(num_layers):
    values = np.random.default_rng(0).lognormal(sigma=5, size=(6, num_layers))
    expected = np.percentile(values, PERCENTILES, axis=1)
    np.testing.assert_allclose(depth_summary(values), expected, rtol=1e-12)


def test_what_was_not_measured_does_not_count():
    values = np.random.default_rng(0).normal(size=(4, 20))
    values[:3, ::2] = np.nan
    values[3, 1:] = np.nan
    expected = np.nanpercentile(values, PERCENTILES, axis=1)
    np.testing.assert_allclose(depth_summary(values), expected, rtol=1e-12)


def test_nothing_measured_is_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = depth_summary(np.full((2, 5), np.nan))
    assert summary.shape == (3, 2)
    assert np.isnan(summary).all()


def test_infinite_layers_leave_the_finite_percentiles_alone():
    values = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10, np.inf]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        median, low, high = depth_summary(values)
    assert (median, low, high) == (6, 2, 10)
