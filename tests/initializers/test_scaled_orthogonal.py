import math

import keras
import numpy as np
import pytest

from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal

SHAPES = [(30, 30), (50, 20), (20, 50), (1, 7), (7, 1), (1, 1)]


def draw(initializer, shape, dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


@pytest.mark.parametrize("gain", [1.0, 0.5, math.sqrt(2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_singular_values_are_equal(shape, gain):
    singular_values = np.linalg.svd(draw(ScaledOrthogonal(gain), shape))[1]
    num_inputs, num_units = shape
    expected = gain * math.sqrt(max(1, num_units / num_inputs))
    np.testing.assert_allclose(singular_values, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(256, 256), (400, 100), (100, 400)])
def test_a_layer_multiplies_the_variance_by_the_squared_gain(shape):
    num_inputs, num_units = shape
    layer = keras.layers.Dense(num_units, kernel_initializer=ScaledOrthogonal(1.5))
    x = np.random.default_rng(0).normal(size=(4000, num_inputs)).astype("float32")
    assert np.var(layer(x)) == pytest.approx(1.5**2, rel=0.02)


@pytest.mark.parametrize("shape", [(40, 40), (60, 20)])
def test_where_nothing_expands_it_is_keras_orthogonal(shape):
    expected = draw(keras.initializers.Orthogonal(2.0, seed=3), shape)
    np.testing.assert_array_equal(draw(ScaledOrthogonal(2.0, seed=3), shape), expected)


def test_determinants_have_both_signs():
    # QR alone would favor some orthogonal matrices; sign(diag R) makes them uniform.
    signs = [np.linalg.det(draw(ScaledOrthogonal(), (2, 2))) > 0 for _ in range(64)]
    assert 12 < sum(signs) < 52


def test_a_convolution_is_one_matrix():
    kernel = draw(ScaledOrthogonal(), (3, 3, 8, 16))
    singular_values = np.linalg.svd(kernel.reshape(72, 16))[1]
    np.testing.assert_allclose(singular_values, 1, rtol=1e-5)


def test_einsum_axes_make_the_matrix():
    kernel = draw(ScaledOrthogonal(input_axes=(1,)), (4, 6, 10))
    singular_values = np.linalg.svd(kernel.transpose(1, 0, 2).reshape(6, 40))[1]
    np.testing.assert_allclose(singular_values, math.sqrt(40 / 6), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_factored_in_float32(dtype):
    values = ScaledOrthogonal(seed=1)((64, 64), dtype=dtype)
    kernel = keras.ops.convert_to_numpy(keras.ops.cast(values, "float32"))
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(64), atol=2**-7)


@pytest.mark.parametrize("shape", [(), (4,), (0, 3)])
def test_shapes_that_are_no_kernel_are_refused(shape):
    with pytest.raises(ValueError, match=r"`ScaledOrthogonal`.*Received: shape="):
        ScaledOrthogonal()(shape)
