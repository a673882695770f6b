import keras
import pytest
from keras import layers

from keras_initkit.kernels.fans import kernel_fans
from keras_initkit.kernels.selection import select_variables


class Own(layers.Layer):
    """A layer whose names and attributes tell what the weights are."""

    def build(self, input_shape):
        self.mixing = self.add_weight(shape=(4, 4))
        self.bias = self.add_weight(shape=(6, 4))
        self.table = self.add_weight(shape=(6, 4), name="position_bias")

    def call(self, inputs):
        return inputs @ self.mixing + self.bias + self.table


def kernels(inputs, *stack):
    """The names of the kernels, which both functions agree on."""
    model = keras.Sequential([inputs, *stack])
    selected = select_variables(model)
    assert [id(k.variable) for k in kernel_fans(model)] == [id(v) for v in selected]
    return [variable.name for variable in selected]


SEQUENCE = (6, 4)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.PReLU(), []),
        (layers.LayerNormalization(axis=(1, 2)), []),
        (layers.RMSNormalization(axis=(1, 2)), []),
        (layers.EinsumDense("abc,cde->abde", (6, 2, 3), bias_axes="de"), ["kernel"]),
        (layers.GRU(3), ["kernel", "recurrent_kernel"]),
        (layers.DepthwiseConv1D(3), ["kernel"]),
        (layers.SeparableConv1D(3, 2), ["depthwise_kernel", "pointwise_kernel"]),
        (layers.TimeDistributed(layers.Dense(3)), ["kernel"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_multiplies_the_inputs(layer, expected):
    head = layers.Flatten(), layers.Dense(1)
    assert kernels(keras.Input(SEQUENCE), layer, *head) == [*expected, "kernel"]


def test_rows_that_are_looked_up():
    table = layers.Embedding(9, 4)
    assert kernels(keras.Input((6,), dtype="int32"), table) == ["embeddings"]


def test_lora():
    layer = layers.Dense(4)
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.enable_lora(2)
    names = [variable.name for variable in select_variables(model)]
    assert names == ["lora_kernel_a", "lora_kernel_b"]


def test_of_a_layer_of_ones_own():
    layer = Own()
    model = keras.Sequential([keras.Input(SEQUENCE), layer])
    [selected] = select_variables(model)
    assert selected is layer.mixing
