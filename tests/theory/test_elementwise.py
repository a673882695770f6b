import keras
import numpy as np
import pytest

from keras_initkit.theory.elementwise import elementwise_function


def test_values_keep_shape_and_precision():
    points = np.linspace(-3, 3, 12).reshape(3, 4)
    values = elementwise_function("tanh")(points)
    assert values.dtype == points.dtype
    np.testing.assert_allclose(values, np.tanh(points), rtol=1e-14)


def test_none_is_linear():
    np.testing.assert_array_equal(elementwise_function(None)(np.arange(3.0)), [0, 1, 2])


def test_a_condition_has_values_0_and_1():
    values = elementwise_function(lambda z: z > 0)(np.array([-1.0, 1.0]))
    np.testing.assert_array_equal(values, [0.0, 1.0])


def test_values_exist_while_a_model_is_traced():
    seen = []

    class Reader(keras.layers.Layer):
        def call(self, inputs):
            seen.append(elementwise_function("relu")(np.array([-1.0, 2.0])).tolist())
            return inputs

    inputs = keras.Input([2])
    model = keras.Model(inputs, Reader()(inputs))
    model.predict(np.zeros([1, 2]), verbose=0)
    assert seen
    assert all(values == [0.0, 2.0] for values in seen)


@pytest.mark.parametrize("activation", ["softmax", "glu", lambda z: z - z.mean()])
def test_what_mixes_entries_is_refused(activation):
    with pytest.raises(ValueError, match=r"elementwise.*Received: activation="):
        elementwise_function(activation)


@pytest.mark.parametrize("is_built", [True, False])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.PReLU(),
        lambda: keras.layers.BatchNormalization(),
        lambda: keras.Sequential([keras.layers.ReLU(), keras.layers.PReLU()]),
    ],
)
def test_a_layer_with_weights_is_refused_and_left_as_it_is(layer, is_built):
    layer = layer()
    if is_built:
        layer.build((None, 8))
    with pytest.raises(
        ValueError, match=r"not a layer with weights\. Received: activat"
    ):
        elementwise_function(layer)
    assert layer.built == is_built


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.ReLU(),
        keras.layers.LeakyReLU(),
        keras.layers.ELU(),
        keras.layers.Activation("tanh"),
        keras.layers.Lambda(lambda z: z * z),
    ],
)
def test_a_layer_without_weights_is_a_function(layer):
    points = np.linspace(-3, 3, 7, dtype="float32")
    np.testing.assert_array_equal(elementwise_function(layer)(points), layer(points))
