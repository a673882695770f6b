import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initkit.kernels.calls import each_kernel_call


def sequential(*stack):
    return keras.Sequential(list(stack))


def calls_of(model, x):
    calls = []

    def on_call(call):
        calls.append(call)
        return call.run()

    with each_kernel_call(model, on_call):
        outputs = model(x)
    return calls, ops.convert_to_numpy(outputs)


def outputs_of(model, x):
    return ops.convert_to_numpy(model(x))


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_calls_are_met_in_the_order_of_execution():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, "tanh")
    inner = sequential(keras.Input((4,)), layers.Dense(4))
    model = keras.Model(inputs, layers.Dense(2)(shared(inner(shared(inputs)))))
    calls, outputs = calls_of(model, normal(3, 4))
    head = model.layers[-1]
    assert [c.layer for c in calls] == [shared, inner.layers[0], shared, head]
    np.testing.assert_array_equal(outputs, outputs_of(model, normal(3, 4)))


def test_pre_activation_is_w_x_plus_b():
    layer = layers.Dense(5, "relu", bias_initializer="ones")
    model = sequential(keras.Input((4,)), layer)
    x = normal(3, 4)
    [call], _ = calls_of(model, x)
    weights, bias = layer.get_weights()
    z = x @ weights + bias
    for tensor, expected in (
        (call.pre_activation(), z),
        (call.run(), np.maximum(z, 0)),
        (call._replace(inputs=2 * call.inputs).pre_activation(), 2 * z - bias),
    ):
        array = ops.convert_to_numpy(tensor)
        np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-6)


def test_pre_activation_of_a_layer_whose_activation_is_a_layer():
    layer = layers.Dense(5, activation=layers.LeakyReLU(0.5))
    model = sequential(keras.Input((4,)), layer)
    x = normal(3, 4)
    [call], outputs = calls_of(model, x)
    z = ops.convert_to_numpy(call.pre_activation())
    np.testing.assert_allclose(z, x @ layer.get_weights()[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs, np.maximum(z, 0.5 * z), rtol=1e-5)
    assert isinstance(layer.activation, layers.LeakyReLU)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.Conv2D(3, 2), "kernel"),
        (layers.Conv2DTranspose(3, 2), "kernel"),
        (layers.DepthwiseConv2D(2), "kernel"),
        (layers.SeparableConv2D(3, 2), "pointwise_kernel"),
        (layers.EinsumDense("abcd,de->abce", (None, None, 3)), "kernel"),
        (layers.Dense(3), "kernel"),
    ],
)
def test_kernel_is_the_variable(layer, name):
    model = sequential(keras.Input((5, 5, 2)), layer)
    [call], _ = calls_of(model, normal(1, 5, 5, 2))
    [variable] = [v for v in layer.weights if v.name == name]
    assert call.kernel is variable


def test_what_stands_in_decides_what_the_layer_returns():
    model = sequential(keras.Input((4,)), layers.Dense(5))
    with each_kernel_call(model, lambda call: keras.ops.zeros((3, 5))):
        assert not np.any(outputs_of(model, normal(3, 4)))
    assert np.any(outputs_of(model, normal(3, 4)))


def test_nothing_is_left_behind_after_an_exception():
    model = sequential(keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(2))
    expected = outputs_of(model, normal(3, 4))
    before = [dict(vars(layer)) for layer in model.layers]

    def fail(call):
        call.pre_activation()
        raise RuntimeError

    with pytest.raises(RuntimeError), each_kernel_call(model, fail):
        model(normal(3, 4))
    assert [vars(layer).keys() for layer in model.layers] == [v.keys() for v in before]
    np.testing.assert_array_equal(outputs_of(model, normal(3, 4)), expected)


def test_stand_ins_may_be_nested():
    model = sequential(keras.Input((4,)), layers.Dense(5))
    seen = []

    def note(name):
        def on_call(call):
            seen.append(name)
            return call.run()

        return on_call

    with each_kernel_call(model, note("outer")), each_kernel_call(model, note("inner")):
        model(normal(3, 4))
    assert seen == ["inner", "outer"]
    assert "call" not in vars(model.layers[0])
