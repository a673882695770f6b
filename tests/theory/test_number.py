import math

import numpy as np
import pytest

from keras_initkit.theory.number import is_finite_number, is_integer


@pytest.mark.parametrize("value", [0, 1.5, np.int64(2), np.float32(0.5)])
def test_numbers_are_python_s_or_numpy_s(value):
    assert is_finite_number(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, True, np.True_, "1", None, 1j])
def test_what_is_no_finite_number(value):
    assert not is_finite_number(value)


@pytest.mark.parametrize("value", [1, 10**30, np.int64(2), np.uint8(3)])
def test_positive_integers_are_python_s_or_numpy_s(value):
    assert is_integer(value)
    assert not is_integer(value, least=10**31)


@pytest.mark.parametrize(
    "value", [0, -1, 2.0, np.float64(2), True, np.True_, "1", None]
)
def test_what_is_no_positive_integer(value):
    assert not is_integer(value)
