import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.report.kept_state import state_kept


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_state_is_kept_also_after_an_exception():
    dropout = layers.Dropout(0.5, seed=1)
    model = keras.Sequential([keras.Input((4,)), dropout, layers.BatchNormalization()])
    model.compile("sgd", "mse")
    model.train_on_batch(normal(8, 4), normal(8, 4))
    variables = [*model.non_trainable_variables, *model.metrics_variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]

    def change_and_fail():
        model(normal(8, 4), training=True)
        model.metrics[0].update_state(1.0)
        for variable, value in zip(variables, before, strict=True):
            assert np.any(keras.ops.convert_to_numpy(variable) != value)
        raise RuntimeError

    with pytest.raises(RuntimeError), state_kept(model):
        change_and_fail()
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_what_the_framework_draws_next_is_the_same():
    """PyTorch has its own generator, which Keras uses for dropout."""
    dropout = layers.Dropout(0.5)
    x = np.ones((4, 50), "float32")

    def draw():
        return keras.ops.convert_to_numpy(dropout(x, training=True))

    keras.utils.set_random_seed(0)
    dropout.seed_generator.state.assign([1, 2])
    expected = draw()
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((50,)), dropout])
    dropout.seed_generator.state.assign([1, 2])
    with state_kept(model):
        assert not np.array_equal(draw(), draw())
    np.testing.assert_array_equal(draw(), expected)
