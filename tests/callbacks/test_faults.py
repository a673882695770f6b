import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import keras
import numpy as np
import pytest
from keras import layers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit import LayerStatsCallback
from keras_initkit.tensorboard.event_file import EventFile

X = np.random.default_rng(0).normal(size=(200, 5)).astype("float32")
Y = X[:, :1]
EVERY_STEP = {"update_freq": 1}


def compiled(optimizer="sgd", **options):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(4, name="hidden")
    model = keras.Sequential([keras.Input((5,)), hidden, layers.Dense(1, name="head")])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, *callbacks, x=X, epochs=1):
    history = model.fit(
        x, Y, batch_size=10, epochs=epochs, shuffle=False, verbose=0,
        callbacks=list(callbacks),
    )  # fmt: skip
    return history.history["loss"]


def vectors(directory, tag="initkit/gradient_variance"):
    accumulator = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    events = accumulator.Reload().Tensors(tag)
    return [e.step for e in events], [make_ndarray(e.tensor_proto) for e in events]


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]


class At(keras.callbacks.Callback):
    """Does something before a batch, counted over all epochs."""

    def __init__(self, batch, action):
        super().__init__()
        self.countdown, self.action = batch, action

    def on_train_batch_begin(self, batch, logs=None):
        if self.countdown == 0:
            self.action()
        self.countdown -= 1


# -- killed ----------------------------------------------------------------------------

ENDLESS = """
    import sys, time, keras, numpy as np
    from keras_initkit import LayerStatsCallback
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print(int(self.model.optimizer.iterations) - 1, time.time(), flush=True)
            time.sleep(0.02 if batch < 100 else 3)  # in the end, slow steps

    x = np.ones((1000, 5), "float32")
    callback = LayerStatsCallback(
        sys.argv[1], update_freq=1, flush_secs=0.5
    )
    callbacks = [callback, Clock()]
    model.fit(x, x[:, :1], batch_size=1, verbose=0, callbacks=callbacks)
"""


def test_what_is_older_than_the_flush_interval_survives_a_kill(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ENDLESS), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    times = {}
    for line in process.stdout:
        step, moment = line.split()
        times[int(step)] = float(moment)
        if int(step) == 100:  # no further step comes within 3 seconds
            time.sleep(2)
            break
    process.send_signal(signal.SIGKILL)
    killed = time.time()
    process.wait()
    steps, _ = vectors(tmp_path / "layer_stats")
    old = [step for step, moment in times.items() if moment < killed - 1]
    assert 100 in old
    assert steps == old


# -- a directory that is removed, a disk that is full ----------------------------------


def test_a_removed_directory_is_made_again_with_all_that_was_in_it(tmp_path, caplog):
    callback = LayerStatsCallback(tmp_path / "logs", **EVERY_STEP)
    remove = At(70, lambda: shutil.rmtree(tmp_path / "logs"))
    losses = fit(compiled(), callback, remove, epochs=10)
    assert losses == fit(compiled(), epochs=10)
    (warning,) = warnings_of(caplog)
    assert "No such file or directory" in warning
    assert "logs/layer_stats" in warning
    steps, values = vectors(tmp_path / "logs" / "layer_stats")
    assert steps == list(range(200))
    np.testing.assert_array_equal(
        values, callback.history["gradient_variance"].astype("float32")
    )


def test_a_file_that_another_program_empties_is_written_anew(tmp_path, caplog):
    def empty():
        _ = callback.history  # some of it is in the file
        (file,) = (tmp_path / "layer_stats").iterdir()
        os.truncate(file, 100)

    callback = LayerStatsCallback(tmp_path, **EVERY_STEP)
    losses = fit(compiled(), callback, At(70, empty), epochs=10)
    assert losses == fit(compiled(), epochs=10)
    (warning,) = warnings_of(caplog)
    assert "Another program has made the file shorter" in warning
    assert vectors(tmp_path / "layer_stats")[0] == list(range(200))


def test_after_a_full_disk_the_file_is_filled_up(tmp_path, caplog, monkeypatch):
    write = EventFile.add
    full = []

    def add(self, event):
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, event)

    monkeypatch.setattr(EventFile, "add", add)
    callback = LayerStatsCallback(tmp_path, **EVERY_STEP)
    fill, free = At(30, lambda: full.append(1)), At(150, full.clear)
    assert fit(compiled(), callback, fill, free, epochs=10) == fit(
        compiled(), epochs=10
    )
    (warning,) = warnings_of(caplog)
    assert "No space left on device" in warning
    assert vectors(tmp_path / "layer_stats")[0] == list(range(200))


def test_a_disk_that_stays_full_costs_the_file_and_nothing_else(
    tmp_path, caplog, monkeypatch
):
    def add(self, event):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    callback = LayerStatsCallback(tmp_path, **EVERY_STEP, histogram_steps=5)
    fill = At(0, lambda: monkeypatch.setattr(EventFile, "add", add))
    assert fit(compiled(), callback, fill, epochs=3) == fit(compiled(), epochs=3)
    assert len(warnings_of(caplog)) == 1
    assert callback.history.steps.tolist() == list(range(60))


def test_warnings_as_errors_do_not_stop_the_training(tmp_path, recwarn):
    import warnings

    callback = LayerStatsCallback(tmp_path / "logs", **EVERY_STEP)
    remove = At(5, lambda: shutil.rmtree(tmp_path / "logs"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="keras_initkit")
        fit(compiled(), callback, remove)
    assert len(callback.history.steps) == 20


# -- numbers that are not finite -------------------------------------------------------


def test_nan_and_infinity_are_counted_and_written(tmp_path):
    x = X.copy()
    x[55, 2] = np.inf  # in the sixth batch
    callback = LayerStatsCallback(tmp_path, statistics="all", **EVERY_STEP)
    fit(compiled(), callback, x=x)
    history = callback.history
    assert history.steps.tolist() == list(range(20))
    # An infinite input makes the gradients of both layers NaN or infinite. These make
    # the weights NaN or infinite, and the weights everything else.
    assert (history["gradient_nonfinite_count"][:5] == 0).all()
    assert history["gradient_nonfinite_count"][5, 0] > 0
    assert history["weight_nonfinite_count"][5].tolist() == [0, 0]
    np.testing.assert_array_equal(history["weight_nonfinite_count"][6:, 0], 20)
    _, values = vectors(tmp_path / "layer_stats", "initkit/weight_variance")
    assert np.isnan(values[6]).all()
    _, counts = vectors(tmp_path / "layer_stats", "initkit/weight_nonfinite_count")
    assert counts[6].tolist() == [20, 4]


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_skipped_step_is_recorded_as_skipped(run_eagerly, tmp_path):
    x = X.copy()
    x[35] = np.nan  # in the fourth batch
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(), dynamic_growth_steps=6
    )
    callback = LayerStatsCallback(tmp_path, statistics="all", **EVERY_STEP)
    model = compiled(scaled, run_eagerly=run_eagerly)
    fit(model, callback, x=x)
    history = callback.history
    assert history.steps.tolist() == [0, 1, 2, 3, *range(3, 19)]
    # When the scale grows, the counter also restarts, and nothing is skipped.
    assert np.flatnonzero(history.skipped).tolist() == [3]
    assert history["gradient_nonfinite_count"][3].tolist() == [20, 4]
    assert history["update_ratio"][3].tolist() == [0, 0]
    assert (history["update_ratio"][4] > 0).all()
    assert np.isfinite(np.delete(history["gradient_variance"], 3, axis=0)).all()


# -- interrupted -----------------------------------------------------------------------


def test_what_an_interrupt_leaves_is_taken_away_by_the_next_fit(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    model = compiled()
    callback = LayerStatsCallback(tmp_path / "one", **EVERY_STEP, statistics="all")
    callback.set_params({})
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, At(7, interrupt))
    _ = callback.history  # writes the waiting records
    file = callback._recorder._file
    other = LayerStatsCallback(tmp_path / "other", flush_secs=0.1, **EVERY_STEP)
    fit(model, other)
    assert "apply" not in vars(model.optimizer)
    assert all("call" not in vars(layer) for layer in model._flatten_layers())
    # Within its flush interval, the first thread notices that it is replaced.
    deadline = time.monotonic() + 10
    while not file._file._file.closed and time.monotonic() < deadline:
        time.sleep(0.1)
    assert file._file._file.closed
    assert vectors(tmp_path / "one" / "layer_stats")[0] == list(range(7))


# -- very large models -----------------------------------------------------------------


LARGE = """
    import json, resource, sys, keras, numpy as np
    from keras import layers
    from keras_initkit import LayerStatsCallback

    log_dir, kind = sys.argv[1:]
    if kind == "deep":
        sys.setrecursionlimit(20_000)  # Keras needs it for so deep a model
        hidden = [layers.Dense(32, "relu") for _ in range(1000)]
        x = np.ones((64, 32), "float32")
    else:
        hidden = [layers.Dense(10_000), layers.Dense(9_000)]
        x = np.ones((64, 1_000), "float32")
    model = keras.Sequential([keras.Input(x.shape[1:]), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x_y = x, x[:, :1]

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    if kind == "wide":  # the deep one takes a minute to trace
        model.fit(*x_y, batch_size=32, verbose=0)
    before = peak()
    callback = LayerStatsCallback(log_dir)
    model.fit(*x_y, batch_size=32, epochs=2, verbose=0, callbacks=[callback])
    history = callback.history
    print(json.dumps({
        "parameters": model.count_params(),
        "steps": history.steps.tolist(),
        "layers": len(history.layers),
        "finite": bool(np.isfinite(history["gradient_variance"]).all()),
        "more_memory": peak() - before,
    }))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "num_layers", "least_parameters"),
    [("deep", 1001, 1e6), ("wide", 3, 100e6)],
)
def test_a_very_large_model_trains(kind, num_layers, least_parameters, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(LARGE), str(tmp_path), kind]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = json.loads(result.stdout.splitlines()[-1])
    assert seen["parameters"] > least_parameters
    assert seen["layers"] == num_layers
    assert len(seen["steps"]) == 4
    assert seen["finite"]
    if kind == "wide":
        # All gradients are kept until the last one is measured. There are also the
        # rows, and some room for the graph.
        assert seen["more_memory"] < 4 * seen["parameters"] + 200e6
