import math

import numpy as np
import pytest

from keras_initkit.theory.variance_interval import variance_interval


def chi_square_below(x, freedom):
    """The distribution function, which is a sum for an even number of degrees."""
    logarithms = [k * math.log(x / 2) - math.lgamma(k + 1) for k in range(freedom // 2)]
    return 1 - sum(math.exp(logarithm - x / 2) for logarithm in logarithms)


@pytest.mark.parametrize(
    # Wilson and Hilferty's lower quantile is a little too low for few entries.
    ("entries", "tolerance"),
    [(21, 0.3), (101, 0.1), (1001, 0.02)],
)
def test_half_of_a_thousandth_lies_on_each_side(entries, tolerance):
    freedom = entries - 1
    low, high = (entries * end / 4.0 for end in variance_interval(4.0, entries))
    assert chi_square_below(low, freedom) == pytest.approx(0.0005, rel=tolerance)
    assert 1 - chi_square_below(high, freedom) == pytest.approx(0.0005, rel=tolerance)


def test_one_in_a_thousand_normal_draws_is_outside():
    draws = np.random.default_rng(0).normal(scale=3, size=(40_000, 40))
    low, high = variance_interval(9.0, 40)
    variances = draws.var(axis=1)
    below, above = np.mean(variances < low), np.mean(variances > high)
    # 20 are expected on each side.
    assert 0.0002 < below < 0.0009
    assert 0.0002 < above < 0.0009


def test_of_zero_and_of_one_entry_and_of_an_unknown_variance():
    assert variance_interval(0.0, 100) == (0, 0)
    assert all(map(math.isnan, variance_interval(1.0, 1)))
    assert all(map(math.isnan, variance_interval(math.nan, 100)))
