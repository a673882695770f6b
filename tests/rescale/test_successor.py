import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.kernels.calls import kernel_of
from keras_initkit.rescale.successor import NoSuccessorError, successor

FACTOR = 3.7
RNG = np.random.default_rng(0)


class Doubled(layers.Dense):
    def call(self, inputs):
        return super().call(inputs) ** 2


def model_of(shape, *stack):
    return keras.Sequential([keras.Input(shape), *stack])


def dense(activation=None, **options):
    return layers.Dense(
        6, activation, bias_initializer="random_normal", name="first", **options
    )


def conv(activation="relu"):
    return layers.Conv2D(4, 3, activation=activation, bias_initializer="ones")


HEAD = {"bias_initializer": "random_normal", "name": "second"}
PRESERVED = {
    "relu": lambda: model_of((5,), dense("relu"), layers.Dense(3, "tanh", **HEAD)),
    "linear": lambda: model_of((5,), dense(), layers.Dense(3, **HEAD)),
    "leaky_relu": lambda: model_of((5,), dense("leaky_relu"), layers.Dense(3, **HEAD)),
    "no bias": lambda: model_of(
        (5,), layers.Dense(6, "relu", use_bias=False), layers.Dense(3, **HEAD)
    ),
    "activation layers, dropout": lambda: model_of(
        (5,),
        dense(),
        layers.PReLU("random_uniform"),
        layers.Dropout(0.5),
        layers.Activation("relu"),
        layers.ReLU(negative_slope=0.1),
        layers.Dense(3, **HEAD),
    ),
    "Conv2D, pooling, Flatten": lambda: model_of(
        (8, 8, 2),
        conv(),
        layers.MaxPooling2D(2),
        layers.ZeroPadding2D(),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(3, **HEAD),
    ),
    "Conv2D before DepthwiseConv2D": lambda: model_of(
        (8, 8, 2), conv(), layers.DepthwiseConv2D(3, activation="tanh")
    ),
    "DepthwiseConv2D before SeparableConv2D": lambda: model_of(
        (8, 8, 2), layers.DepthwiseConv2D(3), layers.SeparableConv2D(3, 3)
    ),
    "SeparableConv2D before Conv2DTranspose": lambda: model_of(
        (8, 8, 2), layers.SeparableConv2D(3, 3), layers.Conv2DTranspose(3, 3)
    ),
    "EinsumDense": lambda: model_of(
        (4, 5),
        layers.EinsumDense("btf,fhe->bthe", (4, 2, 3), bias_axes="he"),
        layers.Reshape((4, 6)),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3, **HEAD),
    ),
}


@pytest.mark.parametrize("name", PRESERVED)
def test_what_the_successor_takes_back_leaves_the_function_as_it_was(name):
    model = PRESERVED[name]()
    layer = model.layers[0]
    following = successor(model, layer)
    x = RNG.normal(size=(16, *model.input_shape[1:]))
    before = model.predict(x, verbose=0)
    kernel_of(layer).assign(kernel_of(layer) * FACTOR)
    if layer.bias is not None:
        layer.bias.assign(layer.bias * FACTOR)
    kernel_of(following).assign(kernel_of(following) / FACTOR)
    after = model.predict(x, verbose=0)
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5 * np.std(before))


def with_head(*stack, **options):
    model = model_of((5,), *stack, layers.Dense(3, name="second", **options))
    return model, model.get_layer("first")


def branched():
    inputs = keras.Input((6,))
    first = dense("relu")
    hidden = first(inputs)
    outputs = layers.Dense(3)(layers.Add(name="joined")([hidden, inputs]))
    return keras.Model(inputs, outputs), first


def read_twice():
    inputs = keras.Input((6,))
    first = dense("relu")
    hidden = first(inputs)
    return keras.Model(inputs, [layers.Dense(3)(hidden), layers.Dense(2)(hidden)]), (
        first
    )


def also_an_output():
    inputs = keras.Input((6,))
    first = dense("relu")
    hidden = first(inputs)
    return keras.Model(inputs, [hidden, layers.Dense(3)(hidden)]), first


def shared():
    inputs = keras.Input((6,))
    first = dense("relu")
    return keras.Model(inputs, layers.Dense(3)(first(first(inputs)))), first


def before_shared():
    inputs = keras.Input((6,))
    first, second = dense("relu"), layers.Dense(6, name="second")
    return keras.Model(inputs, second(second(first(inputs)))), first


def nested():
    first = dense("relu")
    inner = model_of((5,), first, layers.Dense(4))
    return model_of((5,), inner, layers.Dense(3)), first


def before_nested():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4)], name="inner")
    first = dense("relu")
    return model_of((5,), first, inner), first


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = dense("relu"), layers.Dense(3)

    def call(self, x):
        return self.second(self.first(x))


def subclassed():
    model = Subclassed()
    model(np.ones((1, 5)))
    return model, model.first


def frozen():
    model, first = with_head(dense("relu"))
    model.get_layer("second").trainable = False
    return model, first


def lora():
    model, first = with_head(dense("relu"))
    model.get_layer("second").enable_lora(2)
    return model, first


REFUSED = {
    "tanh": (lambda: with_head(dense("tanh")), "tanh is not positively homog"),
    "relu6": (lambda: with_head(dense(), layers.ReLU(6.0)), "re_lu.* is not pos"),
    "BatchNormalization": (
        lambda: with_head(dense("relu"), layers.BatchNormalization(name="norm")),
        "'norm' behind it is not positively homogeneous",
    ),
    "noise": (
        lambda: with_head(dense("relu"), layers.GaussianNoise(0.1)),
        "gaussian_noise.* is not pos",
    ),
    "Add": (branched, "joined with others in 'joined'"),
    "two consumers": (read_twice, "several layers"),
    "output": (also_an_output, "no layer follows"),
    "shared": (shared, "shared by several places"),
    "before a shared one": (before_shared, "'second' behind it is shared"),
    "nested": (nested, "no layer of a Sequential or Functional model itself"),
    "before a nested model": (before_nested, "'inner' behind it"),
    "subclassed": (subclassed, "no layer of a Sequential or Functional model itself"),
    "before a frozen one": (frozen, "'second' behind it is frozen"),
    "before LoRA": (lora, "'second' behind it is frozen"),
    "last": (lambda: (model := model_of((5,), dense()), model.layers[0]), "no layer"),
    "a call of its own": (
        lambda: (
            model := model_of((5,), dense(), Doubled(3, name="own")),
            model.layers[0],
        ),
        "'own' has a call of its own",
    ),
    "constraint": (
        lambda: with_head(dense(kernel_constraint="unit_norm")),
        "'first' has a constraint",
    ),
    "bias constraint": (
        lambda: with_head(dense(bias_constraint="max_norm")),
        "'first' has a constraint",
    ),
    "before a constraint": (
        lambda: with_head(dense(), kernel_constraint="unit_norm"),
        "'second' has a constraint",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_where_the_function_could_not_be_kept(name):
    make, why = REFUSED[name]
    model, layer = make()
    with pytest.raises(NoSuccessorError, match=why):
        successor(model, layer)
