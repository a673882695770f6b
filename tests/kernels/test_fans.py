"""Checks the fans against the variances of the layers themselves."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_initkit.kernels.fans import kernel_fans

layers = keras.layers


def normal(shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def variances(layer, x, crop=()):
    """Var[y] and Var[dL/dx] for unit Var[dL/dy], away from the borders."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    gradient = tape.gradient(y, x, normal(y.shape, seed=1))
    return np.var(y.numpy()[crop]), np.var(gradient.numpy()[crop])


def draw(fans, scale):
    fans.variable.assign(
        normal(fans.variable.shape, seed=2) * np.sqrt(scale).astype("float32")
    )


inner_1d = (slice(None), slice(8, -8))
inner_2d = (slice(None), slice(8, -8), slice(8, -8))


@pytest.mark.parametrize(
    ("make", "shape", "crop"),
    [
        (lambda: layers.Dense(96), (256, 64), ()),
        (lambda: layers.Dense(96), (32, 9, 64), ()),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 96)), (64, 9, 64), ()),
        (lambda: layers.EinsumDense("abc,cde->abde", (None, 8, 9)), (64, 9, 64), ()),
        (lambda: layers.EinsumDense("abcd,cde->abe", (None, 64)), (64, 9, 8, 7), ()),
        (lambda: layers.EinsumDense("...x,xy->...y", 96), (32, 3, 3, 64), ()),
        (lambda: layers.EinsumDense("ab...,bc->ac...", (96,)), (64, 48, 5), ()),
        # Eight groups, each with its own matrix.
        (lambda: layers.EinsumDense("agi,gio->ago", (8, 24)), (128, 8, 16), ()),
        # The einsum sums over b, which the kernel does not know.
        (lambda: layers.EinsumDense("abc,cd->ad", 96), (256, 6, 64), ()),
        (lambda: layers.EinsumDense("...bc,cd->...d", 96), (64, 4, 6, 64), ()),
        (lambda: layers.Conv1D(48, 5, padding="same"), (8, 96, 32), inner_1d),
        (
            lambda: layers.Conv1D(48, 3, dilation_rate=3, padding="same"),
            (8, 96, 32),
            inner_1d,
        ),
        (
            lambda: layers.Conv2D(64, 3, groups=4, padding="same"),
            (4, 40, 40, 32),
            inner_2d,
        ),
        (
            lambda: layers.Conv2D(32, (3, 5), strides=2, padding="same"),
            (4, 60, 60, 48),
            inner_2d,
        ),
        # Some inputs are in no window.
        (
            lambda: layers.Conv2D(64, 1, strides=2, padding="same"),
            (4, 60, 60, 48),
            inner_2d,
        ),
        (
            lambda: layers.Conv3D(24, 3, padding="same"),
            (2, 16, 16, 16, 12),
            (slice(None), *[slice(2, -2)] * 3),
        ),
        (
            lambda: layers.DepthwiseConv1D(5, depth_multiplier=3, padding="same"),
            (8, 96, 256),
            inner_1d,
        ),
        (
            lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
            (2, 32, 32, 256),
            inner_2d,
        ),
        (
            lambda: layers.DepthwiseConv2D(3, strides=2, padding="same"),
            (2, 48, 48, 512),
            inner_2d,
        ),
        (
            lambda: layers.Conv1DTranspose(32, 5, strides=3, padding="same"),
            (8, 60, 48),
            inner_1d,
        ),
        (
            lambda: layers.Conv2DTranspose(32, 3, strides=2, padding="same"),
            (4, 36, 36, 48),
            inner_2d,
        ),
        (
            lambda: layers.Conv3DTranspose(16, 3, padding="same"),
            (2, 14, 14, 14, 24),
            (slice(None), *[slice(2, -2)] * 3),
        ),
    ],
)
def test_the_layer_has_the_variances_that_its_fans_say(make, shape, crop):
    layer = make()
    x = normal(shape)
    layer(x)
    [fans] = kernel_fans(layer)
    draw(fans, 1 / fans.fan_in)
    forward, _ = variances(layer, x, crop)
    assert forward == pytest.approx(1, rel=0.06)
    draw(fans, 1 / fans.fan_out)
    _, backward = variances(layer, x, crop)
    assert backward == pytest.approx(1, rel=0.06)


@pytest.mark.parametrize("cell", [layers.SimpleRNN, layers.GRU, layers.LSTM])
def test_recurrent_kernels_are_matrices_of_all_gates(cell):
    layer = cell(48)
    layer.build((None, 7, 32))
    inputs, recurrent = kernel_fans(layer)
    for fans, size in ((inputs, 32), (recurrent, 48)):
        x = normal((512, size))
        for scale in ("fan_in", "fan_out"):
            draw(fans, 1 / getattr(fans, scale))
            product = layers.Lambda(lambda x, fans=fans: x @ fans.variable.value)
            measured = dict(
                zip(("fan_in", "fan_out"), variances(product, x), strict=True)
            )
            assert measured[scale] == pytest.approx(1, rel=0.06)


def test_an_lstm_made_linear_keeps_the_variance_of_its_inputs():
    # With all gates open, one step is the third gate's pre-activation.
    layer = layers.LSTM(256, activation=None, recurrent_activation=tf.ones_like)
    x = normal((512, 1, 64))
    layer(x)
    inputs, _ = kernel_fans(layer)
    draw(inputs, 1 / inputs.fan_in)
    assert np.var(layer(x).numpy()) == pytest.approx(1, rel=0.06)


def test_separable_convolution_keeps_the_variance_through_both_kernels():
    layer = layers.SeparableConv2D(64, 3, depth_multiplier=2, padding="same")
    x = normal((4, 40, 40, 64))
    layer(x)
    depthwise, pointwise = kernel_fans(layer)
    assert (depthwise.fan_in, depthwise.fan_out) == (9, 18)
    assert (pointwise.fan_in, pointwise.fan_out) == (128, 64)
    draw(depthwise, 1 / depthwise.fan_in)
    draw(pointwise, 1 / pointwise.fan_in)
    forward, _ = variances(layer, x, inner_2d)
    assert forward == pytest.approx(1, rel=0.06)


@pytest.mark.parametrize(
    ("layer", "key_units"),
    [
        (layers.MultiHeadAttention(4, 24), 96),
        (layers.GroupQueryAttention(24, 4, 2), 48),
    ],
    ids=["MultiHeadAttention", "GroupQueryAttention"],
)
def test_attention_is_four_matrices(layer, key_units):
    layer.build((None, 9, 64), (None, 9, 64))
    query, key, value, output = kernel_fans(layer)
    assert (query.fan_in, query.fan_out) == (64, 96)
    assert (key.fan_in, key.fan_out) == (64, key_units)
    assert (value.fan_in, value.fan_out) == (64, key_units)
    assert (output.fan_in, output.fan_out) == (96, 64)
    assert (query.input_axes, output.input_axes) == ((0,), (0, 1))


def test_an_embedding_passes_on_the_variance_of_its_rows():
    layer = layers.Embedding(1000, 64)
    layer.build()
    [fans] = kernel_fans(layer)
    draw(fans, 1 / fans.fan_in)
    rows = layer(np.random.default_rng(0).integers(1000, size=(64, 9)))
    assert np.var(rows.numpy()) == pytest.approx(1, rel=0.06)
    one_hot, row_gradients = tf.one_hot([3] * 500, 1000), normal((500, 64))
    with tf.GradientTape() as tape:
        tape.watch(one_hot)
        y = one_hot @ layer.embeddings.value
    gradient = tape.gradient(y, one_hot, row_gradients).numpy()
    assert np.var(gradient) == pytest.approx(fans.fan_out, rel=0.06)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(5), (None, 4)),
        (layers.EinsumDense("agi,gio->ago", (8, 24)), (None, 8, 16)),
        (layers.Conv2D(8, 3), (None, 9, 9, 4)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (None, 9, 9, 4)),
        (layers.Conv2DTranspose(8, 3), (None, 9, 9, 4)),
        (layers.LSTM(5), (None, 3, 4)),
    ],
)
def test_the_axes_tell_variance_scaling_the_fans(layer, shape):
    layer.build(shape)
    for fans in kernel_fans(layer):
        sizes = np.array(fans.variable.shape)
        assert np.prod(sizes[list(fans.input_axes)]) == fans.fan_in
        assert np.prod(sizes[list(fans.output_axes)]) == fans.fan_out


def test_every_kernel_of_a_model_once_in_the_order_of_its_weights():
    shared = layers.Dense(4, name="shared")
    inner = keras.Sequential([layers.Dense(4), layers.LayerNormalization()])
    model = keras.Sequential(
        [
            keras.Input((6, 4)),
            shared,
            layers.PReLU(),
            inner,
            shared,
            layers.Bidirectional(layers.GRU(3, name="gru")),
            layers.SpectralNormalization(layers.Dense(2)),
            layers.Dense(3, name="frozen", trainable=False),
        ]
    )
    variables = [fans.variable for fans in kernel_fans(model)]
    assert all(len(v.shape) == 2 and "kernel" in v.name for v in variables)
    assert len(variables) == len({id(v) for v in variables}) == 8
    order = [v.path for v in model.weights if v.path in [w.path for w in variables]]
    assert [v.path for v in variables] == order


def test_kernels_of_unknown_layers_are_those_of_a_convolution():
    class Own(keras.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(3, 5, 7), name="w")

    layer = Own()
    layer.build((None, 3))
    [fans] = kernel_fans(layer)
    assert (fans.fan_in, fans.fan_out) == (15, 21)
