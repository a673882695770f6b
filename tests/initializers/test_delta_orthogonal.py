import math

import keras
import numpy as np
import pytest

from keras_initkit.initializers.delta_orthogonal import DeltaOrthogonal


def draw(initializer, shape, dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


@pytest.mark.parametrize(
    ("shape", "centre"),
    [
        ((3, 16, 16), (1,)),
        ((4, 16, 8), (1,)),
        ((1, 1, 8, 16), (0, 0)),
        ((5, 3, 16, 8), (2, 1)),
        ((2, 7, 8, 16), (0, 3)),
        ((3, 4, 5, 8, 8), (1, 1, 2)),
    ],
)
def test_an_orthogonal_matrix_at_the_centre_and_zeros_around(shape, centre):
    kernel = draw(DeltaOrthogonal(2.0), shape)
    assert kernel.shape == shape
    matrix = kernel[centre].copy()
    channels, filters = shape[-2:]
    expected = 2 * math.sqrt(max(1, filters / channels))
    np.testing.assert_allclose(np.linalg.svd(matrix)[1], expected, rtol=1e-5)
    kernel[centre] = 0
    assert not kernel.any()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_same_padding_leaves_every_pixel_in_its_place(rank, size):
    layer_class = [keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D][
        rank - 1
    ]
    layer = layer_class(4, size, padding="same", kernel_initializer=DeltaOrthogonal())
    x = np.random.default_rng(0).normal(size=(2, *[7] * rank, 4)).astype("float32")
    outputs = keras.ops.convert_to_numpy(layer(x))
    matrix = layer.kernel.numpy().sum(axis=tuple(range(rank)))
    np.testing.assert_allclose(outputs, x @ matrix, atol=1e-5)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(4), atol=1e-5)


@pytest.mark.parametrize("filters", [8, 32, 128])
def test_variance_is_kept_at_the_border_too(filters):
    layer = keras.layers.Conv2D(
        filters, 3, padding="same", kernel_initializer=DeltaOrthogonal()
    )
    x = np.random.default_rng(0).normal(size=(500, 6, 6, 32)).astype("float32")
    outputs = keras.ops.convert_to_numpy(layer(x))
    assert np.var(outputs[:, 1:-1, 1:-1]) == pytest.approx(1, rel=0.03)
    assert np.var(outputs[:, 0]) == pytest.approx(1, rel=0.03)


def test_a_deep_linear_convolution_network_is_an_isometry():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 16)).astype("float32")
    z = x
    for _ in range(50):
        z = keras.layers.Conv2D(
            16, 3, padding="same", kernel_initializer=DeltaOrthogonal()
        )(z)
    np.testing.assert_allclose(
        np.linalg.norm(z, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-4
    )


def test_groups_keep_the_variance():
    layer = keras.layers.Conv2D(
        64, 3, padding="same", groups=4, kernel_initializer=DeltaOrthogonal()
    )
    x = np.random.default_rng(0).normal(size=(500, 6, 6, 32)).astype("float32")
    assert np.var(layer(x)) == pytest.approx(1, rel=0.03)


def test_an_einsum_has_no_window():
    kernel = draw(DeltaOrthogonal(input_axes=(0,)), (6, 2, 3))
    matrix = kernel.reshape(6, 6)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(6), atol=1e-5)


@pytest.mark.parametrize("shape", [(), (4,), (4, 4)])
def test_a_kernel_without_a_window_is_refused(shape):
    with pytest.raises(ValueError, match=r"`DeltaOrthogonal`.*Received: shape="):
        DeltaOrthogonal()(shape)


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (3, 3, 0, 4), (3, 3, 4, 0)])
def test_empty_axes_are_refused(shape):
    with pytest.raises(ValueError, match=r"`DeltaOrthogonal`.*Received: shape="):
        DeltaOrthogonal()(shape)
