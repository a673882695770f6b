import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.stats import tap_tensorflow
from keras_initkit.stats.hook import Hook


class Recording:
    """An observer that writes down what it sees."""

    needs_forward_pass = False
    fit = None

    def __init__(self, model, events, name="observer"):
        self.model, self.events, self.name = model, events, name

    def before_update(self, given):
        (self.given,) = given
        self.before = self.model.get_weights()
        self.events.append(f"{self.name} before")
        return self.name

    def after_update(self, step):
        assert step == self.name  # what its own `before_update` has returned
        self.after = self.model.get_weights()
        self.events.append(f"{self.name} after")


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, "relu")])
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
    return model


def gradients_of_ones(model):
    return [keras.ops.ones_like(v) for v in model.trainable_variables]


def hook_on(model):
    return Hook.on(model, model.optimizer, tap_tensorflow)


def test_observers_see_each_update_before_and_after_it(model):
    events = []
    first, second = Recording(model, events, "1"), Recording(model, events, "2")
    hook = hook_on(model)
    hook.add(first)
    hook_on(model).add(second)
    # Not only lists: `apply_gradients` is often given a `zip`.
    model.optimizer.apply(
        iter(gradients_of_ones(model)), iter(model.trainable_variables)
    )
    assert events == ["1 before", "2 before", "1 after", "2 after"]
    for before, after in zip(first.before, first.after, strict=True):
        np.testing.assert_allclose(before - after, 0.5, rtol=1e-6)
    assert [tuple(g.shape) for g in first.given.gradients] == [(3, 2), (2,)]
    assert first.given.variables == model.trainable_variables


def test_apply_gradients_passes_through_too(model):
    events = []
    hook_on(model).add(Recording(model, events))
    pairs = zip(gradients_of_ones(model), model.trainable_variables, strict=True)
    model.optimizer.apply_gradients(pairs)
    assert events == ["observer before", "observer after"]


def test_the_last_observer_takes_the_hook_with_it(model):
    attributes = dict(vars(model.optimizer))
    first, second = Recording(model, []), Recording(model, [])
    hook = hook_on(model)
    hook.add(first)
    assert hook_on(model) is hook
    hook.add(second)
    hook.remove(first)
    assert (hook.has(first), hook.has(second)) == (False, True)
    assert vars(model.optimizer)["apply"] is hook
    hook.remove(second)
    assert vars(model.optimizer) == attributes


def test_who_hooks_in_after_us_stays(model):
    events = []
    observer = Recording(model, events)
    hook = hook_on(model)
    hook.add(observer)
    ours = model.optimizer.apply

    def theirs(grads, trainable_variables=None):
        events.append("theirs")
        ours(grads, trainable_variables)

    model.optimizer.apply = theirs
    hook.remove(observer)
    assert model.optimizer.apply is theirs
    before = model.get_weights()[0]
    model.optimizer.apply(gradients_of_ones(model), model.trainable_variables)
    assert events == ["theirs"]
    np.testing.assert_allclose(before - model.get_weights()[0], 0.5, rtol=1e-6)


def test_the_forward_pass_is_watched_only_for_those_who_need_it(model):
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    attributes = dict(vars(model.layers[0]))
    plain, curious = Recording(model, []), Recording(model, [])
    curious.needs_forward_pass = True
    hook = hook_on(model)
    hook.add(plain)
    model.train_on_batch(x, y)
    assert plain.given.signals == []
    hook.add(curious)
    model.train_on_batch(x, y)
    assert [signal.layer for signal in curious.given.signals] == model.layers
    hook.remove(curious)
    model.train_on_batch(x, y)
    assert plain.given.signals == []
    assert vars(model.layers[0]) == attributes
