"""The usual blocks with every statistic: training does not change."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit import LayerStatsCallback

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(48, 8)).astype("float32")
IMAGES = RNG.normal(size=(48, 6, 6, 2)).astype("float32")
SEQUENCES = RNG.normal(size=(48, 5, 8)).astype("float32")
Y = RNG.integers(0, 3, size=48)


def with_dropout(activation):
    def make():
        return keras.Sequential(
            [
                keras.Input((8,)),
                layers.Dense(16, activation, name="inside"),
                layers.Dropout(0.4, seed=1),
                layers.Dense(16, name="before"),
                layers.Activation(activation),
                layers.Dropout(0.4, seed=2),
                layers.Dense(3, name="head"),
            ]
        )

    return make


def convolutional():
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.DepthwiseConv2D(3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(8, "relu"),
            layers.Dense(3),
        ]
    )


def attention_block():
    inputs = keras.Input((5, 8))
    x = layers.LayerNormalization()(inputs)
    x = layers.MultiHeadAttention(num_heads=2, key_dim=4, dropout=0.2, seed=1)(x, x)
    attended = layers.Add()([inputs, x])
    x = layers.LayerNormalization()(attended)
    x = layers.Dense(8)(layers.Dense(16, "gelu")(x))
    x = layers.Dropout(0.2, seed=2)(x)
    x = layers.GlobalAveragePooling1D()(layers.Add()([attended, x]))
    return keras.Model(inputs, layers.Dense(3)(x))


def recurrent():
    return keras.Sequential(
        [
            keras.Input((5, 8)),
            layers.LSTM(6, return_sequences=True),
            layers.TimeDistributed(layers.Dense(6, "tanh")),
            layers.LSTM(4),
            layers.Dense(3),
        ]
    )


NETWORKS = {
    "gelu": (with_dropout("gelu"), VECTORS),
    "silu": (with_dropout("silu"), VECTORS),
    "mish": (with_dropout("mish"), VECTORS),
    "convolutional": (convolutional, IMAGES),
    "attention block": (attention_block, SEQUENCES),
    "recurrent": (recurrent, SEQUENCES),
}


@pytest.mark.parametrize(
    "jit_compile",
    [
        pytest.param(False, id=""),
        pytest.param(True, id="jit_compile", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_bit_identical_with_every_statistic(name, jit_compile, tmp_path):
    if BACKEND != "tensorflow" and jit_compile:
        pytest.skip("JAX compiles anyway, and torch.compile changes the numbers")
    make_model, x = NETWORKS[name]

    def train(*callbacks):
        keras.utils.set_random_seed(0)
        model = make_model()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        jit = jit_compile or BACKEND == "jax"
        model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=jit)
        logs = model.fit(
            x,
            Y,
            batch_size=16,
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        )
        return logs.history, model

    callback = LayerStatsCallback(
        tmp_path, statistics="all", histogram_steps=2, update_freq=1
    )
    logs, model = train(callback)
    bare_logs, bare = train()
    assert logs == bare_logs
    for ours, theirs in zip(model.variables, bare.variables, strict=True):
        np.testing.assert_array_equal(
            *map(keras.ops.convert_to_numpy, (ours, theirs)), err_msg=ours.path
        )
    history = callback.history
    assert history.steps.tolist() == list(range(6))
    assert np.isfinite(history["gradient_variance"]).all()
    assert np.isfinite(history["activation_variance"][:, -1]).all()
