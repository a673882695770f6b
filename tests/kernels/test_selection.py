import keras
import pytest
from keras import layers

from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.selection import (
    check_selectors,
    layer_table,
    select_variables,
)


def names(model, include_biases=False):
    return layer_names(model, select_variables(model, include_biases))


def test_kernels_in_the_order_of_execution():
    # Created in the opposite order.
    last, middle = layers.Dense(2, name="last"), layers.Dense(3, name="middle")
    first = layers.Dense(4, name="first")
    inputs = keras.Input((5,))
    model = keras.Model(inputs, last(middle(first(inputs))))
    assert names(model) == ["first", "middle", "last"]


def test_biases_on_request():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="a")], name="net")
    assert names(model, include_biases=True) == ["a", "a/bias"]


def test_shared_layer_once_and_nested_model_in_its_place():
    shared = layers.Dense(4, name="shared")
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="inside")], name="inner"
    )
    inputs = keras.Input((4,))
    outputs = layers.Dense(1, name="head")(shared(inner(shared(inputs))))
    assert names(keras.Model(inputs, outputs)) == ["shared", "inner/inside", "head"]


def test_frozen_layers_are_left_out():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, name="a"), layers.Dense(3, name="b")],
        name="net",
    )
    model.layers[0].trainable = False
    assert names(model) == ["b"]


def test_what_is_a_kernel():
    inputs = keras.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    x = layers.LayerNormalization(axis=(1, 2), name="norm")(x)
    x = layers.LSTM(3, name="lstm")(x)
    model = keras.Model(inputs, x)
    found = select_variables(model, include_biases=False)
    # Neither the biases of two axes in the heads nor the gamma of two axes.
    assert [v.path for v in found] == [
        "attention/query/kernel",
        "attention/key/kernel",
        "attention/value/kernel",
        "attention/attention_output/kernel",
        "lstm/lstm_cell/kernel",
        "lstm/lstm_cell/recurrent_kernel",
    ]
    assert layer_names(model, found)[-2:] == LSTM


def test_no_kernel():
    model = keras.Sequential(
        [keras.Input((5,)), layers.BatchNormalization(name="norm")], name="bare"
    )
    with pytest.raises(ValueError, match=r"Received: model 'bare'.*norm/gamma"):
        select_variables(model, include_biases=False)


def test_table():
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Dense(4, name="a|b")(inputs))
    found = select_variables(model)
    lines = layer_table(layer_names(model, found), found).splitlines()
    assert lines[0].startswith("number | layer | variable | shape")
    assert lines[2] == "0 | a&#124;b | kernel | 5 x 4 | 20 | float32"


@pytest.fixture
def network():
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="hidden")], name="inner"
    )
    inputs = keras.Input((8, 4))
    x = layers.Conv1D(4, 3, name="conv")(inputs)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.LSTM(4, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(1, name="head")(inner(x)))


ATTENTION = [f"attention/{name}" for name in ("query", "key", "value")]
ATTENTION.append("attention/attention_output")
LSTM = ["lstm", "lstm/recurrent_kernel"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("head", ["head"]),
        ("h*", ["inner/hidden", "head"]),
        ("[ch]*", ["conv", "inner/hidden", "head"]),
        ("inner/*", ["inner/hidden"]),
        ("attention/*", ATTENTION),
        ("query", ATTENTION[:1]),
        ("lstm/*", LSTM),
        ("*", ["conv", *ATTENTION, *LSTM, "inner/hidden", "head"]),
        (layers.Dense, ["inner/hidden", "head"]),
        (layers.EinsumDense, ATTENTION),
        (lambda layer: getattr(layer, "units", 0) == 1, ["head"]),
        (["head", layers.Conv1D], ["conv", "head"]),
        (("head", lambda layer: layer.name == "hidden"), ["inner/hidden", "head"]),
        (None, ["conv", *ATTENTION, *LSTM, "inner/hidden", "head"]),
    ],
)
def test_selected_layers_in_the_order_of_the_model(network, selector, expected):
    assert layer_names(network, select_variables(network, layers=selector)) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("lstm", LSTM),
        (layers.LSTM, LSTM),
        ("attention", ATTENTION),
        (layers.MultiHeadAttention, ATTENTION),
    ],
)
def test_a_layer_is_selected_with_the_layers_that_it_is_made_of(
    network, selector, expected
):
    assert layer_names(network, select_variables(network, layers=selector)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("head", ["head"]), ("lstm", LSTM), ("inner", ["inner/hidden"])],
)
def test_a_layer_itself_is_selected(network, name, expected):
    layer = network.get_layer(name)
    for selector in (layer, [layer]):
        assert (
            layer_names(network, select_variables(network, layers=selector)) == expected
        )


def test_a_layer_of_another_model_selects_nothing(network):
    with pytest.raises(ValueError, match=r"selects none .*Received: layers=<Dense"):
        select_variables(network, layers=layers.Dense(1, name="head"))


def test_selected_with_biases(network):
    found = select_variables(network, include_biases=True, layers="head")
    assert [variable.path for variable in found] == ["head/kernel", "head/bias"]


def test_a_predicate_gets_the_layers_around_each_kernel(network):
    seen = []
    select_variables(network, layers=lambda layer: seen.append(layer.name) or True)
    assert seen[0] == "conv"
    assert seen[-1] == "head"


@pytest.mark.parametrize("selector", ["Head", "dense_*", layers.Embedding])
def test_a_selector_that_selects_nothing_names_the_layers(network, selector):
    with pytest.raises(ValueError, match=r"'conv', .*'head'\]. Received: layers="):
        select_variables(network, layers=selector)


@pytest.mark.parametrize("selector", [[], (), 3, [None], ["head", 3]])
def test_what_is_no_selector(network, selector):
    for check in (
        check_selectors,
        lambda selector: select_variables(network, layers=selector),
    ):
        with pytest.raises(ValueError, match="Argument `layers` must") as error:
            check(selector)
        assert str(error.value).endswith(f"Received: layers={selector!r}")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("dense_1", ["dense_1"]),
        ("dense*", ["dense", "dense_1"]),
        ("sequential", ["sequential/dense"]),
        ("sequential/*", ["sequential/dense"]),
    ],
)
def test_made_up_names_are_selected_as_they_are_shown(selector, expected):
    for _ in range(2):  # Keras continues its count.
        inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
        stack = [layers.Dense(4), inner, layers.Dense(4)]
        model = keras.Sequential([keras.Input((4,)), *stack])
    selected = layer_names(model, select_variables(model, layers=selector))
    assert set(expected) <= set(selected)
    own = model.layers[-1]
    for name in (own.name, own.path):
        assert "dense_1" in layer_names(model, select_variables(model, layers=name))
