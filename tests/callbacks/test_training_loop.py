import time

import keras
import numpy as np
import pytest
from keras import layers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_initkit import LayerStatsCallback, layer_stats

BACKEND = keras.backend.backend()
only_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="tf.function is TensorFlow's"
)
X = np.random.default_rng(0).normal(size=(160, 5)).astype("float32")
Y = X[:, :1]
BATCHES = [(X[start : start + 8], Y[start : start + 8]) for start in range(0, 160, 8)]


def network():
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(4, activation="relu", name="hidden")
    return keras.Sequential([keras.Input((5,)), hidden, layers.Dense(1, name="head")])


def compiled(**options):
    model = network()
    model.compile(keras.optimizers.Adam(0.01), "mse", **options)
    return model


def mean_square(y_pred, y):
    return keras.ops.mean((y_pred - y) ** 2)


def from_scratch(model, optimizer, is_compiled=True):
    """The user's own training step, as in the guide of each backend."""
    make = {"tensorflow": with_a_tape, "jax": stateless, "torch": with_backward}
    return make[BACKEND](model, optimizer, is_compiled)


def with_a_tape(model, optimizer, is_compiled):
    import tensorflow as tf

    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = mean_square(model(x, training=True), y)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    return tf.function(train_step) if is_compiled else train_step


def stateless(model, optimizer, is_compiled):
    import jax

    optimizer.build(model.trainable_variables)
    parts = (
        model.trainable_variables,
        model.non_trainable_variables,
        optimizer.variables,
    )

    def step(state, x, y):
        trainable, others, slots = state

        def loss_and_others(trainable):
            y_pred, new = model.stateless_call(trainable, others, x, training=True)
            return mean_square(y_pred, y), new

        gradients, others = jax.grad(loss_and_others, has_aux=True)(trainable)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return trainable, others, slots

    step = jax.jit(step) if is_compiled else step

    def train_step(x, y):
        state = step([[v.value for v in part] for part in parts], x, y)
        for part, values in zip(parts, state, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)

    return train_step


def with_backward(model, optimizer, is_compiled):
    import torch

    def train_step(x, y):
        model.zero_grad()
        x, y = torch.as_tensor(x), torch.as_tensor(y)
        mean_square(model(x, training=True), y).backward()
        variables = model.trainable_variables
        with torch.no_grad():
            optimizer.apply([v.value.grad for v in variables], variables)

    return train_step


@pytest.fixture(scope="module")
def in_fit(tmp_path_factory):
    """The same steps in `fit`: its history and the final weights."""
    callback = LayerStatsCallback(
        tmp_path_factory.mktemp("fit"),
        statistics="all",
        update_freq=1,
    )
    model = compiled()
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=[callback])
    return callback.history, model.get_weights()


def assert_equal(history, weights, in_fit):
    expected, expected_weights = in_fit
    assert history.steps.tolist() == expected.steps.tolist()
    np.testing.assert_allclose(history.learning_rates, 0.01, rtol=1e-6)
    np.testing.assert_allclose(expected.learning_rates, 0.01, rtol=1e-6)
    for key, values in history.items():
        np.testing.assert_allclose(
            values, expected[key], rtol=1e-5, atol=1e-7, err_msg=key
        )
    for weight, wanted in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [{}, {"run_eagerly": True}, {"jit_compile": True}],
    ids=lambda options: "-".join(options) or "graph",
)
def test_train_on_batch(options, tmp_path, in_fit):
    if BACKEND != "tensorflow" and "jit_compile" in options:
        pytest.skip("JAX compiles anyway, and torch.compile changes the numbers")
    plain = compiled(**options)
    for x, y in BATCHES:
        plain.train_on_batch(x, y)
    model = compiled(**options)
    with layer_stats(model, tmp_path, statistics="all", update_freq=1) as stats:
        for x, y in BATCHES:
            model.train_on_batch(x, y)
    assert_equal(stats.history, model.get_weights(), in_fit)
    for weight, bare in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, bare)
    assert "apply" not in vars(model.optimizer)
    assert all("call" not in vars(layer) for layer in model._flatten_layers())


@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_loop_from_scratch(is_compiled, tmp_path, in_fit):
    if BACKEND == "torch" and is_compiled:
        pytest.skip("torch.compile changes the numbers")
    plain, optimizer = network(), keras.optimizers.Adam(0.01)
    step = from_scratch(plain, optimizer, is_compiled)
    for x, y in BATCHES:
        step(x, y)
    model, optimizer = network(), keras.optimizers.Adam(0.01)
    step = from_scratch(model, optimizer, is_compiled)
    with layer_stats(model, tmp_path, optimizer, statistics="all", update_freq=1) as s:
        for x, y in BATCHES:
            step(x, y)
            model(x, training=False)  # another forward pass, without an update
    assert_equal(s.history, model.get_weights(), in_fit)
    for weight, bare in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, bare)


def test_a_function_traced_within_records_no_more_afterwards(tmp_path):
    model, optimizer = network(), keras.optimizers.Adam(0.01)
    step = from_scratch(model, optimizer)
    with layer_stats(model, tmp_path, optimizer, update_freq=1) as stats:
        step(*BATCHES[0])
    assert stats.history.steps.tolist() == [0]
    for x, y in BATCHES:
        step(x, y)
    assert stats.history.steps.tolist() == [0]


@only_tensorflow
def test_a_function_traced_before_is_said(tmp_path, caplog):
    model, optimizer = network(), keras.optimizers.Adam(0.01)
    step = from_scratch(model, optimizer)
    step(*BATCHES[0])
    with layer_stats(model, tmp_path, optimizer) as stats:
        step(*BATCHES[1])
    assert len(stats.history.steps) == 0
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]
    assert "nothing was recorded in 1 steps" in warning
    assert "traced before" in warning


@only_tensorflow
def test_no_step_is_lost_in_a_loop_within_the_graph(tmp_path, caplog):
    """Thousands of steps that never call Python."""
    import tensorflow as tf

    model, optimizer = network(), keras.optimizers.SGD(1e-3)
    step = from_scratch(model, optimizer, is_compiled=False)
    x, y = map(tf.constant, BATCHES[0])

    @tf.function
    def train(steps):
        for _ in tf.range(steps):
            step(x, y)

    # At most as many rows as are kept until a late thread reads them.
    with layer_stats(model, tmp_path, optimizer, update_freq=20) as stats:
        train(tf.constant(3000))
    assert stats.history.steps.tolist() == [*range(20), *range(20, 3000, 20)]
    assert not [r for r in caplog.records if r.name == "keras_initkit"]


def test_the_file_is_filled_while_the_loop_runs(tmp_path):
    model = compiled()

    def steps_in_file():
        if not (tmp_path / "layer_stats").exists():
            return []
        accumulator = EventAccumulator(str(tmp_path / "layer_stats")).Reload()
        if "initkit/weight_mean" not in accumulator.Tags()["tensors"]:
            return []
        return [event.step for event in accumulator.Tensors("initkit/weight_mean")]

    with layer_stats(model, tmp_path, update_freq=1, flush_secs=0.1):
        for x, y in BATCHES[:3]:
            model.train_on_batch(x, y)
        for _ in range(100):
            if steps_in_file() == [0, 1, 2]:
                break
            time.sleep(0.05)
        assert steps_in_file() == [0, 1, 2]


def test_an_exception_passes_through_and_leaves_nothing_behind(tmp_path):
    model = compiled()

    def interrupted():
        with layer_stats(model, tmp_path) as stats:
            everything.append(stats)
            model.train_on_batch(*BATCHES[0])
            raise KeyboardInterrupt

    everything = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (stats,) = everything
    assert stats.history.steps.tolist() == [0]
    assert "apply" not in vars(model.optimizer)


def test_runs_of_several_networks_have_their_names(tmp_path):
    models = [compiled(), compiled()]
    for model, name in zip(models, ("generator", "discriminator"), strict=True):
        model.name = name
    with layer_stats(models[0], tmp_path) as one, layer_stats(models[1], tmp_path):
        for model in (*models, models[0]):
            model.train_on_batch(*BATCHES[0])
    assert one.history.steps.tolist() == [0, 1]
    for model in models:
        [file] = (tmp_path / "layer_stats" / model.name).glob("*tfevents*")
        assert file.stat().st_size
    assert len(list(tmp_path.rglob("*tfevents*"))) == 2


def test_an_optimizer_that_trains_another_model_is_said(tmp_path, caplog):
    trained, other = network(), network()
    optimizer = keras.optimizers.Adam(0.01)
    step = from_scratch(trained, optimizer, is_compiled=False)
    if BACKEND == "jax":
        pytest.skip("stateless_apply is given tensors, not variables")
    with layer_stats(other, tmp_path, optimizer) as stats:
        step(*BATCHES[0])
    assert np.isnan(stats.history["gradient_variance"]).all()
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]
    assert "no gradient of model" in warning
    assert repr(other.name) in warning


def test_within_it_fit_records_too(tmp_path):
    model = compiled()
    with layer_stats(model, tmp_path, update_freq=1) as stats:
        model.train_on_batch(*BATCHES[0])
        model.fit(X, Y, batch_size=80, verbose=0)
    assert stats.history.steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize("argument", ["update_freq", "histogram_steps"])
def test_there_are_no_epochs(argument, tmp_path):
    with (
        pytest.raises(ValueError, match=r"no epochs.*Received: \w+='epoch'"),
        layer_stats(compiled(), tmp_path, **{argument: "epoch"}),
    ):
        pass


def test_a_model_without_an_optimizer(tmp_path):
    with (
        pytest.raises(ValueError, match="must be compiled with an optimizer"),
        layer_stats(network(), tmp_path),
    ):
        pass
    assert not (tmp_path / "layer_stats").exists()
