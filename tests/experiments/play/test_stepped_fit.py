import threading

import keras
import numpy as np
import pytest

from keras_initkit.experiments.play.stepped_fit import SteppedFit

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


@pytest.fixture
def make():
    """A function that makes a model, and its `fit` of 3 epochs of 4 steps."""

    def make(**options):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")

        def fit(*callbacks):
            calls = {"callbacks": [*options.get("callbacks", ()), *callbacks]}
            return model.fit(X, Y, 3, epochs=3, verbose=0, shuffle=False, **calls)

        return model, fit

    return make


def test_steps_are_those_of_fit_bit_for_bit(make):
    plain, fit = make()
    fit()
    stepped, fit = make()
    training = SteppedFit(fit)
    assert [training.step() for _ in range(14)] == [True] * 12 + [False] * 2
    training.close()
    for one, other in zip(plain.get_weights(), stepped.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_between_two_steps_nothing_moves(make):
    model, fit = make()
    training = SteppedFit(fit)
    for number in range(1, 4):
        training.step()
        before = model.get_weights()[0]
        assert int(model.optimizer.iterations) == number
        np.testing.assert_array_equal(before, model.get_weights()[0])
    training.close()


def test_closing_ends_the_callbacks_and_the_thread(make):
    ended = []
    callback = keras.callbacks.LambdaCallback(on_train_end=ended.append)
    model, fit = make(callbacks=[callback])
    before = threading.active_count()
    training = SteppedFit(fit)
    training.step()
    assert threading.active_count() > before
    training.close()
    assert len(ended) == 1
    assert threading.active_count() == before
    assert int(model.optimizer.iterations) == 1
    assert not training.step()


def test_what_fit_raises_comes_to_the_caller(make):
    _, fit = make(
        callbacks=[keras.callbacks.LambdaCallback(on_train_begin=lambda _: 1 / 0)]
    )
    training = SteppedFit(fit)
    with pytest.raises(ZeroDivisionError):
        training.step()
    training.close()


def test_what_never_began_is_closed_at_once(make):
    SteppedFit(make()[1]).close()
