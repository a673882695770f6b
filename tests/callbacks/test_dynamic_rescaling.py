import copy
import json
import math
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
    DynamicRescaling,
    DynamicRescalingCallback,
    LayerStatsCallback,
)
from keras_initkit.backends.keras_private import global_state

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
SAMPLES, BATCH = 112, 16  # seven batches
X = RNG.normal(size=(SAMPLES, 32)).astype("float32")
Y = RNG.integers(0, 3, size=SAMPLES)
# Of small batches the variances differ.
WIDE = (0.2, 5.0)
NEVER_LEFT = (1e-3, 1e3)


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


def signals(model, x):
    """z of each Dense layer of a Sequential model in inference mode."""
    z = {}
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            weights, bias = (convert_to_numpy(v) for v in layer.weights)
            z[layer.name] = x @ weights + bias
            x = convert_to_numpy(layer.activation(keras.ops.array(z[layer.name])))
        else:
            x = convert_to_numpy(layer(x))
    return z


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
    "batch normalization": {"behind": (norm,), "function_preserving": False},
    "gradient": {"monitor": "gradient"},
    "weight_norm": {"monitor": "weight_norm"},
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
    own = {k: way.pop(k) for k in ("monitor", "function_preserving") if k in way}
    callback = ours(tmp_path / "ours", band=NEVER_LEFT, **own)

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


# -- the sweep -------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [3.0, 0.3])
@pytest.mark.parametrize(
    "options", [{}, {"steps_per_execution": 3}, {"run_eagerly": True}]
)
def test_the_sweep_brings_each_layer_to_its_target_on_the_first_batch(
    scale, options, tmp_path
):
    keras.utils.set_random_seed(0)
    model = compiled(network(scale), **options)
    before = model.get_weights()
    fit(model, callback := ours(tmp_path, check_freq=1000))
    swept = [event for event in callback.events if event.step == 0]
    assert [event.layer for event in swept] == ["h0", "h1", "h2"]
    # The weights as they were when it began, times the factors.
    model.set_weights(before)
    for event in swept:
        layer = model.get_layer(event.layer)
        layer.kernel.assign(layer.kernel * event.factor)
    variances = [z.var() for z in signals(model, X[:BATCH]).values()]
    assert variances[:3] == pytest.approx([1.0, 1.0, 1.0], rel=1e-3)


class Subclassed(keras.Model):
    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return inputs


@pytest.mark.parametrize("make", [keras.Sequential, Subclassed])
def test_a_model_that_is_not_built_yet_is_swept_too(make, tmp_path):
    initializer = DynamicRescaling(activation="relu", target_variance=4.0)
    hidden = layers.Dense(32, "relu", kernel_initializer=initializer)
    model = compiled(make([hidden, layers.Dense(3)]), keras.optimizers.SGD(0.0))
    callback = DynamicRescalingCallback(log_dir=tmp_path, stop_after=1)
    fit(model, callback, x=9 * X)
    assert [event.step for event in callback.events] == [0]
    z = 9 * X[:BATCH] @ convert_to_numpy(hidden.kernel)
    assert z.var() == pytest.approx(4.0, rel=1e-3)


def test_the_target_is_that_of_the_initializer(tmp_path):
    keras.utils.set_random_seed(0)
    initializer = DynamicRescaling(activation="relu", target_variance=4.0)
    model = keras.Sequential(
        [
            keras.Input((32,)),
            layers.Dense(32, "relu", name="own", kernel_initializer=initializer),
            layers.Dense(3, name="head"),
        ]
    )
    compiled(model, keras.optimizers.SGD(1e-8))
    fit(model, callback := ours(tmp_path, layers=None), x=X * 9)
    assert len(callback.events) == 1
    assert signals(model, X[:BATCH] * 9)["own"].var() == pytest.approx(4.0, rel=1e-3)


def test_without_a_finite_signal_the_training_goes_on(tmp_path, caplog):
    model = compiled(network())
    x = np.full_like(X, np.nan)
    fit(model, callback := ours(tmp_path), x=x)
    assert callback.events == []
    [message] = [r.getMessage() for r in caplog.records if "first batch" in r.msg]
    assert "'h0', 'h1', 'h2' (its pre-activations are not finite)" in message
    assert int(model.optimizer.iterations) == SAMPLES // BATCH


@pytest.mark.parametrize("zeros", ["h1", "h2"])
def test_a_layer_of_zeros_is_left_alone_and_the_others_are_not(zeros, tmp_path, caplog):
    model = compiled(network(3.0), keras.optimizers.SGD(0.0))
    model.get_layer(zeros).kernel.assign(np.zeros((32, 32)))
    callback = ours(tmp_path, stop_after=1)
    fit(model, callback)
    swept = {"h1": ["h0"], "h2": ["h0", "h1"]}[zeros]
    assert [event.layer for event in callback.events] == swept
    z = signals(model, X[:BATCH])
    variances = [z[name].var() for name in swept]
    assert variances == pytest.approx([1.0] * len(swept), rel=1e-3)
    assert not norm_of(model.get_layer(zeros).kernel)
    [message] = [r.getMessage() for r in caplog.records if "first batch" in r.msg]
    assert f"{zeros!r}" in message
    assert "constant" in message


class Jitted(layers.Layer):
    """Calls a Dense layer inside of a function that TensorFlow compiles."""

    def __init__(self, **options):
        super().__init__(**options)
        initializer = keras.initializers.VarianceScaling(18.0, seed=0)
        self.inner = layers.Dense(32, name="h1", kernel_initializer=initializer)

    def build(self, input_shape):
        import tensorflow as tf

        self.inner.build(input_shape)
        self.run = tf.function(self.inner)

    def call(self, inputs):
        # Traced when it is first run on numbers: in the sweep, and kept for training.
        return self.run(inputs) if hasattr(inputs, "numpy") else self.inner(inputs)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.function is TensorFlow's")
def test_a_layer_in_a_compiled_function_is_left_alone(tmp_path, caplog):
    first = layers.Dense(32, "relu", name="h0", kernel_initializer=he(3.0))
    model = keras.Sequential([keras.Input((32,)), first, Jitted(), layers.Dense(3)])
    compiled(model, keras.optimizers.SGD(1e-2), run_eagerly=True)
    kernel = model.layers[1].inner.kernel
    fit(model, callback := ours(tmp_path, stop_after=1))
    assert [event.layer for event in callback.events] == ["h0"]
    [message] = [r.getMessage() for r in caplog.records if "first batch" in r.msg]
    assert "compiled function" in message
    # What was compiled in the sweep does not put the kernel back.
    trained = convert_to_numpy(kernel)
    model(X[:BATCH])
    np.testing.assert_array_equal(convert_to_numpy(kernel), trained)


class Trainer(keras.Model):
    """Trains two models and cannot be called itself, as a VAE or a GAN."""

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
@pytest.mark.parametrize(
    ("monitor", "function_preserving"), [("pre_activation", True), ("gradient", False)]
)
def test_a_model_without_a_call_trains_on(
    is_built, monitor, function_preserving, tmp_path, caplog
):
    if BACKEND != "tensorflow" and not is_built:
        pytest.skip("Keras itself refuses such a model here")
    model = Trainer()
    model.built = is_built
    model.compile(keras.optimizers.SGD(1e-3))
    callback = ours(
        tmp_path,
        layers="*h0",
        monitor=monitor,
        function_preserving=function_preserving,
    )
    fit(model, callback, epochs=2)
    assert int(model.optimizer.iterations) == 2 * SAMPLES // BATCH
    assert all(event.step for event in callback.events)
    [message] = [r.getMessage() for r in caplog.records if "`call`" in r.getMessage()]
    assert "goes on" in message


class Noise(layers.Layer):
    """Draws without a seed: from the generator that Keras makes at the first draw."""

    def call(self, inputs, training=False):
        if not training:
            return inputs
        return inputs + keras.random.normal(keras.ops.shape(inputs))


@pytest.mark.skipif(BACKEND == "jax", reason="Keras refuses it with JAX")
def test_the_sweep_leaves_the_generator_of_keras_to_be_made_by_the_training(tmp_path):
    def train(*callbacks):
        # Not by Keras's own function, which makes the generator.
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
    for value, expected in zip(
        train(ours(tmp_path, band=NEVER_LEFT)), bare, strict=True
    ):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("second", ["same callback", "new callback"])
def test_a_resumed_training_is_not_swept(second, tmp_path):
    model = compiled(network(), keras.optimizers.SGD(1e-6))
    callback = ours(tmp_path)
    fit(model, callback)
    callback.events.clear()
    for layer in model.layers:
        layer.kernel.assign(layer.kernel * 3)
    if second == "new callback":
        callback = ours(tmp_path)
    fit(model, callback)
    assert callback.events
    assert all("first batch" not in event.reason for event in callback.events)
    assert callback.events[0].step == SAMPLES // BATCH + 1


# -- in training -----------------------------------------------------------------------


def scale_kernels(factor, *names):
    def scale(model):
        for name in names:
            variable = model.get_layer(name).kernel
            variable.assign(variable * factor)

    return scale


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_a_layer_that_leaves_its_band_is_brought_back(steps_per_execution, tmp_path):
    model = compiled(
        network(),
        keras.optimizers.SGD(1e-6),
        steps_per_execution=steps_per_execution,
    )
    callback = ours(tmp_path, check_freq=3, band=WIDE)
    outputs = []
    harm = At(
        4 // steps_per_execution,
        lambda model: (
            scale_kernels(4.0, "h1")(model),
            outputs.append(convert_to_numpy(model(X))),
        ),
    )
    fit(model, callback, harm, epochs=2)
    [first, *_] = [event for event in callback.events if event.step]
    # Recorded at step 6, the first multiple of 3 behind the harm.
    assert first.step == 7
    assert first.layer == "h1"
    # z was about 1, and 16 times as large then; 5 is the edge of the band.
    assert first.factor == pytest.approx(math.sqrt(5**0.9 / 16), rel=0.5)
    outputs.append(convert_to_numpy(model(X)))
    size = np.std(outputs[0])
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-3, atol=1e-3 * size)
    for name, z in signals(model, X[-BATCH:]).items():
        # On another batch than the one that was recorded.
        assert name == "head" or WIDE[0] / 1.3 < z.var() < WIDE[1] * 1.3


@pytest.mark.parametrize("function_preserving", [True, False])
def test_the_gradient_of_a_kernel_is_brought_to_the_band_around_the_median(
    function_preserving, tmp_path
):
    model = compiled(network(depth=5), keras.optimizers.SGD(1e-6))
    callback = ours(
        tmp_path, monitor="gradient", function_preserving=function_preserving
    )
    stats = LayerStatsCallback(tmp_path / "stats", update_freq=1)
    fit(model, callback, stats, At(2, scale_kernels(5.0, "h2")), epochs=4)
    assert 3 in [event.step for event in callback.events]
    rows = stats.history["gradient_variance"]
    ratio = rows[:, :5] / np.median(rows, axis=1, keepdims=True)
    spread = np.ptp(np.log(ratio), axis=1)
    assert spread[2] > 2
    assert spread[-1] < 2 * math.log(2) + 0.5


@pytest.mark.parametrize("function_preserving", [True, False])
def test_a_weight_norm_goes_back_to_its_band(function_preserving, tmp_path):
    model = compiled(network(), keras.optimizers.SGD(1e-8))
    callback = ours(
        tmp_path, monitor="weight_norm", function_preserving=function_preserving
    )
    initial = {}
    note = At(1, lambda m: initial.update({v.path: norm_of(v) for v in m.weights}))
    fit(model, callback, note, At(3, scale_kernels(8.0, "h0", "h2")), epochs=2)
    assert {event.step for event in callback.events if event.step} <= {4, 5, 6}
    for name in ("h0", "h1", "h2"):
        variable = model.get_layer(name).kernel
        ratio = norm_of(variable) / initial[variable.path]
        assert 0.5 * 0.999 < ratio < 2 * 1.001


def norm_of(variable):
    return float(np.linalg.norm(convert_to_numpy(variable)))


def test_after_stop_after_nothing_is_rescaled(tmp_path):
    model = compiled(network(), keras.optimizers.SGD(1e-6))
    callback = ours(tmp_path, stop_after=5)
    fit(model, callback, *(At(i, scale_kernels(4.0, "h1")) for i in range(1, 9)))
    steps = {event.step for event in callback.events}
    assert steps
    assert max(steps) <= 5


def test_accumulated_gradients_count_as_one_step(tmp_path):
    optimizer = keras.optimizers.SGD(1e-6, gradient_accumulation_steps=2)
    model = compiled(network(), optimizer)
    callback = ours(tmp_path, check_freq=2, band=WIDE)
    fit(model, callback, At(5, scale_kernels(4.0, "h1")), epochs=3)
    # The sixth batch belongs to step 2, which is recorded; the next one is step 3.
    first, second = callback.events[:2]
    assert (first.step, first.layer) == (3, "h1")
    assert (second.step, second.layer) == (3, "h2")


def test_momentum_follows(tmp_path):
    model = compiled(network(), keras.optimizers.SGD(1e-9, momentum=1.0))
    callback, momenta = ours(tmp_path, check_freq=4, band=WIDE), []
    before, after = (
        At(
            5,
            lambda m: momenta.append(
                [convert_to_numpy(v) for v in m.optimizer.momentums]
            ),
        )
        for _ in range(2)
    )
    harm = At(4, scale_kernels(4.0, "h1"))
    fit(model, harm, before, callback, after)
    event = next(event for event in callback.events if event.step)
    assert event.step == 5
    assert event.layer == "h1"
    index = [v.path for v in model.trainable_variables].index("net/h1/kernel")
    ratio = np.linalg.norm(momenta[1][index]) / np.linalg.norm(momenta[0][index])
    assert ratio == pytest.approx(event.factor, rel=1e-5)


def test_a_kernel_of_zeros_does_not_keep_others_from_being_rescaled(tmp_path):
    model = compiled(network(), keras.optimizers.SGD(1e-9))
    model.get_layer("h0").kernel.assign(np.zeros((32, 32)))
    callback = ours(tmp_path, monitor="weight_norm", function_preserving=False)
    fit(model, callback, At(2, scale_kernels(4.0, "h1")))
    assert "h1" in [event.layer for event in callback.events if event.step]


# -- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(("activation", "behind"), [("tanh", ()), ("relu", (norm,))])
def test_where_the_function_cannot_be_kept_one_line_names_all_layers(
    activation, behind, tmp_path, caplog
):
    model = compiled(
        network(activation=activation, behind=behind), keras.optimizers.SGD(1e-6)
    )
    callback = ours(tmp_path)
    fit(model, callback, At(2, scale_kernels(9.0, "h0", "h1")), epochs=2)
    [record] = caplog.records
    assert "3 of 3 layers are not rescaled" in record.getMessage()
    assert all(f"'h{i}'" in record.getMessage() for i in range(3))
    assert all(event.step == 0 for event in callback.events)


# -- what is written -------------------------------------------------------------------


def test_tensorboard_reads_each_rescaling(tmp_path):
    model = compiled(network(3.0))
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
    fit(compiled(network(3.0)), first)
    number = len(first.events)
    again = first if second == "same callback" else ours(tmp_path)
    fit(compiled(network(4.0)), again)
    written = [first.events[:number], again.events[number if again is first else 0 :]]
    runs = ["rescaling", "rescaling_2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == runs
    for run, events in zip(runs, written, strict=True):
        assert sorted(event[:3] for event in events) == factors(tmp_path / run)


def test_a_training_that_goes_on_goes_on_in_its_run(tmp_path):
    model = compiled(network(3.0), keras.optimizers.SGD(1e-6))
    callback = ours(tmp_path)
    fit(model, callback)
    scale_kernels(9.0, "h1")(model)
    fit(model, callback)
    assert callback.events[-1].step > SAMPLES // BATCH
    assert [path.name for path in tmp_path.iterdir()] == ["rescaling"]
    expected = sorted(event[:3] for event in callback.events)
    assert expected == factors(tmp_path / "rescaling")


def test_a_directory_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    model = compiled(network(3.0))
    fit(model, callback := ours(tmp_path / "file"))
    assert int(model.optimizer.iterations) == SAMPLES // BATCH
    assert len([e for e in callback.events if e.step == 0]) == 3
    [message] = [r.getMessage() for r in caplog.records if "goes on" in r.getMessage()]
    assert "rescaling" in message


# -- from fit to fit -------------------------------------------------------------------


def test_nothing_is_left_behind(tmp_path):
    model = compiled(network(3.0))
    fit(model, ours(tmp_path))
    assert "apply" not in vars(model.optimizer)
    assert "make_train_function" not in vars(model)


@pytest.mark.parametrize("place", ["before", "after", "in the middle"])
def test_an_interrupted_fit_leaves_nothing_in_the_next(place, tmp_path):
    keras.utils.set_random_seed(0)
    model = compiled(network(3.0))

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
    callback = ours(tmp_path, monitor="gradient", band=(0.1, 3), stop_after=9)
    fit(compiled(network(3.0)), callback)
    for copied in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert copied.events == []
        assert copied.monitor == "gradient"
        assert (copied.band, copied.stop_after) == ((0.1, 3.0), 9)


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("monitor", "loss"),
        ("monitor", None),
        ("band", (2.0, 3.0)),
        ("band", (0.0, 2.0)),
        ("band", (0.5, math.inf)),
        ("band", (0.5, math.nan)),
        ("band", (0.5, 1, 2)),
        ("band", 2.0),
        ("check_freq", 0),
        ("check_freq", 1.5),
        ("check_freq", True),
        ("stop_after", 0),
        ("layers", []),
        ("layers", 3),
    ],
)
def test_a_wrong_argument_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        DynamicRescalingCallback(**{name: value})


class Unknown(keras.optimizers.SGD):
    def build(self, variables):
        super().build(variables)


@pytest.mark.parametrize(
    ("optimizer", "pattern", "message"),
    [
        ("sgd", None, "DynamicRescaling"),
        ("sgd", "no such layer", "selects none"),
        ("sgd", layers.Embedding, "selects none"),
        (Unknown(), "h?", "how the state of any other"),
        ("ftrl", "h?", "how the state of any other"),
    ],
)
def test_an_error_before_the_first_step(optimizer, pattern, message, tmp_path):
    model = compiled(network(), optimizer)
    with pytest.raises(ValueError, match=message):
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
        model.fit(x, x[:, :3], batch_size=16, verbose=0, callbacks=[callback])
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
    assert events[0][:2] == [1, "h0"]
    assert events[0][2] < 0.5
    assert "spread over several replicas" in result.stderr
