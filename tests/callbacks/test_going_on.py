"""A resumed training with another callback writes into its own run, or a new one.

A model that is saved and loaded has a new optimizer, so this process knows nothing
about it, as if it were another process.
"""

import shutil

import keras
import numpy as np
import pytest
from keras import layers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_initkit import LayerStatsCallback, layer_stats

X = np.random.default_rng(0).normal(size=(60, 8)).astype("float32")
Y = X[:, :1]
STEPS_PER_EPOCH = 3
FIRST, SECOND = "layer_stats", "layer_stats_2"


def network(seed=0, is_built=True):
    keras.utils.set_random_seed(seed)
    parts = [layers.Dense(50, "relu", name="hidden"), layers.Dense(1, name="head")]
    model = keras.Sequential([keras.Input((8,)), *parts] if is_built else parts)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    return model


def fit(model, log_dir, *callbacks, epochs=1, **options):
    callback = LayerStatsCallback(log_dir, update_freq=1, **options)
    model.fit(
        X, Y, batch_size=20, epochs=epochs, shuffle=False, verbose=0,
        callbacks=[callback, *callbacks],
    )  # fmt: skip
    return model


def saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


def steps_of_runs(log_dir):
    steps = {}
    for run in sorted(log_dir.iterdir()):
        accumulator = EventAccumulator(str(run), {"tensors": 0}).Reload()
        tensors = accumulator.Tensors("initkit/weight_mean")
        steps[run.name] = [event.step for event in tensors]
    return steps


def epochs(start, end):
    return list(range(STEPS_PER_EPOCH * start, STEPS_PER_EPOCH * end))


@pytest.fixture
def log_dir(tmp_path):
    return tmp_path / "logs"


@pytest.mark.parametrize("seed", [1, 0], ids=["another", "a twin"])
@pytest.mark.parametrize("is_built", [True, False], ids=["built", "late"])
def test_in_one_process(seed, is_built, log_dir):
    model = fit(network(0, is_built), log_dir)
    fit(network(seed, is_built), log_dir, epochs=2)
    fit(model, log_dir)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 2), SECOND: epochs(0, 2)}


@pytest.mark.parametrize("seed", [1, 0], ids=["another", "a twin"])
def test_saved_and_loaded(seed, log_dir, tmp_path):
    model = fit(network(), log_dir)
    fit(network(seed), log_dir, epochs=3)
    fit(saved_and_loaded(model, tmp_path), log_dir, epochs=2)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 3), SECOND: epochs(0, 3)}


def test_of_trainings_that_began_alike_it_is_the_one_that_ended_there(
    log_dir, tmp_path
):
    fit(network(), log_dir, epochs=3)
    model = fit(network(), log_dir, epochs=1)
    fit(saved_and_loaded(model, tmp_path), log_dir)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 3), SECOND: epochs(0, 2)}


def test_from_a_checkpoint_before_the_end(log_dir, tmp_path):
    path = str(tmp_path / "{epoch}.keras")
    fit(network(), log_dir, keras.callbacks.ModelCheckpoint(path), epochs=3)
    fit(network(1), log_dir)
    fit(keras.models.load_model(path.format(epoch=2)), log_dir)
    assert steps_of_runs(log_dir) == {
        FIRST: epochs(0, 3) + epochs(2, 3),
        SECOND: epochs(0, 1),
    }


def test_steps_that_are_lived_twice_are_in_the_history_as_in_tensorboard(
    log_dir, tensorboard_server, plugin_data, wait_until
):
    model, callback = network(), LayerStatsCallback(log_dir, update_freq=1)
    options = {"batch_size": 20, "shuffle": False, "verbose": 0}
    model.fit(X, Y, callbacks=[callback], **options)
    variables = [*model.variables, *model.optimizer.variables]
    checkpoint = [keras.ops.convert_to_numpy(v) for v in variables]
    model.fit(X, Y, epochs=2, callbacks=[callback], **options)
    lost = callback.history["gradient_variance"]
    for variable, value in zip(variables, checkpoint, strict=True):
        variable.assign(value)
    model.optimizer.learning_rate = 0.02
    model.fit(X, Y, epochs=1, callbacks=[callback], **options)

    history = callback.history
    steps = epochs(0, 2)
    assert history.steps.tolist() == steps
    # Up to the first step with the other learning rate, all is as it was.
    first = STEPS_PER_EPOCH + 1
    np.testing.assert_array_equal(history["gradient_variance"][:first], lost[:first])
    assert (history["gradient_variance"][first:] != lost[first : len(steps)]).all()
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 3) + epochs(1, 2)}
    with tensorboard_server(log_dir) as url:

        def scalars():
            tag = "training/learning_rate"
            return plugin_data(url, "scalars/scalars", run=FIRST, tag=tag)

        wait_until(lambda: plugin_data(url, "scalars/tags").get(FIRST))
        wait_until(lambda: len(scalars()) == len(steps))
        of_tensorboard = [(step, rate) for _, step, rate in scalars()]
        query = {"run": FIRST, "statistic": "gradient_variance"}
        of_the_tab = plugin_data(url, "initkit/profiles", **query)
    rates = history.learning_rates.tolist()
    assert of_tensorboard == list(zip(steps, rates, strict=True))
    count, width = np.frombuffer(of_the_tab, "<u4", 2)
    assert np.frombuffer(of_the_tab, "<f8", count, 8).tolist() == steps
    values = np.frombuffer(of_the_tab, "<f4", count * width, 8 + 8 * count + 4 * width)
    np.testing.assert_array_equal(
        values.reshape(count, width), history["gradient_variance"].astype("float32")
    )


def test_again_and_again(log_dir, tmp_path):
    model = fit(network(), log_dir)
    fit(network(1), log_dir)
    for _ in range(2):
        model = fit(saved_and_loaded(model, tmp_path), log_dir)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 3), SECOND: epochs(0, 1)}


def test_after_an_interrupt_in_the_same_process(log_dir):
    def interrupt(batch, logs):
        if batch == 1:
            raise KeyboardInterrupt

    model = network()
    stop = keras.callbacks.LambdaCallback(on_train_batch_begin=interrupt)
    callback = LayerStatsCallback(log_dir, update_freq=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=20, verbose=0, callbacks=[callback, stop])
    assert callback.history.steps.tolist() == [0]
    fit(network(1), log_dir)
    fit(model, log_dir)
    assert steps_of_runs(log_dir) == {FIRST: [0, 1, 2, 3], SECOND: epochs(0, 1)}


# -- without proof, a new run begins ---------------------------------------------------


def test_other_weights_at_the_same_step(log_dir, tmp_path):
    model = saved_and_loaded(fit(network(), log_dir), tmp_path)
    kernel = keras.ops.convert_to_numpy(model.layers[-1].kernel).copy()
    kernel[0] = np.nextafter(kernel[0], 1)
    model.layers[-1].kernel.assign(kernel)
    fit(model, log_dir)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 1), SECOND: epochs(1, 2)}


def test_another_step_with_the_same_weights(log_dir, tmp_path):
    """Weights that another optimizer trains again are another training."""
    model = fit(network(), log_dir)
    successor = network(1)
    successor.set_weights(model.get_weights())
    fit(successor, log_dir)
    fit(saved_and_loaded(model, tmp_path), log_dir)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 2), SECOND: epochs(0, 1)}


def test_from_within_an_epoch(log_dir, tmp_path):
    path = tmp_path / "model.keras"
    fit(network(), log_dir, keras.callbacks.ModelCheckpoint(path, save_freq=2))
    fit(keras.models.load_model(path), log_dir)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 1), SECOND: [2, 3, 4]}


@pytest.mark.parametrize("is_loaded", [False, True], ids=["same model", "loaded"])
def test_other_layers(is_loaded, log_dir, tmp_path):
    """Under one tag, TensorBoard takes vectors of one length."""
    model = fit(network(), log_dir, layers="hidden")
    fit(saved_and_loaded(model, tmp_path) if is_loaded else model, log_dir)
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 1), SECOND: epochs(1, 2)}


# -- the origin of the marks -----------------------------------------------------------


def test_in_a_directory_that_was_removed_they_are_made_again(log_dir, tmp_path):
    def remove(batch, logs):
        if batch == 1:  # in each epoch
            shutil.rmtree(log_dir)

    remover = keras.callbacks.LambdaCallback(on_train_batch_begin=remove)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    fit(network(), log_dir, remover, checkpoint, epochs=2)
    accumulator = EventAccumulator(str(log_dir / FIRST)).Reload()
    assert [e.value for e in accumulator.Scalars("recording/interval")] == [1]
    fit(network(1), log_dir)
    fit(keras.models.load_model(tmp_path / "1.keras"), log_dir)
    assert steps_of_runs(log_dir) == {
        FIRST: epochs(0, 2) + epochs(1, 2),
        SECOND: epochs(0, 1),
    }


def test_in_a_loop_of_the_users_own(log_dir, tmp_path):
    def loop(model):
        with layer_stats(model, log_dir, update_freq=1):
            for start in (0, 20, 40):
                model.train_on_batch(X[start : start + 20], Y[start : start + 20])
        return model

    model = loop(network())
    loop(network(1))
    loop(saved_and_loaded(model, tmp_path))
    assert steps_of_runs(log_dir) == {FIRST: epochs(0, 2), SECOND: epochs(0, 1)}


def test_a_damaged_run_is_none_of_its_own(log_dir, tmp_path):
    model = fit(network(), log_dir)
    (file,) = (log_dir / FIRST).iterdir()
    file.write_bytes(file.read_bytes()[:100])
    fit(saved_and_loaded(model, tmp_path), log_dir)
    assert sorted(run.name for run in log_dir.iterdir()) == [FIRST, SECOND]
