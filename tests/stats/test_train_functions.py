"""The function that takes each batch, and cleanup."""

import logging

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit import LayerStatsCallback
from keras_initkit.stats.row import Row

BACKEND = keras.backend.backend()
X = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
Y = X[:, :1]
BATCH = 10

several_steps_per_execution = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras has one step in each execution with torch"
)


def recorder(path, **options):
    return LayerStatsCallback(path, **{"update_freq": 1, "warmup_steps": 0, **options})


def compiled(make_model=keras.Sequential, optimizer="sgd", **options):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(4, "tanh", name="hidden")
    model = make_model([keras.Input((5,)), hidden, layers.Dense(1, name="head")])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, *callbacks, epochs=1, x=X, y=Y, **options):
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    logs = model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **options)
    return logs.history, model.get_weights()


def assert_same(observed, bare):
    assert observed[0] == bare[0]
    for one, other in zip(observed[1], bare[1], strict=True):
        np.testing.assert_array_equal(one, other)


def own_attributes(model):
    parts = [model, model.optimizer, *model._flatten_layers(include_self=False)]
    return [set(vars(part)) for part in parts]


class At(keras.callbacks.Callback):
    """Does something before or after a batch, counted over all epochs."""

    def __init__(self, batch, action, is_after=False):
        super().__init__()
        self.batch, self.action, self.is_after = batch, action, is_after
        self.seen = 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.seen == self.batch and not self.is_after:
            self.action()
        self.seen += 1

    def on_train_batch_end(self, batch, logs=None):
        if self.seen == self.batch + 1 and self.is_after:
            self.action()


class Counted(keras.Sequential):
    """Counts the traces of its step, or with torch its runs."""

    num_steps = 0

    def train_step(self, *arguments):
        type(self).num_steps += 1
        return super().train_step(*arguments)


@pytest.fixture
def counted():
    class Fresh(Counted):
        num_steps = 0

    return Fresh


# -- Keras's own function and the recording one ----------------------------------------


def test_a_step_that_is_not_selected_is_taken_by_the_function_that_keras_made(tmp_path):
    model = compiled()
    functions = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: functions.append(model.train_function)
    )
    fit(model, recorder(tmp_path, update_freq=3), watch, epochs=2)
    own = model.train_function
    assert [f is own for f in functions] == [step % 3 > 0 for step in range(10)]


@pytest.mark.skipif(BACKEND == "torch", reason="torch traces nothing")
def test_where_every_step_is_recorded_only_one_function_is_traced(counted, tmp_path):
    plain = compiled(counted)
    fit(plain)
    alone, counted.num_steps = counted.num_steps, 0
    fit(compiled(counted), recorder(tmp_path), epochs=2)
    assert counted.num_steps == alone


def num_traces(model, *callbacks):
    type(model).num_steps = 0
    fit(model, *callbacks)
    return type(model).num_steps


@pytest.mark.skipif(BACKEND == "torch", reason="torch traces nothing")
def test_the_recording_function_is_kept_until_the_model_is_compiled(counted, tmp_path):
    model = compiled(counted)
    callback = recorder(tmp_path)
    assert num_traces(model, callback) > 0
    assert num_traces(model, callback) == 0
    assert num_traces(model, recorder(tmp_path / "twin")) == 0
    assert num_traces(model, recorder(tmp_path / "else", statistics="max_abs")) > 0
    model.compile("sgd", "mse")
    again = recorder(tmp_path / "again")
    assert num_traces(model, again) > 0
    assert again.history.steps.tolist() == list(range(5))


@pytest.mark.parametrize("activation", ["gelu", "silu", "mish", "relu"])
def test_an_activation_before_dropout_is_computed_as_without_us(activation, tmp_path):
    def make_model(ends):
        drop = layers.Dropout(0.5, seed=1)
        return keras.Sequential([ends[0], layers.Dense(8, activation), drop, *ends[1:]])

    observed = fit(compiled(make_model), recorder(tmp_path, statistics="all"), epochs=2)
    assert_same(observed, fit(compiled(make_model), epochs=2))


# -- several callbacks -----------------------------------------------------------------


def test_two_callbacks_of_different_schedules(tmp_path):
    one = recorder(tmp_path / "one", update_freq=2)
    two = recorder(tmp_path / "two", update_freq=3, statistics="all")
    assert_same(fit(compiled(), one, two, epochs=2), fit(compiled(), epochs=2))
    assert one.history.steps.tolist() == [0, 2, 4, 6, 8]
    assert two.history.steps.tolist() == [0, 3, 6, 9]
    np.testing.assert_array_equal(
        one.history["gradient_l2_norm"][[0, 3]], two.history["gradient_l2_norm"][[0, 2]]
    )


MEDDLING = {
    "train_on_batch": lambda model: model.train_on_batch(X[:BATCH], Y[:BATCH]),
    "make_train_function": lambda model: model.make_train_function(force=True),
    "fit": lambda model: model.fit(X, Y, batch_size=25, shuffle=False, verbose=0),
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "predict": lambda model: model.predict(X, verbose=0),
}
NUM_STEPS_OF = {"train_on_batch": 1, "fit": 2}


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("meddling", MEDDLING)
def test_what_another_callback_does_to_the_model_ends_no_recording(
    meddling, is_after, tmp_path
):
    def train(*callbacks):
        model = compiled()
        meddle = At(2, lambda: MEDDLING[meddling](model), is_after)
        return fit(model, *callbacks, meddle, epochs=2)

    try:
        bare = train()
    except Exception as error:
        pytest.skip(f"Keras itself fails: {type(error).__name__}")
    callback = recorder(tmp_path)
    assert_same(train(callback), bare)
    steps = callback.history.steps.tolist()
    # The last seven steps always belong to the callback's own fit.
    last = 10 + NUM_STEPS_OF.get(meddling, 0)
    assert set(steps) >= {0, 1, *range(last - 7, last)}


def test_methods_of_the_users_own_are_still_there(tmp_path):
    def train(*callbacks):
        model = compiled()
        calls = []
        step, make = model.train_step, model.make_train_function

        def train_step(*arguments):
            calls.append("train_step")
            return step(*arguments)

        def make_train_function(force=False):
            calls.append("make_train_function")
            return make(force)

        vars(model)["train_step"] = train_step
        vars(model)["make_train_function"] = make_train_function
        result = fit(model, *callbacks, epochs=2)
        assert vars(model)["train_step"] is train_step
        assert vars(model)["make_train_function"] is make_train_function
        assert set(calls) == {"train_step", "make_train_function"}
        return result

    callback = recorder(tmp_path, update_freq=2)
    assert_same(train(callback), train())
    assert callback.history.steps.tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("is_first", [False, True], ids=["behind us", "ahead of us"])
def test_an_exception_in_another_callback_leaves_nothing(is_first, is_after, tmp_path):
    def fail():
        raise KeyError("theirs")

    def after_failure(*ours):
        model = compiled()
        at = At(2, fail, is_after)
        with pytest.raises(KeyError, match="theirs"):
            fit(model, *([at, *ours] if is_first else [*ours, at]), epochs=2)
        own = fit(model)
        return own, own_attributes(model)

    observed, attributes = after_failure(recorder(tmp_path, statistics="all"))
    bare, bare_attributes = after_failure()
    assert_same(observed, bare)
    for ours, theirs in zip(attributes, bare_attributes, strict=True):
        assert {a for a in ours - theirs if a != "_keras_initkit_train_functions"} == (
            set()
        )


# -- executions of several steps, and data of any size ---------------------------------


@several_steps_per_execution
@pytest.mark.parametrize("num_batches", [5, 6, 7])
def test_executions_of_three_steps_of_which_every_second_is_recorded(
    num_batches, tmp_path
):
    data = {"x": X[: 7 * num_batches], "y": Y[: 7 * num_batches], "batch_size": 7}

    def train(*callbacks):
        return fit(compiled(steps_per_execution=3), *callbacks, epochs=2, **data)

    callback = recorder(tmp_path, update_freq=2)
    assert_same(train(callback), train())
    assert callback.history.steps.tolist() == list(range(0, 2 * num_batches, 2))


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_a_data_set_of_unknown_size(steps_per_execution, tmp_path):
    if steps_per_execution > 1 and BACKEND == "torch":
        pytest.skip("Keras has one step in each execution with torch")
    import tensorflow as tf

    def batches():
        for start in range(0, len(X), BATCH):
            yield X[start : start + BATCH], Y[start : start + BATCH]

    signature = tf.TensorSpec((None, 5)), tf.TensorSpec((None, 1))

    def train(*callbacks):
        data = tf.data.Dataset.from_generator(batches, output_signature=signature)
        model = compiled(steps_per_execution=steps_per_execution)
        logs = model.fit(data, epochs=2, verbose=0, callbacks=list(callbacks))
        weights = [*model.get_weights(), int(model.optimizer.iterations)]
        return logs.history, weights

    callback = recorder(tmp_path, update_freq=2)
    assert_same(train(callback), train())
    # TensorFlow's optimizer also counts the step that finds the end of an epoch.
    is_counted = BACKEND == "tensorflow" and steps_per_execution == 1
    steps = [0, 2, 4, 6, 8, 10] if is_counted else [0, 2, 4, 6, 8]
    assert callback.history.steps.tolist() == steps


# -- steps of the user's own -----------------------------------------------------------


@pytest.mark.skipif(BACKEND == "jax", reason="a stateless step names its variables")
def test_gradients_that_are_applied_without_variables(tmp_path):
    def train(*callbacks):
        model = compiled(optimizer=keras.optimizers.SGD(0.1))
        optimizer = model.optimizer
        optimizer.build(model.trainable_variables)
        apply = optimizer.apply
        vars(optimizer)["apply"] = lambda grads, trainable_variables=None: apply(grads)
        return fit(model, *callbacks, epochs=2)

    callback = recorder(tmp_path)
    assert_same(train(callback), train())
    assert callback.history.steps.tolist() == list(range(10))
    assert np.isfinite(callback.history["gradient_variance"]).all()


def test_several_updates_in_one_step(tmp_path):
    class Twice(keras.Sequential):
        def train_step(self, *arguments):
            if BACKEND != "jax":
                super().train_step(*arguments)
                return super().train_step(*arguments)
            state, data = arguments
            _, state = super().train_step(state, data)
            return super().train_step(state, data)

    callback = recorder(tmp_path, update_freq=3)
    assert_same(
        fit(compiled(Twice), callback, epochs=2), fit(compiled(Twice), epochs=2)
    )
    assert callback.history.steps.tolist() == list(range(0, 20, 3))


# -- our failures do not stop training -------------------------------------------------


def faults_of(caplog):
    return [r for r in caplog.records if r.name == "keras_initkit"]


@pytest.mark.parametrize(
    "method", ["of_tensors", "of_signals", "of_update", "histograms"]
)
def test_whatever_fails_the_training_goes_on(method, tmp_path, caplog, monkeypatch):
    def fail(self, *arguments):
        raise RuntimeError("ours")

    monkeypatch.setattr(Row, method, fail)
    callback = recorder(tmp_path, statistics="all", histogram_steps=2)
    model = compiled()
    assert_same(fit(model, callback, epochs=2), fit(compiled(), epochs=2))
    # One, although there are two recording functions: with and without histograms.
    (fault,) = faults_of(caplog)
    assert fault.levelno == logging.WARNING
    assert "could not be recorded (RuntimeError: ours)" in fault.getMessage()
    assert 'raise RuntimeError("ours")' in fault.getMessage()
    bare = compiled()
    fit(bare, epochs=2)
    assert own_attributes(model) == own_attributes(bare)


# -- the loss --------------------------------------------------------------------------


def test_the_losses_are_those_that_keras_shows(tmp_path):
    shown = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: shown.append(float(logs["loss"]))
    )
    callback = recorder(tmp_path, update_freq=2)
    fit(compiled(), callback, note, epochs=2)
    np.testing.assert_allclose(callback.history.losses, shown[::2], rtol=1e-6)


def test_a_step_that_logs_no_number_as_its_loss_has_none(tmp_path):
    class Silent(keras.Sequential):
        def train_step(self, *arguments):
            if BACKEND != "jax":
                super().train_step(*arguments)
                return {"accuracy": 1.0}
            return {"accuracy": 1.0}, super().train_step(*arguments)[1]

    callback = recorder(tmp_path, update_freq=2)
    fit(compiled(Silent), callback)
    assert np.isnan(callback.history.losses).tolist() == [True] * 3


# -- the learning rate -----------------------------------------------------------------

RATE = 0.1
SCHEDULE = keras.optimizers.schedules.ExponentialDecay(RATE, 1, 0.5)


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """A user's schedule, which relies only on the step."""

    def __call__(self, step):
        return RATE / (1.0 + keras.ops.cast(step, "float32"))


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (RATE, [RATE] * 5),
        (SCHEDULE, [RATE * 0.5**step for step in range(5)]),
        (Halving(), [RATE / (1 + step) for step in range(5)]),
        (lambda: RATE, [np.nan] * 5),
    ],
    ids=["number", "schedule", "own_schedule", "own_function"],
)
@pytest.mark.parametrize("scaled", [False, True])
def test_the_learning_rate_of_each_step(tmp_path, rate, expected, scaled):
    def optimizer():
        inner = keras.optimizers.Adam(rate)
        return keras.optimizers.LossScaleOptimizer(inner) if scaled else inner

    callback = recorder(tmp_path, update_freq=1)
    model = compiled(optimizer=optimizer())
    observed = fit(model, callback)
    rates = callback.history.learning_rates
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    assert_same(observed, fit(compiled(optimizer=optimizer())))


def test_the_learning_rate_that_a_callback_sets(tmp_path):
    callback = recorder(tmp_path, update_freq=1)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: RATE / (1 + epoch))
    fit(compiled(optimizer="sgd"), callback, scheduler, epochs=2)
    expected = [RATE] * 5 + [RATE / 2] * 5
    np.testing.assert_allclose(callback.history.learning_rates, expected, rtol=1e-6)


def test_what_failed_is_said_again_in_the_next_fit(tmp_path, caplog, monkeypatch):
    def fail(self, *arguments):
        raise RuntimeError("ours")

    monkeypatch.setattr(Row, "of_tensors", fail)
    model = compiled()
    for _ in range(2):  # the second finds the recording function of the first
        caplog.clear()
        fit(model, recorder(tmp_path))
        (fault,) = faults_of(caplog)
        assert "RuntimeError: ours" in fault.getMessage()
