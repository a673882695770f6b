import copy
import json
import logging
import pickle
import random
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import layers
from keras.ops import convert_to_numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit import (
    Critical,
    DynamicRescalingCallback,
    LayerStatsCallback,
    LooksLinear,
)
from keras_initkit.backends.keras_private import global_state

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
SAMPLES, BATCH = 112, 16  # seven batches
X = RNG.normal(size=(SAMPLES, 32)).astype("float32")
Y = RNG.integers(0, 3, size=SAMPLES)


def network(scale=1.0, activation="relu", depth=3, behind=()):
    hidden = [
        part
        for i in range(depth)
        for part in (
            layers.Dense(32, activation, name=f"h{i}", kernel_initializer=he(scale)),
            *(make() for make in behind),
        )
    ]
    head = layers.Dense(3, name="head")
    return keras.Sequential([keras.Input((32,)), *hidden, head], name="net")


def he(scale=1.0):
    return keras.initializers.VarianceScaling(2 * scale**2)


def drop():
    return layers.Dropout(0.3)


def norm():
    return layers.BatchNormalization()


def compiled(model, optimizer=None, **options):
    if BACKEND == "torch" and options.get("steps_per_execution", 1) > 1:
        pytest.skip("Keras has one step in each execution with torch")
    if BACKEND != "tensorflow" and "jit_compile" in options:
        pytest.skip("JAX compiles anyway, and torch.compile changes the numbers")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer or keras.optimizers.SGD(1e-3, momentum=0.9), loss, **options
    )
    return model


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [convert_to_numpy(v) for v in variables]


def ours(tmp_path, **options):
    options = {"layers": "h?", "check_freq": 1, "log_dir": tmp_path, **options}
    return DynamicRescalingCallback(**options)


def fit(model, *callbacks, **options):
    options = {"batch_size": BATCH, "verbose": 0, "shuffle": False, **options}
    x, y = options.pop("x", X), options.pop("y", Y)
    return model.fit(x, y, callbacks=list(callbacks), **options)


def powers(model):
    """fan_in mean(W^2) E[relu(u)^2] of each hidden kernel: 1 keeps the signal."""
    kernels = [convert_to_numpy(model.get_layer(f"h{i}").kernel) for i in range(3)]
    return [len(kernel) * np.mean(kernel**2) / 2 for kernel in kernels]


class At(keras.callbacks.Callback):
    """Does something after a number of steps."""

    def __init__(self, step, function):
        super().__init__()
        self.step, self.function, self.steps = step, function, 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.steps == self.step:
            self.function(self.model)
        self.steps += 1


# -- a healthy network -----------------------------------------------------------------

HEALTHY = {
    "graph": {},
    "jit_compile": {"jit_compile": True},
    "run_eagerly": {"run_eagerly": True},
    "steps_per_execution": {"steps_per_execution": 3},  # of seven batches
    "dropout": {"behind": (drop,)},
    "batch normalization": {"behind": (norm,)},
    "layer stats before": {"before": True},
    "layer stats after": {"after": True},
    "adam": {"optimizer": keras.optimizers.Adam},
    "accumulated": {
        "optimizer": lambda: keras.optimizers.SGD(1e-3, gradient_accumulation_steps=2)
    },
    "shuffled": {"fit": {"shuffle": True}},
    "weights": {"fit": {"class_weight": {0: 0.5, 1: 1.0, 2: 3.0}}},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_is_bit_identical_to_one_without_it(name, tmp_path):
    way = dict(HEALTHY[name])
    behind = way.pop("behind", ())
    before, after = way.pop("before", False), way.pop("after", False)
    optimizer = way.pop("optimizer", lambda: None)
    fit_options = way.pop("fit", {})
    callback = ours(tmp_path / "ours")

    def train(*callbacks):
        keras.utils.set_random_seed(0)
        model = compiled(network(behind=behind), optimizer(), **way)
        logs = fit(model, *callbacks, epochs=2, **fit_options)
        return logs.history, state(model)

    def stats(wanted):
        return [LayerStatsCallback(tmp_path / "stats")] * wanted

    logs, observed = train(*stats(before), callback, *stats(after))
    expected_logs, expected = train()
    assert logs == expected_logs
    assert callback.events == []
    for value, bare in zip(observed, expected, strict=True):
        np.testing.assert_array_equal(value, bare)
    assert not (tmp_path / "ours").exists()


def test_it_is_traced_no_more_often_than_with_layer_stats(tmp_path):
    def traces(callback):
        count = 0

        class Traced(keras.Sequential):
            def train_step(self, *arguments):
                nonlocal count
                count += 1
                return super().train_step(*arguments)

        model = compiled(Traced(network(scale=3.0).layers))
        fit(model, callback, epochs=2)
        return count

    assert traces(ours(tmp_path)) == traces(LayerStatsCallback(tmp_path))


STARTS = {
    "he_normal": ("relu", lambda: "he_normal"),
    "he_uniform": ("gelu", lambda: "he_uniform"),
    "glorot_uniform": ("tanh", lambda: "glorot_uniform"),
    "lecun_normal": ("selu", lambda: "lecun_normal"),
    "orthogonal": ("tanh", lambda: "orthogonal"),
    "Critical": ("tanh", lambda: Critical("tanh", depth=3)),
    "LooksLinear": ("relu", lambda: LooksLinear()),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_start_that_belongs_to_its_activation_is_not_touched(name, tmp_path):
    activation, make = STARTS[name]
    hidden = [layers.Dense(32, activation, kernel_initializer=make()) for _ in range(3)]
    model = keras.Sequential([keras.Input((32,)), *hidden, layers.Dense(3)])
    callback = DynamicRescalingCallback(check_freq=1, log_dir=tmp_path)
    fit(compiled(model), callback)
    assert callback.events == []


def test_the_steps_of_a_large_rate_are_no_jumps(tmp_path):
    model = compiled(network(), keras.optimizers.Adam(0.1))
    before = norm_of(model.get_layer("h1").kernel)
    fit(model, callback := ours(tmp_path), epochs=2)
    assert norm_of(model.get_layer("h1").kernel) > 1.5 * before
    assert callback.events == []


# -- the start -------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [10.0, 3.0, 0.3, 0.1])
@pytest.mark.parametrize(
    "options", [{}, {"steps_per_execution": 3}, {"run_eagerly": True}]
)
def test_a_wrong_scale_becomes_the_one_that_keeps_the_signal(scale, options, tmp_path):
    keras.utils.set_random_seed(0)
    model = compiled(network(scale), keras.optimizers.SGD(0.0), **options)
    before = powers(model)
    fit(model, callback := ours(tmp_path, check_freq=1000))
    assert [event[:2] for event in callback.events] == [(0, f"h{i}") for i in range(3)]
    factors = [event.factor for event in callback.events]
    assert factors == pytest.approx(np.power(before, -0.5), rel=1e-5)
    assert powers(model) == pytest.approx([1.0, 1.0, 1.0], rel=1e-5)


def test_only_the_kernel_that_is_wrong_is_touched(tmp_path):
    model = compiled(network(), keras.optimizers.SGD(0.0))
    scale_kernels(100.0, "h1")(model)
    fit(model, callback := ours(tmp_path))
    assert [event.layer for event in callback.events] == ["h1"]


def test_it_acts_on_what_the_diagnosis_names(tmp_path):
    model = compiled(network(10.0))
    stats = LayerStatsCallback(tmp_path / "stats")
    fit(model, stats)
    again = compiled(network(10.0))
    fit(again, callback := ours(tmp_path, layers=None))
    [finding] = stats.findings[:1]
    assert finding.problem == "weights_too_large"
    assert {event.layer for event in callback.events} == set(finding.layers)
    assert all(finding.problem in event.reason for event in callback.events)


def test_one_line_says_what_was_done(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "keras_initkit")
    fit(compiled(network(10.0)), callback := ours(tmp_path))
    [record] = caplog.records
    message = record.getMessage()
    assert "\n" not in message
    assert "step 0: the kernels of" in message
    assert "h0" in message
    low, high = (f(e.factor for e in callback.events) for f in (min, max))
    assert f"were multiplied by {low:.3g} to {high:.3g}" in message


class Subclassed(keras.Model):
    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return inputs


@pytest.mark.parametrize("make", [keras.Sequential, Subclassed])
def test_a_model_that_is_not_built_yet_is_judged_too(make, tmp_path):
    hidden = [
        layers.Dense(32, "relu", kernel_initializer=he(10.0), name=f"h{i}")
        for i in range(3)
    ]
    model = compiled(make([*hidden, layers.Dense(3)]), keras.optimizers.SGD(0.0))
    fit(model, callback := ours(tmp_path, layers=None))
    assert {event.layer.split("/")[-1] for event in callback.events} >= {"h0", "h1"}
    for layer in hidden:
        kernel = convert_to_numpy(layer.kernel)
        assert 32 * np.mean(kernel**2) / 2 == pytest.approx(1, rel=1e-5)


def test_data_that_are_not_finite_do_not_stop_the_training(tmp_path):
    model = compiled(network())
    x = np.full_like(X, np.nan)
    fit(model, callback := ours(tmp_path), x=x)
    assert callback.events == []
    assert int(model.optimizer.iterations) == SAMPLES // BATCH


def test_a_layer_of_zeros_is_left_alone(tmp_path):
    model = compiled(network(10.0), keras.optimizers.SGD(0.0))
    model.get_layer("h1").kernel.assign(np.zeros((32, 32)))
    fit(model, callback := ours(tmp_path))
    assert "h1" not in [event.layer for event in callback.events]
    assert not norm_of(model.get_layer("h1").kernel)


class Trainer(keras.Model):
    """Trains two models and cannot be called itself, like a VAE or a GAN."""

    def __init__(self):
        super().__init__()
        self.encoder = network(depth=2)
        self.decoder = keras.Sequential([keras.Input((3,)), layers.Dense(32)])
        self.built = True

    def _loss(self, x):
        return keras.ops.mean(keras.ops.square(self.decoder(self.encoder(x)) - x))

    if BACKEND == "tensorflow":

        def train_step(self, data):
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = self._loss(data[0])
            gradients = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply(gradients, self.trainable_weights)
            return {"loss": loss}

    elif BACKEND == "torch":

        def train_step(self, data):
            import torch

            self.zero_grad()
            loss = self._loss(data[0])
            loss.backward()
            gradients = [weight.value.grad for weight in self.trainable_weights]
            with torch.no_grad():
                self.optimizer.apply(gradients, self.trainable_weights)
            return {"loss": loss}

    elif BACKEND == "jax":

        def train_step(self, state, data):
            import jax

            trainable, others, slots, metrics = state

            def loss_of(trainable):
                mapping = zip(self.trainable_variables, trainable, strict=True)
                with keras.StatelessScope(state_mapping=list(mapping)):
                    return self._loss(data[0])

            loss, gradients = jax.value_and_grad(loss_of)(trainable)
            trainable, slots = self.optimizer.stateless_apply(
                slots, gradients, trainable
            )
            return {"loss": loss}, (trainable, others, slots, metrics)


@pytest.mark.parametrize("is_built", [True, False])
def test_a_model_without_a_call_trains_on(is_built, tmp_path):
    if BACKEND != "tensorflow" and not is_built:
        pytest.skip("Keras itself refuses such a model here")
    model = Trainer()
    model.built = is_built
    model.compile(keras.optimizers.SGD(1e-3))
    fit(model, callback := ours(tmp_path, layers="*h0"), epochs=2)
    assert int(model.optimizer.iterations) == 2 * SAMPLES // BATCH
    assert callback.events == []


class Noise(layers.Layer):
    """Draws without a seed, from the generator that Keras makes at the first draw."""

    def call(self, inputs, training=False):
        if not training:
            return inputs
        return inputs + keras.random.normal(keras.ops.shape(inputs))


@pytest.mark.skipif(BACKEND == "jax", reason="Keras refuses it with JAX")
def test_the_generator_of_keras_is_made_by_the_training(tmp_path):
    def train(*callbacks):
        # Keras's own function would make the generator.
        random.seed(0)
        np.random.seed(0)
        global_state.set_global_attribute("global_seed_generator", None)
        hidden = layers.Dense(
            32, "relu", name="h0", kernel_initializer=keras.initializers.HeNormal(0)
        )
        head = layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(1))
        model = compiled(keras.Sequential([keras.Input((32,)), hidden, Noise(), head]))
        fit(model, *callbacks)
        return state(model)

    bare = train()
    for value, expected in zip(train(ours(tmp_path)), bare, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("second", ["same callback", "new callback"])
def test_what_happens_between_two_fits_is_intended(second, tmp_path):
    model = compiled(network(), keras.optimizers.SGD(1e-6))
    fit(model, callback := ours(tmp_path))
    scale_kernels(9.0, "h0", "h1")(model)
    if second == "new callback":
        callback = ours(tmp_path)
    fit(model, callback, epochs=2)
    assert callback.events == []


# -- in training -----------------------------------------------------------------------


def norm_of(variable):
    return float(np.linalg.norm(convert_to_numpy(variable)))


def scale_kernels(factor, *names):
    def scale(model):
        for name in names:
            variable = model.get_layer(name).kernel
            variable.assign(variable * factor)

    return scale


@pytest.mark.parametrize("factor", [10.0, 3.0, 0.3, 0.1])
@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_a_jump_is_taken_back(factor, steps_per_execution, tmp_path):
    model = compiled(
        network(),
        keras.optimizers.SGD(1e-6),
        steps_per_execution=steps_per_execution,
    )
    before = norm_of(model.get_layer("h1").kernel)
    callback = ours(tmp_path, check_freq=3)
    harm = At(8 // steps_per_execution, scale_kernels(factor, "h1"))
    fit(model, callback, harm, epochs=2)
    [event] = callback.events
    # Recorded at step 9, the first multiple of 3 after the harm.
    assert event.step == 10
    assert event.layer == "h1"
    assert event.factor == pytest.approx(1 / factor, rel=1e-4)
    assert norm_of(model.get_layer("h1").kernel) == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize("is_harmed_first", [False, True])
def test_the_whole_model_is_put_back_to_its_last_check(is_harmed_first, tmp_path):
    kept = {}

    def keep(name):
        return lambda model: kept.update(
            {name: [*model.get_weights(), *map(numpy_of, moments(model))]}
        )

    model = compiled(network(), keras.optimizers.SGD(1e-3, momentum=0.9))
    # It checks before the steps 1, 4, 7 and 10.
    before = [At(7, keep("before")), At(7, scale_kernels(10.0, "h1"))]
    callback = ours(tmp_path, check_freq=3)
    order = [*before, callback] if is_harmed_first else [callback, *before]
    fit(model, *order, At(10, keep("after")), epochs=2)
    assert [event[:2] for event in callback.events] == [(10, "h1")]
    for now, then in zip(kept["after"], kept["before"], strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-2 if is_harmed_first else 0)


def moments(model):
    return [v for v in model.optimizer.variables if len(v.shape)]


def numpy_of(variable):
    return keras.ops.convert_to_numpy(variable.value)


def test_several_jumps_at_once_are_taken_back_together(tmp_path):
    model = compiled(network(), keras.optimizers.SGD(1e-6))
    harm = At(4, scale_kernels(10.0, "h0", "h2"))
    fit(model, callback := ours(tmp_path), harm)
    assert [event[:2] for event in callback.events] == [(5, "h0"), (5, "h2")]


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_training_goes_on_as_if_nothing_had_been(name, tmp_path):
    def train(*callbacks):
        keras.utils.set_random_seed(0)
        optimizer = {
            "sgd": keras.optimizers.SGD(1e-3, momentum=0.9),
            "adam": keras.optimizers.Adam(1e-4),
        }[name]
        model = compiled(network(), optimizer)
        # 50 steps after the check, because the momentum of the shock must fade.
        losses = fit(model, *callbacks, epochs=9).history["loss"]
        return losses[-1]

    alone = train()
    harm = At(10, scale_kernels(10.0, "h1"))
    assert train(ours(tmp_path), harm) == pytest.approx(alone, rel=0.1)


def test_accumulated_gradients_count_as_one_step(tmp_path):
    optimizer = keras.optimizers.SGD(1e-6, gradient_accumulation_steps=2)
    model = compiled(network(), optimizer)
    harm = At(7, scale_kernels(10.0, "h1"))
    fit(model, callback := ours(tmp_path), harm, epochs=2)
    [event] = callback.events
    assert event.layer == "h1"
    # Batch 7 belongs to step 3.
    assert event.step in (4, 5)


def test_any_optimizer_will_do(tmp_path):
    model = compiled(network(10.0), "ftrl")
    fit(model, callback := ours(tmp_path))
    assert len(callback.events) == 3


# -- what is written -------------------------------------------------------------------


def test_tensorboard_reads_each_rescaling(tmp_path):
    model = compiled(network(10.0))
    fit(model, callback := ours(tmp_path), epochs=2)
    assert len(callback.events) >= 3
    reader = EventAccumulator(str(tmp_path / "rescaling"), {"tensors": 0, "scalars": 0})
    reader.Reload()
    scalars = {
        tag: [(e.step, e.value) for e in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }
    assert len(callback.events) == sum(map(len, scalars.values()))
    for event in callback.events:
        factors = dict(scalars[f"rescale_factor/{event.layer}"])
        assert factors[event.step] == pytest.approx(event.factor)
    texts = [
        make_ndarray(e.tensor_proto).ravel()[0].decode()
        for e in reader.Tensors("rescaling")
    ]
    assert len(texts) == len(callback.events)
    for event, text in zip(callback.events, texts, strict=True):
        assert event.layer in text
        assert event.reason in text


def factors(run):
    reader = EventAccumulator(str(run), {"scalars": 0})
    reader.Reload()
    return sorted(
        (event.step, tag.removeprefix("rescale_factor/"), pytest.approx(event.value))
        for tag in reader.Tags()["scalars"]
        for event in reader.Scalars(tag)
    )


@pytest.mark.parametrize("second", ["same callback", "new callback"])
def test_a_second_training_has_its_own_run(second, tmp_path):
    first = ours(tmp_path)
    fit(compiled(network(10.0)), first)
    number = len(first.events)
    again = first if second == "same callback" else ours(tmp_path)
    fit(compiled(network(9.0)), again)
    written = [first.events[:number], again.events[number if again is first else 0 :]]
    runs = ["rescaling", "rescaling_2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == runs
    for run, events in zip(runs, written, strict=True):
        assert sorted(event[:3] for event in events) == factors(tmp_path / run)


def test_a_training_that_goes_on_goes_on_in_its_run(tmp_path):
    model = compiled(network(10.0), keras.optimizers.SGD(1e-6))
    fit(model, callback := ours(tmp_path))
    fit(model, callback, At(4, scale_kernels(9.0, "h1")))
    assert callback.events[-1].step == SAMPLES // BATCH + 5
    assert [path.name for path in tmp_path.iterdir()] == ["rescaling"]
    expected = sorted(event[:3] for event in callback.events)
    assert expected == factors(tmp_path / "rescaling")


def test_a_directory_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    model = compiled(network(10.0))
    fit(model, callback := ours(tmp_path / "file"))
    assert int(model.optimizer.iterations) == SAMPLES // BATCH
    assert len([e for e in callback.events if e.step == 0]) == 3
    [message] = [
        r.getMessage() for r in caplog.records if "continues" in r.getMessage()
    ]
    assert str(tmp_path / "file") in message


# -- from fit to fit -------------------------------------------------------------------


def test_nothing_is_left_behind(tmp_path):
    model = compiled(network(10.0))
    fit(model, ours(tmp_path))
    assert "apply" not in vars(model.optimizer)
    assert "make_train_function" not in vars(model)


@pytest.mark.parametrize("place", ["before", "after", "in the middle"])
def test_an_interrupted_fit_leaves_nothing_in_the_next(place, tmp_path):
    keras.utils.set_random_seed(0)
    model = compiled(network(10.0))

    def interrupt(model):
        raise KeyboardInterrupt

    stop = At(2 if place == "in the middle" else 0, interrupt)
    first = ours(tmp_path)
    callbacks = [stop, first] if place == "before" else [first, stop]
    with pytest.raises(KeyboardInterrupt):
        fit(model, *callbacks)
    number = len(first.events)
    fit(model)
    assert len(first.events) == number
    assert "apply" not in vars(model.optimizer)
    assert "make_train_function" not in vars(model)
    fit(model, first)
    assert "apply" not in vars(model.optimizer)


def test_copies_are_new_callbacks_with_the_same_arguments(tmp_path):
    callback = ours(tmp_path, check_freq=7)
    fit(compiled(network(10.0)), callback)
    assert callback.events
    for copied in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert copied.events == []
        assert copied.check_freq == 7


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("check_freq", 0),
        ("check_freq", 1.5),
        ("check_freq", True),
        ("layers", []),
        ("layers", 3),
    ],
)
def test_a_wrong_argument_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        DynamicRescalingCallback(**{name: value})


@pytest.mark.parametrize("pattern", ["no such layer", layers.Embedding])
def test_an_error_before_the_first_step(pattern, tmp_path):
    model = compiled(network())
    with pytest.raises(ValueError, match="selects none"):
        fit(model, ours(tmp_path, layers=pattern))
    assert int(model.optimizer.iterations) == 0
    fit(model)
    assert "apply" not in vars(model.optimizer)


# -- several replicas ------------------------------------------------------------------

TRAINING = """
    import json, sys, keras, numpy as np, tensorflow as tf
    from keras import layers
    from keras_initkit import DynamicRescalingCallback

    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    he3 = keras.initializers.VarianceScaling(18.0, seed=0)

    def train(scope, **options):
        keras.utils.set_random_seed(0)
        with scope:
            hidden = layers.Dense(16, "relu", kernel_initializer=he3, name="h0")
            model = keras.Sequential([keras.Input((8,)), hidden, layers.Dense(3)])
            model.compile(keras.optimizers.SGD(1e-4, momentum=0.9), "mse")
        callback = DynamicRescalingCallback(layers="h0", log_dir=None, **options)
        shock = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: batch == 2
            and hidden.kernel.assign(hidden.kernel * 10)
        )
        callbacks = [callback, shock]
        model.fit(x, x[:, :3], batch_size=16, verbose=0, callbacks=callbacks)
        is_finite = bool(np.isfinite(model.get_weights()[0]).all())
        steps = int(tf.convert_to_tensor(model.optimizer.iterations))
        return [tuple(event) for event in callback.events], is_finite, steps

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    print(json.dumps(train(strategy.scope(), check_freq=1)))
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="MirroredStrategy is TensorFlow's")
def test_with_several_replicas_it_is_rescaled_in_training_only(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAINING)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    events, is_finite, steps = json.loads(result.stdout.splitlines()[-1])
    assert is_finite
    assert steps == 4
    # It does not see a large start, but it sees the jump.
    assert [event[:2] for event in events] == [[3, "h0"]]
    assert events[0][2] == pytest.approx(0.1, rel=0.01)
