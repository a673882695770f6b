import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.kernels.intention import intended_variances
from keras_initkit.kernels.selection import select_variables


def variances(model, include_biases=False):
    variables = select_variables(model, include_biases)
    return [float(np.var(keras.ops.convert_to_numpy(v))) for v in variables]


def intended(model, include_biases=False, at_start=None):
    variables = select_variables(model, include_biases)
    at_start = at_start or variances(model, include_biases)
    return intended_variances(model, variables, at_start)


def test_closed_formulas():
    model = keras.Sequential(
        [
            keras.Input((50,)),
            layers.Dense(200),
            layers.Dense(100, kernel_initializer="he_normal"),
            layers.Dense(10, kernel_initializer="lecun_uniform"),
            layers.Dense(10, kernel_initializer="zeros"),
        ]
    )
    expected = [2 / (50 + 200), 2 / 200, 1 / 100, 0]
    np.testing.assert_allclose(intended(model), expected)


def test_the_kernel_may_have_changed_since():
    model = keras.Sequential([keras.Input((50,)), layers.Dense(200)])
    at_start = variances(model)
    model.layers[0].kernel.assign(model.layers[0].kernel * 3)
    np.testing.assert_allclose(intended(model, at_start=at_start), [2 / 250])


def test_of_a_kernel_that_was_set_before_the_training_it_is_unknown():
    stack = [layers.Dense(200), layers.Dense(200, kernel_initializer="zeros")]
    model = keras.Sequential([keras.Input((50,)), *stack, layers.Dense(200)])
    for layer in model.layers[:2]:
        layer.set_weights([np.full(w.shape, 0.5) for w in layer.get_weights()])
    # Entries that are all alike have no variance: zeros have none either.
    np.testing.assert_allclose(intended(model), [np.nan, 0, 2 / 400])


def test_a_kernel_that_lies_in_several_layers():
    inner = keras.Sequential([keras.Input((7, 20)), layers.LSTM(30)])
    model = keras.Sequential([keras.Input((7, 20)), inner])
    # Glorot's fans for a kernel of (20, 4 * 30); the recurrent kernel is orthogonal.
    expected = [2 / (20 + 120), 1 / 120]
    np.testing.assert_allclose(intended(model), expected)


def test_attention_has_the_fans_of_its_axes():
    x = keras.Input((5, 24))
    model = keras.Model(x, layers.MultiHeadAttention(4, 6)(x, x))
    drawn = [np.var(v.numpy()) for v in select_variables(model)]
    np.testing.assert_allclose(intended(model), drawn, rtol=0.2)


def test_our_own_initializers_state_it():
    rescaled, scaled = DynamicRescaling(), ScaledDepth(4)
    model = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(100, kernel_initializer=rescaled),
            layers.Dense(100, kernel_initializer=scaled),
        ]
    )
    np.testing.assert_allclose(intended(model), [1 / 100, 2 / 100 / 4])


@pytest.mark.parametrize("initializer", [ScaledDepth(1), DynamicRescaling("he_normal")])
def test_our_own_get_the_fans_of_an_einsum(initializer):
    x = keras.Input((5, 24))
    attention = layers.MultiHeadAttention(4, 6, kernel_initializer=initializer)
    model = keras.Model(x, attention(x, x))
    drawn = [np.var(v.numpy()) for v in select_variables(model)]
    np.testing.assert_allclose(intended(model), drawn, rtol=0.2)


def test_weights_of_a_layer_that_does_not_say_what_it_draws_from_are_unknown():
    class Own(layers.Layer):
        def build(self, input_shape):
            self.matrix = self.add_weight(shape=(4, 4), name="matrix")

        def call(self, x):
            return x @ self.matrix

    assert np.isnan(intended(keras.Sequential([keras.Input((4,)), Own()]))).all()


def test_biases_and_own_callables_are_unknown():
    def own(shape, dtype=None):
        return keras.ops.ones(shape, dtype)

    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(3, kernel_initializer=own)]
    )
    assert np.isnan(intended(model, include_biases=True)).all()


def test_weights_of_a_model_itself_are_unknown():
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.matrix = self.add_weight(shape=(4, 4), name="matrix")

        def call(self, x):
            return x @ self.matrix

    model = Plain()
    model.build((None, 4))
    assert np.isnan(intended(model)).all()
