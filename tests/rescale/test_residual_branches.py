import math

import keras
import numpy as np
import pytest

from keras_initkit.report.signal_report import signal_report
from keras_initkit.rescale.residual_branches import scale_residual_branches

layers = keras.layers
he = "he_normal"


def dense(units=64, **options):
    return layers.Dense(units, kernel_initializer=he, **options)


def two_layers(x):
    return dense()(dense(activation="relu")(x))


def residual_net(branch, depth, width=64):
    x = inputs = keras.Input((width,))
    for _ in range(depth):
        x = x + branch(x)
    return keras.Model(inputs, x)


def growth(model):
    """The growth of the stream's mean square from input to output."""
    x = np.random.default_rng(0).normal(size=(256, 64)).astype("float32")
    return float(np.mean(keras.ops.convert_to_numpy(model(x)) ** 2))


def values(model):
    return {v.path: v.numpy() for v in model.weights}


def test_a_scaled_residual_net_keeps_its_variance_at_depth_64():
    keras.utils.set_random_seed(0)
    model = residual_net(two_layers, 64)
    # He's branch ends without a ReLU, so it adds twice the variance of the stream.
    assert growth(model) > 1e10
    branches = scale_residual_branches(model)
    assert [branch.factor for branch in branches] == [1 / 8] * 64
    # (1 + 2/L)^L: the ReLU is inside, and He's factor 2 of the last kernel stays.
    assert growth(model) == pytest.approx(math.e**2, rel=0.35)


def test_a_branch_that_ends_in_relu_is_divided_by_the_depth():
    keras.utils.set_random_seed(0)
    model = residual_net(lambda x: dense(activation="relu")(x), 64)
    half_power = keras.models.clone_model(model)
    scale_residual_branches(half_power, exponent=0.5)
    assert growth(half_power) > 1000
    before = values(model)
    branches = scale_residual_branches(model)
    assert [branch.factor for branch in branches] == [1 / 64] * 64
    for path, kernel in values(model).items():
        np.testing.assert_allclose(kernel, before[path] / 64, rtol=1e-6)
    assert 1 < growth(model) < math.e


@pytest.mark.parametrize(
    ("activation", "factor"),
    [
        ("relu", 1 / 4),
        ("leaky_relu", 1 / 4),
        ("relu6", 1 / 4),
        ("linear", 1 / 2),
        ("tanh", 1 / 2),
        # Smooth at 0, so a straight line for the small inputs after the scaled kernel.
        ("gelu", 1 / 2),
        ("silu", 1 / 2),
        ("selu", 1 / 4),
    ],
)
def test_activations_with_a_mean_at_any_scale_need_the_full_power(activation, factor):
    ends = [
        lambda x: dense(activation=activation)(x),
        lambda x: layers.Activation(activation)(dense()(x)),
        lambda x: keras.activations.get(activation)(dense()(x)),
    ]
    for end in ends:
        branches = scale_residual_branches(residual_net(end, 4))
        assert [branch.factor for branch in branches] == [factor] * 4


def test_prelu_starts_as_relu():
    model = residual_net(lambda x: layers.PReLU()(dense()(x)), 4)
    assert {branch.factor for branch in scale_residual_branches(model)} == {1 / 4}


def test_depth_and_exponent_may_be_given():
    model = residual_net(two_layers, 3)
    branches = scale_residual_branches(model, depth=100, exponent=0.25)
    assert [branch.factor for branch in branches] == [100**-0.25] * 3


def test_depth_may_be_an_integer_of_numpy():
    model = residual_net(two_layers, 3)
    branches = scale_residual_branches(model, depth=np.int64(100), exponent=1)
    assert [branch.factor for branch in branches] == [0.01] * 3


def test_only_the_closing_kernels_and_biases_change():
    x = inputs = keras.Input((64,))
    x = layers.Dense(64, name="stem")(x)
    branch = layers.Dense(64, name="first")(layers.LayerNormalization(name="norm")(x))
    closing = layers.Dense(64, name="closing", bias_initializer="ones")
    branch = layers.Dropout(0.1)(closing(layers.ReLU()(branch)))
    x = layers.Add(name="sum")([branch, x])
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    before = values(model)
    assert scale_residual_branches(model, depth=4) == [
        ("closing/kernel", "sum", 0.5),
    ]
    for path, value in values(model).items():
        factor = 0.5 if path.startswith("closing") else 1
        np.testing.assert_array_equal(value, before[path] * factor)


def kernels_of(branches):
    return [branch.variable.rpartition("/")[0] for branch in branches]


def test_convolutions_with_a_projection_shortcut():
    inputs = keras.Input((16, 16, 8))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.SeparableConv2D(16, 3, padding="same", name="closing")(x)
    shortcut = layers.Conv2D(16, 1, strides=2, name="projection")(inputs)
    shortcut = layers.BatchNormalization()(shortcut)
    model = keras.Model(inputs, layers.ReLU()(layers.Add()([shortcut, x])))
    [branch] = scale_residual_branches(model, depth=9)
    assert branch.variable == "closing/pointwise_kernel"
    assert branch.factor == pytest.approx(1 / 3)


def transformer_block(x, name):
    normalized = layers.LayerNormalization()(x)
    attention = layers.MultiHeadAttention(2, 8, name=f"{name}_attention")
    x = x + layers.Dropout(0.1)(attention(normalized, normalized))
    hidden = layers.Dense(64, "gelu")(layers.LayerNormalization()(x))
    return x + layers.Dense(16, name=f"{name}_closing")(hidden)


def test_a_transformer_closes_with_output_projections():
    x = inputs = keras.Input((5, 16))
    for name in "ab":
        x = transformer_block(x, name)
    branches = scale_residual_branches(keras.Model(inputs, x))
    assert kernels_of(branches) == [
        "a_attention/attention_output",
        "a_closing",
        "b_attention/attention_output",
        "b_closing",
    ]
    assert {branch.factor for branch in branches} == {0.5}


@pytest.mark.parametrize("order", [1, -1])
def test_parallel_branches_of_one_block_are_all_scaled(order):
    x = inputs = keras.Input((5, 16))
    attention = layers.MultiHeadAttention(2, 8, name="attention")(x, x)
    hidden = layers.Dense(64, "gelu")(x)
    feed_forward = layers.Dense(16, name="closing")(hidden)
    first, second = (attention, feed_forward)[::order]
    expected = {"attention/attention_output", "closing"}
    for total, branches in (
        (x + first + second, 2),
        (x + (first + second), 1),
        (layers.Add()([first, x, second]), 2),
    ):
        scaled = scale_residual_branches(keras.Model(inputs, total))
        assert set(kernels_of(scaled)) == expected
        assert {branch.factor for branch in scaled} == {branches**-0.5}


def test_blocks_that_are_models():
    def block(name):
        inputs = keras.Input((64,))
        x = inputs + layers.Dense(64, name=f"{name}_inner")(two_layers(inputs))
        return keras.Model(inputs, x, name=name)

    tail = keras.Sequential([dense(activation="relu"), layers.Dense(64, name="tail")])
    x = inputs = keras.Input((64,))
    for name in "abc":
        x = block(name)(x)
    model = keras.Model(inputs, x + tail(x))
    branches = scale_residual_branches(model)
    assert [branch.factor for branch in branches] == [0.5] * 4
    assert [k.split("/")[-1] for k in kernels_of(branches)] == [
        *("a_inner", "b_inner", "c_inner", "tail")
    ]
    outer = keras.Sequential([keras.Input((64,)), block("d"), block("e")])
    assert len(scale_residual_branches(outer)) == 2


def test_a_shared_block_counts_as_often_as_it_is_called_and_is_scaled_once():
    shared = layers.Dense(64, name="shared")
    model = residual_net(lambda x: shared(dense(activation="relu")(x)), 4)
    before = shared.kernel.numpy()
    [branch] = scale_residual_branches(model)
    assert (branch.variable, branch.factor) == ("shared/kernel", 0.5)
    np.testing.assert_array_equal(shared.kernel.numpy(), before / 2)


def test_what_is_no_residual_branch_is_left_alone():
    inputs = keras.Input((64,))
    towers = two_layers(inputs) + two_layers(inputs)
    other = layers.Dense(64)(keras.Input((64,), name="other"))
    for outputs in (towers, inputs + 1.0, inputs + layers.ReLU()(inputs), inputs):
        with pytest.raises(ValueError, match="without a residual branch"):
            scale_residual_branches(keras.Model(inputs, outputs))
    two_inputs = keras.Model(
        [inputs, other._keras_history.operation.input], inputs + other
    )
    with pytest.raises(ValueError, match="without a residual branch"):
        scale_residual_branches(two_inputs)


@pytest.mark.parametrize(
    ("branch", "culprit"),
    [
        (lambda x: layers.BatchNormalization(name="bn")(dense()(x)), "'bn' normalizes"),
        (
            lambda x: layers.SpectralNormalization(dense(), name="sn")(x),
            "'sn' normalizes",
        ),
        (lambda x: dense(activation="sigmoid", name="s")(x), "'s' is not 0"),
        (lambda x: layers.Softmax(name="s")(dense()(x)), "'s' does not become smaller"),
        (
            lambda x: layers.Multiply(name="gate")([dense()(x), dense()(x)]),
            "'gate' combines",
        ),
        (
            lambda x: layers.LSTM(64, name="lstm")(layers.Reshape((1, 64))(x)),
            "'lstm.*' has several kernels",
        ),
    ],
)
def test_a_branch_that_its_last_kernel_cannot_scale_is_named(branch, culprit):
    x = inputs = keras.Input((64,))
    x = x + two_layers(x)
    model = keras.Model(inputs, layers.Add(name="sum")([x, branch(x)]))
    before = values(model)
    with pytest.raises(ValueError, match=f"{culprit}.*Received: a branch into 'sum'"):
        scale_residual_branches(model)
    for path, value in values(model).items():
        np.testing.assert_array_equal(value, before[path])


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        *(({"depth": depth}, "depth") for depth in (0, -1, 2.0, True, "4")),
        *(({"exponent": e}, "exponent") for e in (-1, math.nan, True, "half")),
        ({"model": Subclassed()}, "model"),
        ({"model": keras.Sequential([layers.Dense(3)])}, "model"),
        ({"model": None}, "model"),
    ],
)
def test_bad_arguments_are_named(arguments, argument):
    model = residual_net(two_layers, 1)
    with pytest.raises(ValueError, match=f"`{argument}` must .*Received: {argument}="):
        scale_residual_branches(**{"model": model, **arguments})


def test_scaled_branches_are_as_intended():
    model = residual_net(two_layers, 9)
    scale_residual_branches(model)
    x = np.random.default_rng(0).normal(size=(64, 64))
    report = signal_report(model, x)
    he_variance = 2 / 64
    expected = [he_variance, he_variance / 9] * 9
    np.testing.assert_allclose(report["intended_variance"], expected)
    assert report["as_intended"].all()
    assert report.findings == []
    scale_residual_branches(model, depth=4)
    expected = [he_variance, he_variance / 9 / 4] * 9
    report = signal_report(model, x)
    np.testing.assert_allclose(report["intended_variance"], expected)
    assert report["as_intended"].all()
