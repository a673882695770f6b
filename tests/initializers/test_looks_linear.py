import keras
import numpy as np
import pytest

from keras_initkit.initializers.looks_linear import LooksLinear

needs_float64 = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="no float64 unless JAX is told to"
)


def draw(initializer, shape, dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def chain(depth):
    return ["first", *["hidden"] * (depth - 2), "last"]


def relu(z):
    return np.maximum(z, 0)


class TestTheMatrix:
    def test_first_mirrors_the_units(self):
        matrix = draw(LooksLinear("first"), (6, 12))
        np.testing.assert_array_equal(matrix[:, :6], -matrix[:, 6:])
        half = matrix[:, :6]
        np.testing.assert_allclose(half.T @ half, np.eye(6), atol=1e-6)

    def test_hidden_mirrors_both(self):
        matrix = draw(LooksLinear(), (12, 8))
        half = matrix[:6, :4]
        np.testing.assert_array_equal(matrix, np.kron([[1, -1], [-1, 1]], half))
        np.testing.assert_allclose(half.T @ half, np.eye(4), atol=1e-6)

    def test_last_mirrors_the_inputs(self):
        matrix = draw(LooksLinear("last"), (12, 3))
        np.testing.assert_array_equal(matrix[:6], -matrix[6:])
        np.testing.assert_allclose(matrix[:6].T @ matrix[:6], np.eye(3), atol=1e-6)


@needs_float64
def test_a_relu_network_of_200_layers_is_an_isometry():
    x = np.random.default_rng(0).normal(size=(5, 32))
    widths = [32, *[64] * 199, 32]
    z, network = x, np.eye(32)
    for number, position in enumerate(chain(200)):
        kernel = draw(
            LooksLinear(position), (widths[number], widths[number + 1]), "float64"
        )
        half = kernel[:32, :32]
        network = network @ half
        z = z @ kernel if position == "first" else relu(z) @ kernel
    np.testing.assert_allclose(z, x @ network, atol=1e-6)
    np.testing.assert_allclose(network.T @ network, np.eye(32), atol=1e-6)


def half_of_leaky_relu(z):
    return keras.activations.leaky_relu(z, negative_slope=0.5)


@pytest.mark.parametrize(
    ("activation", "gain"),
    [("relu", 1), ("gelu", 1), ("silu", 1), (half_of_leaky_relu, 1 / 1.5)],
)
def test_a_keras_model_is_linear_and_keeps_lengths(activation, gain):
    positions = chain(50)
    model = keras.Sequential([keras.Input((16,))])
    for position in positions:
        last = position == "last"
        model.add(
            keras.layers.Dense(
                16 if last else 32,
                activation=None if last else activation,
                kernel_initializer=LooksLinear(
                    position, gain=1 if position == "first" else gain
                ),
            )
        )
    x, y = np.random.default_rng(0).normal(size=(2, 8, 16)).astype("float32")
    f_x, f_y, f_sum = (np.asarray(model(z)) for z in (x, y, 2 * x - 3 * y))
    np.testing.assert_allclose(f_sum, 2 * f_x - 3 * f_y, atol=1e-3)
    np.testing.assert_allclose(
        np.linalg.norm(f_x, axis=1), np.linalg.norm(x, axis=1), rtol=1e-4
    )


def test_the_variance_is_kept_through_any_widths():
    x = np.random.default_rng(0).normal(size=(4000, 100))
    z = x @ draw(LooksLinear("first"), (100, 400))
    assert np.var(z) == pytest.approx(1, rel=0.05)
    for num_inputs, num_units in [(400, 600), (600, 600)]:
        z = relu(z) @ draw(LooksLinear(), (num_inputs, num_units))
        assert np.var(z) == pytest.approx(1, rel=0.05)
    outputs = relu(z) @ draw(LooksLinear("last"), (600, 1000))
    assert np.var(outputs) == pytest.approx(1, rel=0.05)


def test_a_convolution_network_keeps_every_pixel():
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype("float32")
    z = x
    for position in chain(20):
        z = z if position == "first" else keras.ops.relu(z)
        z = keras.layers.Conv2D(
            8 if position == "last" else 16,
            3,
            padding="same",
            kernel_initializer=LooksLinear(position),
        )(z)
    np.testing.assert_allclose(
        np.linalg.norm(z, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("position", "shape", "message"),
    [
        ("first", (4, 5), r"units, axis 1 .*\(4, 5\)"),
        ("hidden", (4, 5), r"units, axis 1 .*\(4, 5\)"),
        ("hidden", (5, 4), r"inputs, axis 0 .*\(5, 4\)"),
        ("last", (5, 4), r"inputs, axis 0 .*\(5, 4\)"),
        ("hidden", (3, 3, 7, 8), r"inputs, axis 0 .*\(7, 8\)"),
    ],
)
def test_halves_must_be_whole(position, shape, message):
    with pytest.raises(ValueError, match=f"even number of {message}$"):
        LooksLinear(position)(shape)


@pytest.mark.parametrize("shape", [(4, 6), (5, 6)])
def test_first_takes_any_number_of_inputs(shape):
    assert draw(LooksLinear("first"), shape).shape == shape
