import inspect

import keras
import numpy as np
import pytest

from keras_initkit.initializers.zero import ZerO

VarianceScaling = keras.initializers.VarianceScaling
KNOWS_EINSUM_AXES = "input_axes" in inspect.signature(VarianceScaling).parameters


def draw(initializer, shape, dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def hadamard(exponent):
    matrix = np.ones((1, 1))
    for _ in range(exponent):
        matrix = np.kron([[1, 1], [1, -1]], matrix)
    return matrix


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 3), (3, 1)])
def test_identity_where_nothing_expands(shape):
    np.testing.assert_array_equal(draw(ZerO(), shape), np.eye(*shape))


@pytest.mark.parametrize("num_inputs", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize(
    ("num_units", "exponent"), [(14, 4), (16, 4), (17, 5), (32, 5), (100, 7)]
)
def test_algorithm_1_where_it_expands(num_inputs, num_units, exponent):
    # Written as in the paper, whose weights are (units, inputs).
    size = 2**exponent
    factor = 2 ** (-(exponent - 1) / 2)
    published = (
        factor * np.eye(num_units, size) @ hadamard(exponent) @ np.eye(size, num_inputs)
    )
    kernel = draw(ZerO(), (num_inputs, num_units))
    np.testing.assert_allclose(kernel, published.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "ratio"),
    [
        ((32, 32), 1),
        ((32, 7), 1),
        ((32, 64), 1),
        ((32, 128), 1 / 2),
        ((32, 65), 1 / 2),
        ((60, 64), 60 / 32),
    ],
)
def test_variance_of_the_outputs(shape, ratio):
    # For uncorrelated inputs of variance 1, the mean squared length of a column.
    kernel = draw(ZerO(), shape)
    assert np.mean(np.sum(kernel**2, axis=0)) == pytest.approx(ratio)


def test_expansion_and_relu_keep_the_mean_square_length():
    x = np.random.default_rng(0).normal(size=(4000, 32))
    outputs = x @ draw(ZerO(), (32, 128))
    kept = np.mean(np.sum(np.maximum(outputs, 0) ** 2, axis=1))
    assert kept == pytest.approx(32, rel=0.05)


def test_it_is_the_same_every_time():
    np.testing.assert_array_equal(draw(ZerO(), (20, 64)), draw(ZerO(), (20, 64)))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_square_convolution_is_the_identity(size):
    layer = keras.layers.Conv2D(4, size, padding="same", kernel_initializer=ZerO())
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("float32")
    np.testing.assert_array_equal(layer(x), x)


def test_a_convolution_that_expands_has_the_matrix_at_its_centre():
    kernel = draw(ZerO(), (3, 3, 4, 10))
    np.testing.assert_array_equal(kernel[1, 1], draw(ZerO(), (4, 10)))
    assert np.count_nonzero(kernel) == 40


def test_einsum_axes_make_the_matrix():
    kernel = draw(ZerO(input_axes=(0,)), (6, 2, 3))
    np.testing.assert_array_equal(kernel.reshape(6, 6), np.eye(6))


def test_in_attention():
    attention = keras.layers.MultiHeadAttention(2, 3, kernel_initializer=ZerO())
    attention.build((None, 5, 6), (None, 5, 6))
    query = attention._query_dense.kernel.numpy()
    assert query.shape == (6, 2, 3)
    if KNOWS_EINSUM_AXES:
        np.testing.assert_array_equal(query.reshape(6, 6), np.eye(6))


@pytest.mark.parametrize("shape", [(), (4,), (0, 3), (3, 3, 4, 0)])
def test_shapes_that_are_no_kernel_are_refused(shape):
    with pytest.raises(ValueError, match=r"`ZerO`.*Received: shape="):
        ZerO()(shape)


def test_a_shape_may_hold_integers_of_numpy():
    kernel = draw(ZerO(), (np.int64(4), np.int64(6)))
    np.testing.assert_array_equal(kernel, draw(ZerO(), (4, 6)))
