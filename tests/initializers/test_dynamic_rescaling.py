import inspect
import math

import keras
import numpy as np
import pytest

from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling

VarianceScaling = keras.initializers.VarianceScaling
KNOWS_EINSUM_AXES = "input_axes" in inspect.signature(VarianceScaling).parameters
knows_einsum_axes = pytest.mark.skipif(
    not KNOWS_EINSUM_AXES,
    reason="this Keras does not tell initializers the axes of an einsum kernel",
)
RELU_MEAN = 1 / math.sqrt(2 * math.pi)
RELU_VARIANCE = 1 / 2 - RELU_MEAN**2


def draw(initializer, shape, dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def pre_activation_variance(matrix, mean=0.0, variance=1.0):
    """The variance over inputs and units, from the inputs' second-moment matrix."""
    matrix = np.asarray(matrix, "float64")
    fan_in = len(matrix)
    second_moments = np.full((fan_in, fan_in), mean**2) + variance * np.eye(fan_in)
    mean_square = np.mean(np.einsum("iu,ij,ju->u", matrix, second_moments, matrix))
    return mean_square - np.mean(mean * matrix.sum(axis=0)) ** 2


@pytest.mark.parametrize("target_variance", [0.25, 1.0, 3.0])
@pytest.mark.parametrize(
    "base", ["he_normal", "orthogonal", "ones", keras.initializers.RandomNormal(0.1)]
)
@pytest.mark.parametrize("shape", [(2, 1), (7, 3), (40, 200), (500, 20), (1, 9)])
def test_variance_of_this_very_draw_is_the_target(base, shape, target_variance):
    kernel = draw(DynamicRescaling(base, "relu", target_variance), shape)
    variance = pre_activation_variance(kernel, RELU_MEAN, RELU_VARIANCE)
    assert variance == pytest.approx(target_variance, rel=1e-5)
    kernel = draw(DynamicRescaling(base, target_variance=target_variance), shape)
    assert pre_activation_variance(kernel) == pytest.approx(target_variance, rel=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="no float64 unless JAX is told to"
)
def test_float64_is_exact():
    kernel = draw(DynamicRescaling(activation="relu"), (50, 60), "float64")
    assert kernel.dtype == np.float64
    variance = pre_activation_variance(kernel, RELU_MEAN, RELU_VARIANCE)
    assert variance == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("base", ["he_normal", "orthogonal"])
def test_half_precision_is_only_the_cast(dtype, base):
    values = DynamicRescaling(base, seed=1)((300, 100), dtype=dtype)
    assert keras.backend.standardize_dtype(values.dtype) == dtype
    kernel = keras.ops.convert_to_numpy(keras.ops.cast(values, "float32"))
    assert pre_activation_variance(kernel) == pytest.approx(1, rel=1e-3)


def test_one_scalar_keeps_the_directions_of_the_base():
    base = draw(keras.initializers.HeNormal(seed=4), (30, 20))
    ratio = draw(DynamicRescaling(seed=4, activation="tanh"), (30, 20)) / base
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-6)


@pytest.mark.parametrize("activation", [None, "relu", "tanh", "sigmoid", "gelu"])
def test_a_dense_layer_shows_the_target_on_samples(activation):
    initializer = DynamicRescaling(activation=activation, target_variance=2.0, seed=1)
    layer = keras.layers.Dense(24, kernel_initializer=initializer)
    z = np.random.default_rng(0).normal(size=(200_000, 48)).astype("float32")
    outputs = layer(keras.activations.get(activation)(z))
    assert np.var(keras.ops.convert_to_numpy(outputs)) == pytest.approx(2, rel=0.01)


def test_convolution_sums_over_all_but_the_last_axis():
    layer = keras.layers.Conv2D(12, 3, kernel_initializer=DynamicRescaling())
    layer.build((None, 8, 8, 5))
    matrix = layer.kernel.numpy().reshape(45, 12)
    assert pre_activation_variance(matrix) == pytest.approx(1, rel=1e-5)


def test_axes_make_a_depthwise_kernel_right():
    kernel = draw(DynamicRescaling(activation="relu", input_axes=(0, 1)), (3, 3, 8, 2))
    variance = pre_activation_variance(kernel.reshape(9, 16), RELU_MEAN, RELU_VARIANCE)
    assert variance == pytest.approx(1, rel=1e-5)


@knows_einsum_axes
def test_attention_kernels_have_their_own_axes():
    initializer = DynamicRescaling(activation="relu")
    attention = keras.layers.MultiHeadAttention(3, 8, kernel_initializer=initializer)
    attention.build((None, 9, 16), (None, 9, 16))
    query = attention._query_dense.kernel.numpy()
    assert query.shape == (16, 3, 8)
    output = attention._output_dense.kernel.numpy()
    assert output.shape == (3, 8, 16)
    for matrix in (query.reshape(16, 24), output.reshape(24, 16)):
        variance = pre_activation_variance(matrix, RELU_MEAN, RELU_VARIANCE)
        assert variance == pytest.approx(1, rel=1e-5)


@knows_einsum_axes
def test_groups_of_an_einsum_kernel_are_units():
    layer = keras.layers.EinsumDense(
        "agc,gcd->agd", (4, 10), kernel_initializer=DynamicRescaling()
    )
    layer.build((None, 4, 6))
    matrix = layer.kernel.numpy().transpose(1, 0, 2).reshape(6, 40)
    assert pre_activation_variance(matrix) == pytest.approx(1, rel=1e-5)


class LateAttention(keras.Model):
    """Builds its attention kernels when it is first called, in fit."""

    def __init__(self, initializer):
        super().__init__()
        self.attention = keras.layers.MultiHeadAttention(
            2, 8, kernel_initializer=initializer
        )

    def call(self, inputs):
        return self.attention(inputs, inputs)


@pytest.mark.parametrize(
    "activation", ["relu", keras.layers.LeakyReLU(0.0)], ids=["name", "layer"]
)
def test_built_while_fit_traces(activation):
    initializer = DynamicRescaling(activation=activation)
    dense = keras.layers.Dense(16, kernel_initializer=initializer)
    attention = LateAttention(initializer)
    x = np.ones((4, 3, 16), "float32")
    for model in (keras.Sequential([dense]), attention):
        model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
        model.fit(x, x, epochs=1, verbose=0)
    kernels = [dense.kernel.numpy()]
    if KNOWS_EINSUM_AXES:
        query = attention.attention._query_dense.kernel.numpy()
        kernels.append(query.reshape(16, 16))
    for matrix in kernels:
        variance = pre_activation_variance(matrix, RELU_MEAN, RELU_VARIANCE)
        assert variance == pytest.approx(1, rel=1e-5)


@keras.saving.register_keras_serializable(package="test_dynamic_rescaling")
def cubed(z):
    return z**3


@pytest.mark.parametrize("activation", [None, "gelu", cubed])
def test_round_trip(round_trip, activation):
    initializer = DynamicRescaling("orthogonal", activation, 2.0, seed=3)
    returned = round_trip(initializer)
    assert type(returned) is DynamicRescaling
    assert returned.get_config() == initializer.get_config()
    assert returned.activation is keras.activations.get(activation)
    np.testing.assert_array_equal(draw(returned, (6, 4)), draw(initializer, (6, 4)))


def test_a_layer_keeps_the_initializer_it_was_given():
    layer = keras.layers.Dense(3, kernel_initializer=DynamicRescaling())
    assert isinstance(layer.kernel_initializer, DynamicRescaling)


@pytest.mark.parametrize("base", ["zeros", keras.initializers.Constant(math.nan)])
def test_a_draw_without_variance_is_refused(base):
    with pytest.raises(ValueError, match=r"`Dynamic.*\(4, 3\).*Received: base="):
        DynamicRescaling(base)((4, 3))


def test_inputs_without_variance_give_none():
    constant = DynamicRescaling("ones", activation=np.ones_like)
    with pytest.raises(ValueError, match=r"pre-activation variance is 0\.0.*Received"):
        constant((4, 3))


@pytest.mark.parametrize("shape", [(), (4,), (0, 3), (3, 3, 4, 0)])
def test_shapes_that_are_no_kernel_are_refused(shape):
    with pytest.raises(ValueError, match="Received: shape="):
        DynamicRescaling()(shape)


@pytest.mark.parametrize("activation", ["softmax", "no_such_activation"])
def test_activation_must_be_elementwise(activation):
    with pytest.raises(ValueError, match=f"Received: activation={activation}$"):
        DynamicRescaling(activation=activation)


def test_base_must_be_an_initializer():
    with pytest.raises(ValueError, match=r"Received: base=no_such$"):
        DynamicRescaling("no_such")


@pytest.mark.parametrize("base", ["he_normal", "orthogonal"])
def test_a_draw_inside_of_a_compiled_function(base):
    initializer = DynamicRescaling(base, "relu", seed=1)
    outside = draw(initializer, (40, 20))
    inside = keras.ops.convert_to_numpy(compiled(lambda: initializer((40, 20)))())
    np.testing.assert_allclose(inside, outside, rtol=1e-5, atol=1e-6)


def compiled(function):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function
