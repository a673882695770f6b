"""The contents of a callback's run for TensorBoard's own tabs."""

import io
import logging
import types

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit import (
    DynamicRescaling,
    DynamicRescalingCallback,
    LayerStatsCallback,
    lsuv,
    reinitialize,
)
from keras_initkit.callbacks import recorder
from keras_initkit.tensorboard import run_file
from tensorboard_plugin_initkit.metadata import intended_tag, summary_tags

X = np.random.default_rng(0).normal(size=(60, 8)).astype("float32")
Y = np.arange(60) % 3
PICTURES = "layer_heatmap/gradient_variance"
INTENDED = intended_tag("weight_variance")


def network(*before):
    model = keras.Sequential(
        [
            *before,
            layers.Dense(16, "relu", kernel_initializer="he_normal"),
            layers.Dense(16, kernel_initializer=DynamicRescaling()),
            layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


def built():
    return network(keras.Input((8,)))


def fit(model, log_dir, epochs=1, **arguments):
    callback = LayerStatsCallback(log_dir, **arguments)
    losses = model.fit(
        X, Y, batch_size=20, epochs=epochs, verbose=0, callbacks=[callback]
    ).history["loss"]
    return callback, losses


def contents(log_dir):
    unlimited = {"tensors": 0, "scalars": 0}
    return EventAccumulator(str(log_dir / "layer_stats"), unlimited).Reload()


def test_what_the_initializers_intend(tmp_path):
    model = built()
    draw = model.layers[1].kernel.numpy()
    fit(model, tmp_path)
    [event] = contents(tmp_path).Tensors(INTENDED)
    he, rescaled, glorot = make_ndarray(event.tensor_proto)
    np.testing.assert_allclose([he, glorot], [2 / 8, 2 / 19], rtol=1e-6)
    np.testing.assert_allclose(rescaled, draw.var(), rtol=0.2)


def intended(log_dir):
    *_, event = contents(log_dir).Tensors(INTENDED)
    return make_ndarray(event.tensor_proto)


def test_what_a_rescaling_intends(tmp_path):
    model = built()
    large = keras.initializers.RandomNormal(stddev=2.0)
    reinitialize(model, seed=0, initializers={model.layers[0].name: large})
    before = keras.ops.convert_to_numpy(model.layers[0].kernel)
    rescaling = DynamicRescalingCallback(log_dir=None)
    stats = LayerStatsCallback(tmp_path)
    model.fit(X, Y, batch_size=20, verbose=0, callbacks=[stats, rescaling])
    [event] = rescaling.events
    assert event.layer == "dense"
    # The factor brings this very kernel to He's scale; it was drawn from 2^2.
    expected = 2**2 * 2 / 8 / np.mean(before**2)
    np.testing.assert_allclose(intended(tmp_path)[0], expected, rtol=1e-5)


def test_what_lsuv_intends(tmp_path):
    model = built()
    lsuv(model, X)
    kernels = [keras.ops.convert_to_numpy(layer.kernel) for layer in model.layers]
    fit(model, tmp_path)
    expected = [np.mean(kernel**2) for kernel in kernels]
    np.testing.assert_allclose(intended(tmp_path), expected, rtol=1e-5)


def test_what_the_weights_of_a_checkpoint_were_meant_to_be_is_unknown(tmp_path):
    model = built()
    first, *others = model.get_weights()
    model.set_weights([first * 3, *others])
    fit(model, tmp_path)
    vector = intended(tmp_path)
    assert np.isnan(vector).tolist() == [True, False, False]
    # A training that goes on has other weights, but began with these.
    fit(model, tmp_path, epochs=20)
    np.testing.assert_array_equal(intended(tmp_path), vector)


def test_weights_that_are_drawn_anew_in_one_run(tmp_path):
    model = built()
    stats = LayerStatsCallback(tmp_path, update_freq=1)
    for initializer in ("glorot_uniform", "he_normal"):
        reinitialize(model, seed=0, initializers=initializer)
        model.fit(X, Y, batch_size=20, verbose=0, callbacks=[stats])
    expected = [2 / 8, 2 / 16, 2 / 16]
    np.testing.assert_allclose(intended(tmp_path), expected, rtol=1e-6)
    assert stats.history.steps.tolist() == [0, 1, 2]


def test_losses_and_metrics(tmp_path):
    callback, losses = fit(built(), tmp_path, epochs=2)
    events = contents(tmp_path)
    recorded = events.Scalars("training/loss")
    assert [event.step for event in recorded] == callback.history.steps.tolist()
    values = [event.value for event in recorded]
    np.testing.assert_array_equal(values, callback.history.losses.astype("float32"))
    of_epochs = events.Scalars("epoch/loss")
    assert [event.step for event in of_epochs] == [2, 5]
    np.testing.assert_allclose([event.value for event in of_epochs], losses, rtol=1e-6)


def test_logs_that_are_no_numbers_stop_nothing(tmp_path):
    def add(epoch, logs):
        logs["note"] = "theirs"

    before = keras.callbacks.LambdaCallback(on_epoch_end=add)
    stats = LayerStatsCallback(tmp_path)
    built().fit(X, Y, verbose=0, callbacks=[before, stats])
    tags = contents(tmp_path).Tags()["scalars"]
    assert [tag for tag in tags if tag.startswith("epoch/")] == ["epoch/loss"]


def test_what_the_initializers_intend_in_a_model_that_is_built_late(tmp_path):
    fit(network(), tmp_path)
    [event] = contents(tmp_path).Tensors(INTENDED)
    vector = make_ndarray(event.tensor_proto)
    expected = np.array([2 / 8, 1 / 16, 2 / 19], "float32")
    np.testing.assert_allclose(vector, expected, rtol=1e-6)


def test_intended_variances_draw_from_no_generator_of_the_training(tmp_path):
    def losses(log_dir):
        keras.utils.set_random_seed(7)
        model = built()
        callbacks = [LayerStatsCallback(log_dir)] if log_dir else []
        history = model.fit(X, Y, batch_size=20, verbose=0, callbacks=callbacks)
        next_draws = np.random.random(), float(keras.random.uniform(()))
        return history.history["loss"], next_draws

    assert losses(tmp_path) == losses(None)


def test_without_a_log_dir_there_is_the_history_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    options = {"histogram_steps": 1, "on_record": found.append}
    keras.utils.set_random_seed(0)
    callback, losses = fit(built(), None, **options)
    assert list(tmp_path.iterdir()) == []
    keras.utils.set_random_seed(0)
    written, same_losses = fit(built(), tmp_path / "logs")
    assert losses == same_losses
    assert [record.step for record in found] == written.history.steps.tolist()
    for key in written.history:
        np.testing.assert_array_equal(callback.history[key], written.history[key])


def test_percentiles_of_every_statistic(tmp_path):
    callback, _ = fit(built(), tmp_path)
    tags = contents(tmp_path)
    for key, values in callback.history.items():
        is_log10 = not key.endswith("mean")
        shown = np.log10(values) if is_log10 else values
        expected = np.percentile(shown, [50, 10, 90], axis=1)
        for tag, numbers in zip(summary_tags(key, is_log10), expected, strict=True):
            values = [event.value for event in tags.Scalars(tag)]
            np.testing.assert_allclose(values, numbers, rtol=1e-5, atol=1e-12)


def test_a_picture_at_the_end_of_each_epoch(tmp_path):
    fit(built(), tmp_path, epochs=3, max_overhead=1e6)
    events = contents(tmp_path).Tensors(PICTURES)
    # The last recorded step of each epoch of three.
    assert [event.step for event in events] == [2, 5, 8]
    for event in events:
        width, height, png = event.tensor_proto.string_val
        size = (int(width), int(height))
        assert Image.open(io.BytesIO(png)).size == size


def test_of_many_epochs_ever_fewer_have_a_picture(tmp_path):
    fit(built(), tmp_path, epochs=40, update_freq=1, max_overhead=1e6)
    steps = [event.step for event in contents(tmp_path).Tensors(PICTURES)]
    epochs = [*range(17), *range(18, 32, 2), 32, 36, 39]
    assert steps == [3 * epoch + 2 for epoch in epochs]


def test_pictures_go_on_in_the_next_fit(tmp_path):
    model = built()
    callback, _ = fit(model, tmp_path)
    model.fit(X, Y, batch_size=20, verbose=0, callbacks=[callback])
    steps = [event.step for event in contents(tmp_path).Tensors(PICTURES)]
    assert steps == [2, 5]


def test_pictures_take_no_more_than_max_overhead(tmp_path, monkeypatch):
    now = [0.0]
    drawn = []

    def draw(file, key, layers, steps, values):
        drawn.append(len(steps))
        now[0] += 1.0

    class Clock(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            now[0] += 30.0

    monkeypatch.setattr(run_file, "write_layer_heatmap", draw)
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(recorder, "time", clock)
    callback = LayerStatsCallback(tmp_path, max_overhead=0.02)
    built().fit(X, Y, batch_size=20, epochs=6, verbose=0, callbacks=[callback, Clock()])
    # One second of drawing is less than 2 % of two epochs (60 s), but not of one.
    assert drawn == [3, 9, 15, 18]


def test_without_its_statistic_there_is_no_picture(tmp_path, caplog):
    fit(built(), tmp_path, statistics="weight_mean")
    tags = contents(tmp_path).Tags()["tensors"]
    assert "initkit/weight_mean" in tags
    assert not {PICTURES, INTENDED} & set(tags)
    assert not caplog.records


@pytest.mark.parametrize("error", [ImportError("no PIL"), ValueError("odd")])
def test_what_cannot_be_drawn_costs_one_warning(tmp_path, monkeypatch, caplog, error):
    def draw(*arguments):
        raise error

    monkeypatch.setattr(run_file, "write_layer_heatmap", draw)
    keras.utils.set_random_seed(0)
    callback, losses = fit(built(), tmp_path / "a", epochs=3)
    monkeypatch.undo()
    keras.utils.set_random_seed(0)
    assert losses == fit(built(), tmp_path / "b", epochs=3)[1]
    messages = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(messages) == 1
    assert "could not draw a picture" in messages[0]
    assert len(callback.history.steps) == 9


def runs(log_dir):
    return sorted(path.name for path in log_dir.iterdir())


def test_a_new_training_does_not_write_into_an_earlier_run(tmp_path):
    for _ in range(3):  # as in three processes, each with its own callback
        fit(built(), tmp_path)
    assert runs(tmp_path) == ["layer_stats", "layer_stats_2", "layer_stats_3"]
    for run in tmp_path.iterdir():
        assert len(list(run.iterdir())) == 1


def test_a_training_that_goes_on_does_so_in_its_run(tmp_path):
    fit(built(), tmp_path)
    model = built()
    fit(model, tmp_path)
    fit(model, tmp_path)  # another callback, at step 3
    assert runs(tmp_path) == ["layer_stats", "layer_stats_2"]
    accumulator = EventAccumulator(str(tmp_path / "layer_stats_2")).Reload()
    steps = [event.step for event in accumulator.Tensors("initkit/weight_mean")]
    assert steps == list(range(6))


def test_a_training_that_goes_on_somewhere_else_begins_there(tmp_path):
    model = built()
    fit(model, tmp_path / "a")
    fit(model, tmp_path / "b")
    assert runs(tmp_path / "b") == ["layer_stats"]


def test_a_directory_without_events_is_another_training_s_that_has_none_yet(tmp_path):
    (tmp_path / "layer_stats").mkdir()
    model = built()
    fit(model, tmp_path)
    assert list((tmp_path / "layer_stats").iterdir()) == []
    fit(model, tmp_path)  # it finds its own run after that
    assert runs(tmp_path) == ["layer_stats", "layer_stats_2"]
