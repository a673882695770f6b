import keras
import numpy as np
import pytest
from keras import layers
from keras_initkit.stats.tap import Tap

from keras_initkit import LayerStatsCallback
from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.statistics import Statistics

KEYS = Statistics().keys

EVERY_STEP = Schedule(update_freq=1, warmup_steps=0)
X = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
Y = X[:, :1]


def compiled(optimizer="sgd", **kwargs):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.Dense(1)])
    model.compile(optimizer, "mse", **kwargs)
    return model


def test_attached_within_with_and_gone_after_it():
    model = compiled()
    model.train_on_batch(X, Y)
    attributes = set(vars(model.optimizer))
    with Tap(model, EVERY_STEP) as tap:
        model.train_on_batch(X, Y)
        model.train_on_batch(X, Y)
        records = tap.read()
    assert records.steps.tolist() == [1, 2]
    assert records.values.shape == (2, len(KEYS), 2)
    assert set(vars(model.optimizer)) == attributes
    model.train_on_batch(X, Y)
    assert len(tap.read().steps) == 0


def test_gone_after_an_exception_too():
    model = compiled()
    with pytest.raises(RuntimeError, match="stop"), Tap(model, EVERY_STEP):
        raise RuntimeError("stop")
    assert "apply" not in vars(model.optimizer)


def test_two_taps_see_the_same_and_leave_in_any_order():
    model = compiled()
    first, second = Tap(model, EVERY_STEP), Tap(model, Schedule(2, 0))
    first.attach()
    second.attach()
    for _ in range(3):
        model.train_on_batch(X, Y)
    one, two = first.read(), second.read()
    assert two.steps.tolist() == [0, 2]
    np.testing.assert_array_equal(two.values, one.values[::2])
    first.detach()
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    assert second.read().steps.tolist() == [4]
    assert len(first.read().steps) == 0
    second.detach()
    assert "apply" not in vars(model.optimizer)


def test_a_tap_of_an_interrupted_fit_is_replaced():
    model = compiled()
    stale, other = Tap(model, EVERY_STEP), Tap(model, EVERY_STEP)
    # Keras gives all callbacks of one fit the same dict, and the next fit an equal one.
    interrupted, current = {"epochs": 1}, {"epochs": 1}
    stale.attach(fit=interrupted)
    live = Tap(model, EVERY_STEP)
    live.attach(fit=current)
    other.attach(fit=current)
    model.train_function(iter([(X, Y)]))
    assert len(stale.read().steps) == 0
    assert live.read().steps.tolist() == other.read().steps.tolist() == [0]


def test_a_hook_of_somebody_else_is_kept():
    model = compiled()
    calls = []
    original = model.optimizer.apply

    def theirs(grads, trainable_variables=None):
        calls.append(len(grads))
        original(grads, trainable_variables)

    model.optimizer.apply = theirs
    with Tap(model, EVERY_STEP) as tap:
        model.train_on_batch(X, Y)
        assert len(tap.read().steps) == 1
    assert calls == [4]
    assert model.optimizer.apply is theirs


def test_rows_are_read_before_any_is_overwritten():
    model = compiled(steps_per_execution=10)
    with Tap(model, EVERY_STEP) as tap:
        seen = []

        class Reader(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                if tap.must_read():
                    seen.append(tap.read().steps)

        model.fit(X, Y, batch_size=1, epochs=10, verbose=0, callbacks=[Reader()])
        seen.append(tap.read().steps)
    assert len(seen) > 2
    assert np.concatenate(seen).tolist() == list(range(320))


def test_one_execution_of_more_steps_than_the_least_capacity():
    model = compiled(steps_per_execution=200)
    with Tap(model, EVERY_STEP) as tap:
        model.fit(np.tile(X, (7, 1)), np.tile(Y, (7, 1)), batch_size=1, verbose=0)
        # 224 steps in two executions; the second, of 24, overwrote the oldest 24.
        assert tap.read().steps.tolist() == list(range(24, 224))
        assert len(tap.read().steps) == 0


def test_no_row_is_lost_where_the_number_of_the_step_stands_still(tmp_path):
    bad = np.full((200, 5), np.nan, "float32")
    skipping = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    accumulating = keras.optimizers.SGD(gradient_accumulation_steps=8)
    cases = (
        (skipping, bad, [0] * 200),
        (accumulating, np.ones_like(bad), [step // 8 for step in range(200)]),
    )
    for optimizer, x, steps in cases:
        callback = LayerStatsCallback(tmp_path, update_freq=1)
        compiled(optimizer).fit(
            x, x[:, :1], batch_size=1, verbose=0, callbacks=[callback]
        )
        assert callback.history.steps.tolist() == steps


def test_accumulated_gradients_are_those_of_each_micro_batch():
    def norms(optimizer):
        keras.utils.set_random_seed(0)
        model = compiled(optimizer)
        with Tap(model, EVERY_STEP) as tap:
            for half in (slice(0, 16), slice(16, 32)):
                model.train_on_batch(X[half], Y[half])
            return tap.read().values[:, KEYS.index("gradient_l2_norm")]

    accumulated = norms(keras.optimizers.SGD(gradient_accumulation_steps=2))
    # With a learning rate of 0, the weights do not change between the two halves.
    separate = norms(keras.optimizers.SGD(0.0))
    np.testing.assert_allclose(accumulated, separate, rtol=1e-6)


def test_a_variable_without_a_gradient_has_nan():
    class Half(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = layers.Dense(1), layers.Dense(1)

        def call(self, x):
            self.unused(x)
            return self.used(x)

    model = Half()
    model.compile("sgd", "mse")
    with Tap(model, EVERY_STEP) as tap:
        model.train_on_batch(X, Y)
        (values,) = tap.read().values
    gradient_variance = values[KEYS.index("gradient_variance")]
    weight_variance = values[KEYS.index("weight_variance")]
    assert np.isnan(gradient_variance).tolist() == [False, True]
    assert np.isfinite(weight_variance).all()


def test_gradients_without_the_loss_scale():
    x = X.copy()

    def gradient_norm(optimizer):
        keras.utils.set_random_seed(0)
        model = compiled(optimizer)
        with Tap(model, EVERY_STEP) as tap:
            model.train_on_batch(x, Y)
            return tap.read().values[0, KEYS.index("gradient_l2_norm")]

    plain = gradient_norm(keras.optimizers.SGD())
    static = gradient_norm(keras.optimizers.SGD(loss_scale_factor=1000.0))
    dynamic = gradient_norm(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()))
    np.testing.assert_allclose(static, plain, rtol=1e-5)
    np.testing.assert_allclose(dynamic, plain, rtol=1e-6)


def test_not_compiled():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4)], name="bare")
    with pytest.raises(ValueError, match=r"compiled.*model 'bare' with optimizer=None"):
        Tap(model, EVERY_STEP).attach()


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="Received: backend='torch'"):
        Tap(compiled(), EVERY_STEP)
