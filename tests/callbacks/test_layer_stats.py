import gc
import types
import weakref
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit import LayerStatsCallback
from keras_initkit.stats import overhead

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 8)).astype("float32")
Y = RNG.integers(0, 3, size=100)
EVERY_STEP = {"update_freq": 1}


def hidden_and_head():
    return [
        layers.Dense(16, activation="relu", name="first"),
        layers.Dropout(0.5, seed=1),
        layers.Dense(16, activation="tanh", name="second"),
        layers.Dense(3, name="head"),
    ]


def network():
    return keras.Sequential([keras.Input((8,)), *hidden_and_head()], name="net")


def late_built():
    """A model without variables before its first batch."""
    return keras.Sequential(hidden_and_head(), name="late")


def shared_and_nested():
    shared = layers.Dense(8, activation="tanh", name="shared")
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8)], name="inner")
    inputs = keras.Input((8,))
    outputs = layers.Dense(3)(shared(inner(shared(inputs))))
    return keras.Model(inputs, outputs)


class CustomStep(keras.Model):
    """Has its own train_step, as in Keras's guide."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = layers.Dense(16, activation="relu"), layers.Dense(3)

    def call(self, x):
        return self.head(self.hidden(x))

    def train_step(self, *arguments):
        return {
            "tensorflow": self.step_with_a_tape,
            "jax": self.stateless_step,
            "torch": self.step_with_backward,
        }[BACKEND](*arguments)

    def step_with_a_tape(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}

    def stateless_step(self, state, data):
        import jax

        x, y = data
        trainable, others, slots, metrics = state

        def loss_and_others(trainable):
            y_pred, new = self.stateless_call(trainable, others, x)
            return self.compute_loss(y=y, y_pred=y_pred), new

        of_loss = jax.value_and_grad(loss_and_others, has_aux=True)
        (loss, others), gradients = of_loss(trainable)
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
        return {"loss": loss}, (trainable, others, slots, metrics)

    def step_with_backward(self, data):
        import torch

        x, y = data
        self.zero_grad()
        loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        loss.backward()
        variables = list(self.trainable_weights)
        gradients = [variable.value.grad for variable in variables]
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
        return {"loss": loss}


def skip_what_keras_cannot_do(options):
    if BACKEND == "torch" and "steps_per_execution" in options:
        pytest.skip("Keras has one step in each execution with torch")
    if BACKEND != "tensorflow" and "jit_compile" in options:
        pytest.skip("JAX compiles anyway, and torch.compile changes the numbers")


def train(make_model, callbacks=(), epochs=2, **compile_options):
    """Trains the same model in each call; returns its losses and weights."""
    keras.utils.set_random_seed(0)
    model = make_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, **compile_options)
    logs = model.fit(
        X,
        Y,
        batch_size=16,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return model, logs.history["loss"], model.get_weights()


def events(log_dir, run="layer_stats"):
    accumulator = EventAccumulator(str(log_dir / run), size_guidance={"tensors": 0})
    return accumulator.Reload()


# -- exact -----------------------------------------------------------------------------


STATISTICS = ("mean", "variance", "l2_norm")


def float64_moments(tensor):
    entries = keras.ops.convert_to_numpy(tensor).astype("float64")
    square = np.square(entries)
    return entries.mean(), entries.var(), square.sum() ** 0.5, square.mean() ** 0.5


def test_equal_to_a_loop_of_its_own_on_the_same_batches(
    tmp_path, loss_gradients, apply_gradients
):
    callback = LayerStatsCallback(tmp_path, **EVERY_STEP)
    train(network, [callback], epochs=1)

    keras.utils.set_random_seed(0)
    model, optimizer = network(), keras.optimizers.Adam(0.01)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)

    expected = {"weight": [], "gradient": []}
    for start in range(0, len(X), 16):
        gradients = loss_gradients(model, X[start : start + 16], Y[start : start + 16])
        tensors = {"weight": model.trainable_variables, "gradient": gradients}
        for source, values in tensors.items():
            kernels = [v for v in values if len(v.shape) == 2]
            expected[source].append([float64_moments(kernel) for kernel in kernels])
        gradients = [keras.ops.cast(gradient, "float32") for gradient in gradients]
        apply_gradients(optimizer, gradients, model.trainable_variables)

    assert callback.history.steps.tolist() == list(range(7))
    assert callback.history.layers == ["first", "second", "head"]
    for source, values in expected.items():
        mean, variance, norm, rms = np.moveaxis(values, -1, 0)  # each (steps, layers)
        history = {key: callback.history[f"{source}_{key}"] for key in STATISTICS}
        np.testing.assert_allclose(history["variance"], variance, rtol=1e-6)
        np.testing.assert_allclose(history["l2_norm"], norm, rtol=1e-6)
        # Relative to the entries, because the mean of a softmax head's gradient is 0.
        assert (abs(history["mean"] - mean) <= 1e-6 * rms).all()


def test_weights_are_those_before_the_update(tmp_path):
    keras.utils.set_random_seed(0)
    initial = [w.var(dtype="float64") for w in network().get_weights() if w.ndim == 2]
    callback = LayerStatsCallback(tmp_path)
    train(network, [callback])
    np.testing.assert_allclose(
        callback.history["weight_variance"][0], initial, rtol=1e-6
    )


def test_biases_on_request(tmp_path):
    callback = LayerStatsCallback(tmp_path, include_biases=True)
    train(network, [callback])
    assert callback.history.layers[:2] == ["first", "first/bias"]
    assert callback.history["weight_variance"][0, 1] == 0
    assert callback.history["gradient_variance"][0, 1] > 0


# -- harmless --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (network, {}),
        (network, {"jit_compile": True}),
        (network, {"run_eagerly": True}),
        (network, {"steps_per_execution": 3}),
        (network, {"steps_per_execution": 3, "jit_compile": True}),
        (late_built, {}),
        (late_built, {"jit_compile": True}),
        (late_built, {"run_eagerly": True}),
        (late_built, {"steps_per_execution": 3}),
        (shared_and_nested, {}),
        (shared_and_nested, {"jit_compile": True}),
        (CustomStep, {}),
        (CustomStep, {"run_eagerly": True}),
        (CustomStep, {"steps_per_execution": 3, "jit_compile": True}),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "-".join(value) or "graph",
)
def test_bit_identical_to_training_without_it(model, options, tmp_path):
    skip_what_keras_cannot_do(options)
    callback = LayerStatsCallback(tmp_path, update_freq=2, warmup_steps=3)
    _, losses, weights = train(model, **options)
    observed, observed_losses, observed_weights = train(model, [callback], **options)
    assert observed_losses == losses
    for weight, observed_weight in zip(weights, observed_weights, strict=True):
        np.testing.assert_array_equal(observed_weight, weight)
    assert callback.history.steps.tolist() == [0, 1, 2, 4, 6, 8, 10, 12]
    assert np.isfinite(callback.history["gradient_variance"]).all()
    assert "apply" not in vars(observed.optimizer)


def variable_names(optimizer):
    return [variable.path.partition("/")[2] for variable in optimizer.variables]


def test_nothing_is_left_on_the_model_or_the_optimizer(tmp_path):
    bare, _, _ = train(network)
    model, _, _ = train(network, [LayerStatsCallback(tmp_path)])
    for ours, theirs in ((model, bare), (model.optimizer, bare.optimizer)):
        assert vars(ours).keys() == vars(theirs).keys()
    assert variable_names(model.optimizer) == variable_names(bare.optimizer)


def test_the_callback_does_not_keep_a_model_alive(tmp_path):
    callback = LayerStatsCallback(tmp_path)
    model, _, _ = train(network, [callback])
    dead = weakref.ref(model)
    del model
    callback.set_model(None)  # Keras's own reference
    gc.collect()
    assert dead() is None


def test_checkpoints_hold_nothing_of_ours(tmp_path):
    def contents(path, *callbacks):
        checkpoint = keras.callbacks.ModelCheckpoint(path)
        train(network, [*callbacks, checkpoint])
        names = []
        with zipfile.ZipFile(path) as archive:
            with h5py.File(archive.open("model.weights.h5")) as weights:
                weights.visit(names.append)
            return names, archive.read("config.json")

    names, config = contents(tmp_path / "ours.keras", LayerStatsCallback(tmp_path))
    bare_names, _ = contents(tmp_path / "bare.keras")
    assert names == bare_names
    assert b"initkit" not in config


# -- steps, fits and models ------------------------------------------------------------


def test_default_schedule(tmp_path):
    callback = LayerStatsCallback(tmp_path, max_overhead=1e6)
    train(network, [callback], epochs=15)  # 105 steps
    assert callback.history.steps.tolist() == [*range(20), 50, 100]


def test_epoch_records_the_first_step_of_each_epoch(tmp_path):
    callback = LayerStatsCallback(tmp_path, update_freq="epoch", warmup_steps=2)
    train(network, [callback], epochs=3)
    assert callback.history.steps.tolist() == [0, 1, 7, 14]


def test_two_fits_go_on_in_one_history_and_one_run(tmp_path):
    callback = LayerStatsCallback(tmp_path, **EVERY_STEP)
    model, _, _ = train(network, [callback], epochs=1)
    model.fit(X, Y, batch_size=16, verbose=0)  # 7 steps that nothing records
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[callback])
    assert callback.history.steps.tolist() == [*range(7), *range(14, 21)]
    tensors = events(tmp_path).Tensors("initkit/gradient_variance")
    assert [event.step for event in tensors] == callback.history.steps.tolist()


def test_another_model_begins_another_history_and_run(tmp_path):
    callback = LayerStatsCallback(tmp_path)
    train(network, [callback])
    first = callback.history
    train(shared_and_nested, [callback])
    assert len(first.layers) == len(callback.history.layers) == 3
    assert first.layers != callback.history.layers
    assert events(tmp_path, "layer_stats_2").Tags()["tensors"]


def test_a_new_optimizer_begins_another_run(tmp_path):
    callback = LayerStatsCallback(tmp_path)
    model, _, _ = train(network, [callback])
    model.compile("sgd", model.loss)
    model.fit(X, Y, batch_size=50, verbose=0, callbacks=[callback])
    assert callback.history.steps.tolist() == [0, 1]
    assert events(tmp_path, "layer_stats_2").Tags()["tensors"]


def test_layers_frozen_between_fits_begin_another_history(tmp_path):
    callback = LayerStatsCallback(tmp_path)
    model, _, _ = train(network, [callback])
    model.layers[0].trainable = False
    model.compile("sgd", model.loss)
    model.fit(X, Y, verbose=0, callbacks=[callback])
    assert callback.history.layers == ["second", "head"]


def test_an_interrupted_fit_keeps_its_records_and_leaves_no_hook(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                raise KeyboardInterrupt

    callback = LayerStatsCallback(tmp_path, **EVERY_STEP)
    keras.utils.set_random_seed(0)
    model = network()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=16, verbose=0, callbacks=[callback, Interrupt()])
    assert callback.history.steps.tolist() == [0, 1, 2, 3, 4]
    # Another callback finds the hook and replaces it.
    other = LayerStatsCallback(tmp_path / "other", **EVERY_STEP)
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[other])
    assert callback.history.steps.tolist() == [0, 1, 2, 3, 4]
    assert other.history.steps.tolist() == list(range(5, 12))
    assert "apply" not in vars(model.optimizer)


def test_two_callbacks_in_one_fit(tmp_path):
    one = LayerStatsCallback(tmp_path / "one", **EVERY_STEP)
    two = LayerStatsCallback(tmp_path / "two", update_freq=3, warmup_steps=0)
    train(network, [one, two], epochs=1)
    assert two.history.steps.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(
        two.history["gradient_l2_norm"], one.history["gradient_l2_norm"][::3]
    )


def test_history_can_be_read_while_training(tmp_path):
    seen = []

    class Reader(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(len(callback.history.steps))

    callback = LayerStatsCallback(tmp_path, **EVERY_STEP)
    train(network, [callback, Reader()], epochs=1)
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_a_last_batch_of_another_size_and_many_rows(tmp_path):
    callback = LayerStatsCallback(tmp_path, **EVERY_STEP)
    train(network, [callback], epochs=40)
    assert callback.history.steps.tolist() == list(range(280))


# -- costs -----------------------------------------------------------------------------


def expensive(tensor):
    """A function that takes many times longer than a step of the network."""
    square = keras.ops.ones((200, 200)) * keras.ops.max(tensor)
    for _ in range(10):
        square = keras.ops.matmul(square, square) / 200
    return keras.ops.max(square)


def messages(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]


class Clock(keras.callbacks.Callback):
    """A clock: each step takes a quarter of a second, and one more if recorded."""

    def __init__(self, recorder):
        super().__init__()
        self.recorder = recorder
        self.now, self.num_recorded = 0.0, 0

    def on_train_batch_end(self, batch, logs=None):
        num_recorded = self.recorder._session.num_rows
        self.now += 0.25 + (num_recorded - self.num_recorded)
        self.num_recorded = num_recorded


def test_the_interval_is_widened_where_recording_costs_too_much(
    tmp_path, caplog, monkeypatch
):
    callback = LayerStatsCallback(tmp_path)
    assert callback.interval == 50
    intervals = []

    class Interval(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            intervals.append(callback.interval)

    clock = Clock(callback)
    monkeypatch.setattr(
        overhead, "time", types.SimpleNamespace(perf_counter=lambda: clock.now)
    )
    train(network, [callback, Interval(), clock], epochs=60)
    assert intervals[-1] == 200  # 1 s in 200 steps of a quarter is 2 %
    (message,) = messages(caplog)
    assert "costs 1000.00 ms, 400 % of a training step" in message
    assert "max_overhead=0.02" in message
    assert "records one step in 200 from now on" in message
    steps = callback.history.steps
    (widened,) = (e for e in events(tmp_path).Scalars("recording/interval") if e.step)
    assert widened.value == 200
    assert 20 < widened.step < 200
    before = range(50, widened.step, 50)
    assert steps.tolist() == [*range(20), *before, 200, 400]


@pytest.mark.parametrize("update_freq", [1, 3, "batch"])
def test_what_is_asked_for_is_obeyed_whatever_it_costs(update_freq, tmp_path, caplog):
    callback = LayerStatsCallback(
        tmp_path, update_freq=update_freq, warmup_steps=0, statistics=expensive
    )
    train(network, [callback], epochs=5)
    step = 1 if update_freq == "batch" else update_freq
    assert callback.interval == step
    assert callback.history.steps.tolist() == list(range(0, 35, step))
    assert messages(caplog) == []


def test_accumulated_steps_are_recorded_as_asked_for(tmp_path):
    callback = LayerStatsCallback(tmp_path, update_freq=1, statistics=expensive)
    keras.utils.set_random_seed(0)
    model = network()
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    model.compile(optimizer, "mse")
    model.fit(X, X[:, :3], batch_size=10, epochs=20, verbose=0, callbacks=[callback])
    assert callback.interval == 1


# -- files -----------------------------------------------------------------------------


def test_files_hold_the_numbers_of_the_history(tmp_path):
    callback = LayerStatsCallback(tmp_path)
    train(network, [callback])
    accumulator = events(tmp_path)
    for key, values in callback.history.items():
        tensors = accumulator.Tensors(f"initkit/{key}")
        assert [event.step for event in tensors] == callback.history.steps.tolist()
        written = np.stack([make_ndarray(event.tensor_proto) for event in tensors])
        np.testing.assert_array_equal(written, values.astype("float32"))
    scalars = accumulator.Scalars("gradient_variance/001_second")
    np.testing.assert_allclose(
        [event.value for event in scalars],
        callback.history["gradient_variance"][:, 1],
        rtol=1e-7,
    )
    (table,) = accumulator.Tensors("layers")
    assert b"second | kernel | 16 x 16" in make_ndarray(table.tensor_proto).item()


def test_a_file_that_cannot_be_written_does_not_stop_the_training(
    tmp_path, monkeypatch, caplog
):
    def full(self, event):
        raise OSError(28, "No space left on device")

    class FillDisk(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            monkeypatch.setattr(
                "keras_initkit.tensorboard.event_file.EventFile.add", full
            )

    callback = LayerStatsCallback(tmp_path)
    train(network, [callback, FillDisk()])
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]
    assert "No space left on device" in warning
    assert len(callback.history.steps) == 14


# -- errors before the first step ------------------------------------------------------


def test_log_dir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    callback = LayerStatsCallback(tmp_path / "file")
    model = network()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"`log_dir`.*Received: log_dir='.*file'"):
        model.fit(X, X[:, :3], callbacks=[callback], verbose=0)
    assert "apply" not in vars(model.optimizer)
    assert model.optimizer.iterations == 0


def test_model_without_a_trainable_kernel(tmp_path):
    model = network()
    for layer in model.layers:
        layer.trainable = False
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"no trainable kernel.*Received: model 'net'"):
        model.fit(X, X[:, :3], callbacks=[LayerStatsCallback(tmp_path)], verbose=0)


def test_late_built_model_without_a_trainable_kernel(tmp_path):
    model = keras.Sequential([layers.BatchNormalization()], name="late")
    model.compile("sgd", "mse")
    with pytest.raises(
        ValueError, match=r"no trainable kernel.*Received: model 'late'"
    ):
        model.fit(X, X, callbacks=[LayerStatsCallback(tmp_path)], verbose=0)
    assert model.optimizer.iterations == 0
    assert "apply" not in vars(model.optimizer)


def test_model_that_is_not_compiled(tmp_path):
    callback = LayerStatsCallback(tmp_path)
    callback.set_model(network())
    with pytest.raises(ValueError, match="must be compiled"):
        callback.on_train_begin()
    assert not (tmp_path / "layer_stats").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"update_freq": 0},
        {"update_freq": "never"},
        {"warmup_steps": -1},
        {"statistics": ["variances"]},
        {"statistics": []},
        {"histogram_steps": -1},
        {"layers": 3},
        {"on_record": "print"},
        {"max_overhead": 0},
        {"flush_secs": 0},
    ],
    ids=str,
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="Received: "):
        LayerStatsCallback(**arguments)
