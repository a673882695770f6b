import keras
import numpy as np
import pytest

from keras_initkit.stats import tap_tensorflow
from keras_initkit.stats.measures import moments, sum_of_squares


def numpy_moments(array):
    array = np.asarray(array, "float64")
    return array.mean(), array.var(), np.linalg.norm(array.ravel())


@pytest.mark.parametrize("squares", [sum_of_squares, tap_tensorflow.sum_of_squares])
def test_closed_form(squares):
    result = moments([np.array([1.0, 2.0, 3.0, 4.0], "float32")], squares)
    np.testing.assert_allclose(np.ravel(result), [2.5, 1.25, 30**0.5], rtol=1e-7)


def test_tensors_of_several_shapes_equal_numpy_in_float64():
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(1, 3, size=shape).astype("float32")
        for shape in [(784, 256), (3, 3, 8, 16), (7,), (1, 1)]
    ]
    expected = np.transpose([numpy_moments(array) for array in arrays])
    np.testing.assert_allclose(np.array(moments(arrays)), expected, rtol=1e-6)


@pytest.mark.parametrize("ratio", [0, 0.5, 0.99, 1.01, 2, 30, 1e3, 1e5])
def test_variance_is_exact_at_any_ratio_of_mean_to_standard_deviation(ratio):
    values = np.random.default_rng(0).normal(ratio, 1, 100_000).astype("float32")
    _, variance, norm = numpy_moments(values)
    result = moments([values])
    np.testing.assert_allclose(result.variance, [variance], rtol=1e-6)
    np.testing.assert_allclose(result.l2_norm, [norm], rtol=1e-6)


def test_a_constant_has_no_variance():
    result = moments([np.full((300, 70), 0.1, "float32"), np.zeros((5, 5), "float32")])
    np.testing.assert_allclose(result.variance, [0, 0], atol=1e-18)


def test_variance_does_not_cancel_where_the_mean_is_10_000_standard_deviations():
    values = (1e4 + np.random.default_rng(0).normal(size=100_000)).astype("float32")
    _, variance, _ = moments([values])
    # In float32 the one-pass form has nothing left: its terms are 1e8 and 1 ulp is 8.
    np.testing.assert_allclose(variance, [numpy_moments(values)[1]], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened(dtype):
    values = keras.ops.cast(np.linspace(-1e-3, 1e-3, 1001, dtype="float32"), dtype)
    _, variance, _ = moments([values])
    expected = keras.ops.convert_to_numpy(keras.ops.cast(values, "float64")).var()
    assert variance.dtype == "float32"
    np.testing.assert_allclose(variance, [expected], rtol=1e-6)


def test_float64_stays_float64():
    values = np.random.default_rng(0).normal(size=1000) * 1e-30
    result = moments([values])
    np.testing.assert_allclose(np.ravel(result), numpy_moments(values), rtol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_entry_shows_in_its_own_tensor_only(bad):
    spoiled = np.ones((4, 4), "float32")
    spoiled[1, 2] = bad
    result = np.array(moments([spoiled, np.ones((4, 4), "float32")]))
    assert not np.isfinite(result[:, 0]).any()
    np.testing.assert_array_equal(result[:, 1], [1, 0, 4])
