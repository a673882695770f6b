"""Which function takes a step, and what is left behind."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit import LayerStatsCallback
from keras_initkit.stats.row import Row
from keras_initkit.stats.train_functions import ATTRIBUTE, CARRIED

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 8)).astype("float32")
Y = RNG.normal(size=(96, 1)).astype("float32")
one_step_only = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras takes one step in each execution here"
)


def compiled(optimizer="sgd", **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8, "gelu", name="hidden"),
            layers.Dropout(0.5, seed=1),
            layers.Dense(1, name="head"),
        ]
    )
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, *callbacks, **options):
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
    x, y = options.pop("x", X), options.pop("y", Y)
    history = model.fit(x, y, callbacks=list(callbacks), **options)
    return history.history["loss"], model.get_weights()


def assert_same(one, other):
    assert one[0] == other[0]
    for weight, expected in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(weight, expected)


def every(path, **options):
    return LayerStatsCallback(path, update_freq=1, **options)


class Functions(keras.callbacks.Callback):
    """Notes which function takes each batch; to be put behind ours."""

    async_safe = True

    def on_train_begin(self, logs=None):
        self.own, self.taken = self._model.train_function, []

    def on_train_batch_begin(self, batch, logs=None):
        self.taken.append(self._model.train_function is self.own)


class At(keras.callbacks.Callback):
    """Does something to the model before or after one batch."""

    def __init__(self, batch, action, after=False):
        super().__init__()
        self.batch, self.action, self.after = batch, action, after

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch and not self.after:
            self.action(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch and self.after:
            self.action(self.model)


# -- the function ----------------------------------------------------------------------


def test_a_step_that_is_not_recorded_is_keras_own_function(tmp_path):
    functions = Functions()
    ours = LayerStatsCallback(tmp_path, update_freq=4, warmup_steps=2)
    model = compiled()
    fit(model, ours, functions)
    recorded = [step for step, is_own in enumerate(functions.taken) if not is_own]
    assert recorded == ours.history.steps.tolist() == [0, 1, 4, 8]
    assert model.train_function is functions.own


def test_the_recording_function_is_kept_from_fit_to_fit(tmp_path):
    model = compiled()
    fit(model, every(tmp_path / "one", statistics="all"))
    made = dict(vars(model.train_function)[CARRIED])
    fit(model, every(tmp_path / "two", statistics="all"))
    assert vars(model.train_function)[CARRIED] == made
    assert len(made) == 1
    model.compile("sgd", "mse")
    fit(model, every(tmp_path / "three", statistics="all"))
    assert not set(vars(model.train_function)[CARRIED].values()) & set(made.values())


def test_two_schedules_share_one_recording_function(tmp_path):
    one = every(tmp_path / "one", statistics="all")
    two = LayerStatsCallback(tmp_path / "two", 5, 0, statistics="all")
    model = compiled()
    observed = fit(model, one, two)
    assert_same(observed, fit(compiled()))
    assert two.history.steps.tolist() == [0, 5, 10]
    assert len(vars(model.train_function)[CARRIED]) == 1
    for key, values in two.history.items():
        np.testing.assert_array_equal(values, one.history[key][two.history.steps])


def test_nothing_is_left_on_the_model_and_its_parts(tmp_path):
    def attributes(*callbacks):
        model = compiled()
        fit(model, *callbacks)
        parts = model, model.optimizer, *model.layers
        return [set(vars(part)) for part in parts]

    assert attributes(every(tmp_path, statistics="all")) == attributes()


# -- several steps in one execution ----------------------------------------------------


@one_step_only
@pytest.mark.parametrize("samples", [96, 80])  # 12 steps, 10: no whole executions
def test_every_selected_step_of_an_execution_has_its_row(samples, tmp_path):
    data = {"x": X[:samples], "y": Y[:samples], "epochs": 2}
    ours = LayerStatsCallback(tmp_path, update_freq=5, warmup_steps=1)
    observed = fit(compiled(steps_per_execution=3), ours, **data)
    assert_same(observed, fit(compiled(steps_per_execution=3), **data))
    assert ours.history.steps.tolist() == list(range(0, samples // 4, 5))


@one_step_only
def test_data_of_unknown_size(tmp_path):
    def batches():
        for start in range(0, 80, 8):
            yield X[start : start + 8], Y[start : start + 8]

    def train(*callbacks):
        model = compiled(steps_per_execution=4)
        history = model.fit(batches(), verbose=0, callbacks=list(callbacks))
        return history.history["loss"], model.get_weights()

    ours = every(tmp_path)
    assert_same(train(ours), train())
    assert ours.history.steps.tolist() == list(range(10))


# -- other callbacks -------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_another_callback_that_trains_does_not_end_the_recording(after, tmp_path):
    def train(model):
        model.train_on_batch(X[:8], Y[:8])

    ours = every(tmp_path)
    model = compiled()
    fit(model, ours, At(3, train, after))
    steps = ours.history.steps.tolist()
    assert len(steps) >= 11
    assert steps[-1] == 12
    assert ATTRIBUTE not in vars(model)


def test_another_callback_that_forces_a_new_train_function(tmp_path):
    ours = every(tmp_path)
    fit(compiled(), ours, At(3, lambda m: m.make_train_function(force=True), True))
    assert ours.history.steps.tolist() == list(range(12))


@pytest.mark.skipif(BACKEND == "jax", reason="Keras's own fit cannot be nested here")
def test_a_fit_within_a_fit(tmp_path):
    ours = every(tmp_path)
    fit(compiled(), ours, At(3, lambda m: fit(m, x=X[:16], y=Y[:16]), True))
    steps = ours.history.steps.tolist()
    assert steps == [0, 1, 2, 3, *range(6, 14)]


def test_what_a_user_put_on_the_model_is_there_afterwards(tmp_path):
    model = compiled()
    make, step = model.make_train_function, model.train_step
    calls = []

    def make_train_function(force=False):
        calls.append(force)
        return make(force)

    model.make_train_function = make_train_function
    model.train_step = lambda *arguments: step(*arguments)
    own = {k: vars(model)[k] for k in ("make_train_function", "train_step")}
    fit(model, every(tmp_path))
    assert {k: vars(model)[k] for k in own} == own
    assert calls


@pytest.mark.parametrize("after", [False, True])
def test_after_an_exception_the_next_fit_is_keras_own(after, tmp_path):
    def fail(model):
        raise KeyboardInterrupt

    model = compiled()
    ours = every(tmp_path, statistics="all")
    with pytest.raises(KeyboardInterrupt):
        fit(model, ours, At(3, fail, after))
    number = len(ours.history.steps)
    functions = Functions()
    fit(model, functions)
    assert all(functions.taken)
    assert len(ours.history.steps) == number
    for part in (model, model.optimizer, *model.layers):
        assert not {"call", "apply", "stateless_apply", "train_step"} & set(vars(part))
    assert "make_train_function" not in vars(model)


# -- harmless --------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["gelu", "silu", "mish", "relu", "tanh"])
def test_an_activation_before_dropout_is_bit_identical(activation, tmp_path):
    def model():
        model = compiled()
        model.layers[0].activation = keras.activations.get(activation)
        return model

    assert_same(fit(model(), every(tmp_path, statistics="all")), fit(model()))


def test_a_failure_of_ours_is_a_warning(tmp_path, monkeypatch, caplog):
    def fail(*arguments):
        raise RuntimeError("ours")

    monkeypatch.setattr(Row, "of_tensors", fail)
    observed = fit(compiled(), every(tmp_path))
    assert_same(observed, fit(compiled()))
    messages = [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]
    assert any("ours" in message and "goes on" in message for message in messages)


def test_gradients_without_variables_are_those_of_the_optimizer(tmp_path):
    if BACKEND == "jax":
        pytest.skip("the trainer hands over the state, not variables")

    class Bare(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            if not self.built:
                self.build(list(trainable_variables))
            return super().apply(grads)

    class Step(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    def train(*callbacks):
        keras.utils.set_random_seed(0)
        model = Step()
        model.compile(Bare(0.1), "mse")
        return fit(model, *callbacks)

    ours = every(tmp_path)
    assert_same(train(ours), train())
    assert (ours.history["gradient_variance"] > 0).all()
