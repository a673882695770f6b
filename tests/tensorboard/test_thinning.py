import numpy as np
import pytest

from keras_initkit.tensorboard.thinning import is_kept


def kept(count, most):
    return np.array([n for n in range(count) if is_kept(n, most)])


@pytest.mark.parametrize("most", [2, 16, 1024])
def test_all_of_the_first_are_kept(most):
    np.testing.assert_array_equal(kept(most + 1, most), np.arange(most + 1))


@pytest.mark.parametrize("most", [16, 1024])
def test_each_doubling_adds_half_of_them(most):
    for doublings in range(1, 5):
        count = most << doublings
        assert len(kept(count, most)) == most + doublings * most // 2


def test_gaps_are_a_small_part_of_what_has_been():
    numbers = kept(100_000, 64)
    gaps = np.diff(numbers)
    assert (gaps <= np.maximum(1, 2 * numbers[:-1] / 64)).all()


def test_what_is_kept_does_not_depend_on_what_follows():
    short = kept(500, 16)
    np.testing.assert_array_equal(kept(5000, 16)[: len(short)], short)
