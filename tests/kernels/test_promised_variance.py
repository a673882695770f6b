import keras
import numpy as np
from keras import layers

from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.kernels.promised_variance import promised_variances
from keras_initkit.kernels.selection import select_variables


def promised(model, max_entries=0, include_biases=False):
    variables = select_variables(model, include_biases)
    return promised_variances(model, variables, max_entries)


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
    np.testing.assert_allclose(promised(model), expected)


def test_the_kernel_may_have_changed_since():
    model = keras.Sequential([keras.Input((50,)), layers.Dense(200)])
    model.layers[0].kernel.assign(model.layers[0].kernel * 3)
    np.testing.assert_allclose(promised(model), [2 / 250])


def test_a_kernel_that_lies_in_several_layers():
    inner = keras.Sequential([keras.Input((7, 20)), layers.LSTM(30)])
    model = keras.Sequential([keras.Input((7, 20)), inner])
    # Glorot's fans of a kernel of (20, 4 * 30); the recurrent one is orthogonal.
    expected = [2 / (20 + 120), 1 / 120]
    np.testing.assert_allclose(promised(model), expected)


def test_attention_has_the_fans_of_its_axes():
    x = keras.Input((5, 24))
    model = keras.Model(x, layers.MultiHeadAttention(4, 6)(x, x))
    drawn = [np.var(v.numpy()) for v in select_variables(model)]
    np.testing.assert_allclose(promised(model), drawn, rtol=0.2)


def test_what_only_draws_can_tell():
    layer = layers.Dense(100, kernel_initializer=DynamicRescaling())
    model = keras.Sequential([keras.Input((100,)), layer])
    assert np.isnan(promised(model, max_entries=9_999)).all()
    drawn = np.var(layer.kernel.numpy())
    np.testing.assert_allclose(promised(model, max_entries=10_000), drawn, rtol=0.1)


def test_scaled_draws():
    layer = layers.Dense(100, kernel_initializer=ScaledDepth(4))
    model = keras.Sequential([keras.Input((100,)), layer])
    np.testing.assert_allclose(promised(model, 10_000), [2 / 100 / 4], rtol=0.02)


def test_biases_and_own_callables_are_unknown():
    def own(shape, dtype=None):
        return keras.ops.ones(shape, dtype)

    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(3, kernel_initializer=own)]
    )
    assert np.isnan(promised(model, 2**16, include_biases=True)).all()


def test_weights_of_a_model_itself_are_unknown():
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.matrix = self.add_weight(shape=(4, 4), name="matrix")

        def call(self, x):
            return x @ self.matrix

    model = Plain()
    model.build((None, 4))
    assert np.isnan(promised(model)).all()
