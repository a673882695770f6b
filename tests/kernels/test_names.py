import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.selection import select_variables


def names(model):
    return layer_names(model, select_variables(model))


def plain():
    stack = [layers.Dense(4), layers.Dense(4, name="given"), layers.Dense(4)]
    return keras.Sequential([keras.Input((4,)), *stack], name="net")


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(4)])
    block = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="block")
    shared = layers.Dense(4)
    inputs = keras.Input((4,))
    outputs = layers.Dense(2)(shared(block(inner(shared(inputs)))))
    return keras.Model(inputs, outputs)


def recurrent():
    stack = [
        layers.LSTM(3, return_sequences=True),
        layers.LSTM(3, return_sequences=True, name="encoder"),
        layers.TimeDistributed(layers.Dense(3)),
        layers.Bidirectional(layers.GRU(3)),
    ]
    return keras.Sequential([keras.Input((5, 4)), *stack])


def attention():
    inputs = keras.Input((5, 4))
    return keras.Model(inputs, layers.MultiHeadAttention(2, 3)(inputs, inputs))


@keras.saving.register_keras_serializable(package="test_names")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(4)
        self.blocks = [layers.Dense(4), layers.Dense(4, name="given")]
        self.table = self.add_weight(shape=(4, 4))
        self.matrix = self.add_weight(shape=(4, 4), name="matrix")

    def build(self, input_shape):
        for layer in (self.first, *self.blocks):
            layer.build((None, 4))
        self.built = True

    def call(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x @ self.table @ self.matrix


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    return model


EXPECTED = {
    plain: ["dense", "given", "dense_1"],
    nested: [
        "dense",
        "sequential/dense",
        "sequential/dense_1",
        "block/dense",
        "dense_1",
    ],
    recurrent: [
        "lstm",
        "lstm/recurrent_kernel",
        "encoder",
        "encoder/recurrent_kernel",
        "time_distributed/dense",
        "bidirectional/forward_gru",
        "bidirectional/forward_gru/recurrent_kernel",
        "bidirectional/backward_gru",
        "bidirectional/backward_gru/recurrent_kernel",
    ],
    attention: [
        f"multi_head_attention/{name}"
        for name in ("query", "key", "value", "attention_output")
    ],
    subclassed: ["variable", "matrix", "dense", "dense_1", "given"],
}
ALL = pytest.mark.parametrize("make", EXPECTED, ids=lambda make: make.__name__)


@ALL
def test_they_are_the_same_in_every_instance(make):
    for _ in range(2):
        assert names(make()) == EXPECTED[make]


@ALL
def test_they_are_the_same_in_a_clone(make):
    if make is subclassed:
        pytest.skip("Keras does not clone it")
    assert names(keras.models.clone_model(make())) == EXPECTED[make]


@ALL
def test_they_are_the_same_after_loading(make, tmp_path):
    make().save(tmp_path / "model.keras")
    for _ in range(2):
        model = keras.models.load_model(tmp_path / "model.keras")
        assert names(model) == EXPECTED[make]


def test_they_are_the_same_in_another_process(tmp_path):
    models = [make for make in EXPECTED if make is not subclassed]
    for make in models:
        plain()  # so this process continues its count
        make().save(tmp_path / f"{make.__name__}.keras")
    program = (
        "import sys, keras\n"
        "from keras_initkit.kernels.names import layer_names\n"
        "from keras_initkit.kernels.selection import select_variables\n"
        "for path in sys.argv[1:]:\n"
        "    model = keras.models.load_model(path)\n"
        "    print(*layer_names(model, select_variables(model)))\n"
    )
    paths = [str(tmp_path / f"{make.__name__}.keras") for make in models]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split(" ") for line in run.stdout.splitlines()]
    assert lines == [EXPECTED[make] for make in models]


def test_they_do_not_depend_on_what_else_is_selected():
    model = keras.Sequential([keras.Input((9, 4)), layers.SeparableConv1D(3, 2)])
    expected = [
        "separable_conv1d",
        "separable_conv1d/pointwise_kernel",
        "separable_conv1d/bias",
    ]
    variables = model.trainable_variables
    assert layer_names(model, variables) == expected
    assert layer_names(model, variables[1:2]) == expected[1:2]


def test_a_frozen_layer_keeps_its_name():
    model = plain()
    model.layers[0].trainable = False
    assert names(model) == EXPECTED[plain][1:]


def test_a_given_name_is_kept_and_what_is_made_up_gives_way():
    stack = [layers.Dense(4), layers.Dense(4), layers.Conv1D(4, 1, name="dense_1")]
    model = keras.Sequential([keras.Input((9, 4)), *stack])
    assert names(model) == ["dense", "dense_2", "dense_1"]


def test_equal_names_have_numbers():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.one = layers.Dense(4, name="same")
            self.other = layers.Dense(4, name="same")

        def call(self, x):
            return self.other(self.one(x))

    model = Own()
    model(np.zeros((1, 4), "float32"))
    assert names(model) == ["same", "same_1"]
