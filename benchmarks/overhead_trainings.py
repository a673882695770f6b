"""The trainings that `callback_overhead.py` measures, each call in a new process.

This module imports Keras, so the environment variable KERAS_BACKEND must be set.
"""

import collections
import functools
import gc
import os
import queue
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_initkit import LayerStatsCallback, backends
from keras_initkit.backends import keras_private

BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.eager import context

    tf.get_logger().setLevel("ERROR")  # it warns about many models in one process

PIXELS, DIGITS, BATCH_SIZE = 784, 10, 128
STEPS_PER_EPOCH = 469  # 60,000 images
STEPS_PER_TURN, TURNS_PER_ROUND = 5, 10
STEPS_PER_ROUND = STEPS_PER_TURN * TURNS_PER_ROUND
FIRST_STEP_AFTER_WARM_UP = 20  # of the default schedule
# After this, all functions are compiled, and "auto" has compared recorded steps.
WARM_UP_STEPS = 100
SETTLED_STEPS = 51  # after two records of the default schedule
STEPS_PER_FIT = 50  # so the first step of each fit is recorded
STEPS_PER_LEAKING_FIT = 3
FLUSH_SECS = 3600.0  # longer than a run: nothing is written in another variant's turn
WHATEVER_IT_COSTS = 1e6  # a `max_overhead` that keeps "auto" at one step in 50
MEGABYTE = 1e6


class Training(keras.callbacks.Callback):
    """A `fit` in its own thread, which pauses and resumes.

    It is the last callback of that `fit`. A pause begins when the device is done.

    Args:
        model: a compiled model.
        callback: the callback to measure, or None.

    Attributes:
        callback: as given.
        seconds_to_first_step: from the call of `fit` to the end of its first step.
    """

    def __init__(
        self, model: keras.Model, callback: keras.callbacks.Callback | None
    ) -> None:
        super().__init__()
        self.callback = callback
        self._orders: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._steps_left = 1
        self._began = time.perf_counter()
        self._thread = threading.Thread(target=self._fit, args=(model,), daemon=True)
        self._thread.start()
        self.seconds_to_first_step = self._result()

    def run(self, steps: int) -> float:
        """Takes this many steps; returns the seconds."""
        self._orders.put(steps)
        return self._result()

    def stop(self) -> None:
        """Takes a last step, and ends the `fit`."""
        self._orders.put(0)
        self._result()
        self._thread.join()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        # With JAX, `self.model` would copy the whole state of the training.
        model: Any = self._model
        if self._steps_left == 0:
            counter = keras_private.raw_iterations(model.optimizer)
            backends.current().held(model, counter)  # waits for the device
            self._results.put(time.perf_counter() - self._began)
            self._steps_left = self._orders.get()
            model.stop_training = self._steps_left == 0
            self._began = time.perf_counter()
        self._steps_left -= 1

    def _fit(self, model: keras.Model) -> None:
        callbacks = [self] if self.callback is None else [self.callback, self]
        try:
            model.fit(**epoch(), epochs=sys.maxsize, callbacks=callbacks)
            self._results.put(time.perf_counter() - self._began)
        except BaseException as error:
            self._results.put(error)

    def _result(self) -> float:
        result = self._results.get()
        if isinstance(result, BaseException):
            raise result
        return result


class TapeCallback(keras.callbacks.Callback):
    """The usual workaround: computes the gradient again, outside the training step."""

    def __init__(self, wrap: Callable[[Any], Any] = lambda function: function) -> None:
        super().__init__()
        self.batch = tuple(map(tf.constant, batch()))
        self.measure = wrap(self._measure)
        self.variances: list[np.ndarray] = []

    def _measure(self, x: Any, y: Any) -> Any:
        kernels = [v.value for v in self.model.trainable_variables if len(v.shape) == 2]
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(y=y, y_pred=self.model(x))
        gradients = tape.gradient(loss, kernels)
        return tf.stack([tf.math.reduce_variance(t) for t in (*kernels, *gradients)])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.variances.append(self.measure(*self.batch).numpy())


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Images between 0 and 1, labels from 0 to 9."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCH_SIZE, PIXELS), dtype="float32")
    return images, rng.integers(0, DIGITS, BATCH_SIZE)


@functools.cache
def epoch(steps: int = STEPS_PER_EPOCH) -> dict[str, Any]:
    """Arguments of `fit`: the same batch over and over."""
    x, y = batch()
    options = {"shuffle": False, "verbose": 0}
    if BACKEND == "tensorflow":  # it would copy arrays for each `fit`
        data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(steps)
        return {"x": data, **options}
    x, y = np.tile(x, (steps, 1)), np.tile(y, steps)
    return {"x": x, "y": y, "batch_size": BATCH_SIZE, **options}


def dense_network(network: str, jit: bool) -> keras.Model:
    """A compiled ReLU network, `"10x256"` with ten hidden layers of 256 units."""
    depth, width = map(int, network.split("x"))
    # Keras walks through the layers of a model by recursion.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 20 * depth))
    # Separate seeds: with `set_random_seed`, TensorFlow drops compiled functions.
    hidden = [
        layers.Dense(width, "relu", kernel_initializer=keras.initializers.HeNormal(n))
        for n in range(depth)
    ]
    head = layers.Dense(DIGITS, kernel_initializer=keras.initializers.HeNormal(depth))
    model = keras.Sequential([keras.Input((PIXELS,)), *hidden, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = jit or BACKEND == "jax"
    model.compile(keras.optimizers.Adam(), loss, jit_compile=jit)
    return model


def make_callback(
    variant: Any, directory: str, jit: bool = False, **options: Any
) -> keras.callbacks.Callback | None:
    """The callback of a `callback_overhead.Variant`, which writes to a new directory.

    Args:
        variant: the variant.
        directory: the parent of the new directory.
        jit: whether the callback compiles with XLA.
        **options: further arguments of `LayerStatsCallback`.
    """
    directory = tempfile.mkdtemp(dir=directory)
    match variant.kind:
        case "none":
            return None
        case "layer_stats":
            options = {"flush_secs": FLUSH_SECS} | options | variant.options
            return LayerStatsCallback(directory, **options)
        case "tape, compiled":
            return TapeCallback(functools.partial(tf.function, jit_compile=jit))
        case "tape, eager":
            return TapeCallback()
        case "tensorboard":
            return keras.callbacks.TensorBoard(directory, histogram_freq=1)
    raise ValueError(f"Unknown kind of callback. Received: variant={variant}")


def load_framework(jit: bool) -> None:
    """Trains a tiny network, so the costs of the first `fit` do not count."""
    Training(dense_network("1x1", jit), None).stop()


def versions() -> str:
    """The backend and Keras."""
    return f"{BACKEND} {sys.modules[BACKEND].__version__}, Keras {keras.__version__}"


def measure_together(
    network: str, variants: list[Any], rounds: int, jit: bool
) -> dict[str, tuple[list[float], int | None]]:
    """The seconds per step of each variant, by round, and its interval at the end."""
    with tempfile.TemporaryDirectory() as directory:
        trainings = {
            v.name: Training(
                dense_network(network, jit), make_callback(v, directory, jit)
            )
            for v in variants
        }
        for training in trainings.values():
            training.run(WARM_UP_STEPS)
            fetch(training)
        order = list(trainings)
        times: dict[str, list[float]] = {name: [] for name in order}
        for _ in range(rounds):
            seconds = dict.fromkeys(order, 0.0)
            for _ in range(TURNS_PER_ROUND):
                for name in order:
                    seconds[name] += trainings[name].run(STEPS_PER_TURN)
                order.append(order.pop(0))
            for name in order:
                seconds[name] += fetch(trainings[name])
                times[name].append(seconds[name] / STEPS_PER_ROUND)
        intervals = {
            name: getattr(training.callback, "interval", None)
            for name, training in trainings.items()
        }
        for training in trainings.values():
            training.stop()
    return {name: (times[name], intervals[name]) for name in times}


def fetch(training: Training) -> float:
    """Fetches and writes the records; returns the seconds."""
    began = time.perf_counter()
    _ = getattr(training.callback, "history", None)
    return time.perf_counter() - began


def measure_alone(network: str, variant: Any, jit: bool) -> dict[str, float]:
    """Seconds to the first step and to step 51, peak memory, bytes per record."""
    load_framework(jit)
    with tempfile.TemporaryDirectory() as directory:
        callback = make_callback(
            variant, directory, jit, max_overhead=WHATEVER_IT_COSTS
        )
        training = Training(dense_network(network, jit), callback)
        first = training.seconds_to_first_step
        settled = first + training.run(SETTLED_STEPS - 1)
        size, records = written(callback, directory)
        training.run(STEPS_PER_ROUND)
        later_size, later_records = written(callback, directory)
        training.stop()
    records = later_records - records
    return {
        "first": first,
        "settled": settled,
        "memory": peak_memory(),
        "bytes": (later_size - size) / records if records else np.nan,
    }


def written(callback: Any, directory: str) -> tuple[int, int]:
    """The bytes that our callback has written so far, and the records."""
    if not isinstance(callback, LayerStatsCallback):
        return 0, 0
    records = len(callback.history.steps)  # this also writes them
    files = Path(directory).rglob("events.out.*")
    return sum(file.stat().st_size for file in files), records


def peak_memory() -> float:
    """The largest resident set of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def measure_fits(
    network: str, variant: Any, is_new: bool, fits: int, jit: bool
) -> list[float]:
    """Seconds to the first step of several calls of `fit`, one after the other.

    Args:
        network: as in `dense_network`.
        variant: the variant.
        is_new: whether each call gets a new callback.
        fits: number of calls.
        jit: whether XLA compiles the step.
    """
    load_framework(jit)
    seconds = []
    with tempfile.TemporaryDirectory() as directory:
        model = dense_network(network, jit)
        callback = None
        for _ in range(fits):
            if is_new or callback is None:
                callback = make_callback(
                    variant, directory, jit, max_overhead=WHATEVER_IT_COSTS
                )
            training = Training(model, callback)
            seconds.append(training.seconds_to_first_step)
            training.run(STEPS_PER_FIT - 2)
            training.stop()
    return seconds


def measure_leak(network: str, variant: Any, models: int, jit: bool) -> float:
    """MB by which the process grows with each model that is trained and forgotten."""
    resident = []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(models):
            callback = make_callback(variant, directory, jit)
            model = dense_network(network, jit)
            callbacks = [] if callback is None else [callback]
            model.fit(**epoch(STEPS_PER_LEAKING_FIT), callbacks=callbacks)
            del callback, callbacks, model
            keras.backend.clear_session()
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident.append(pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE)
    later = resident[models // 4 :]  # the first ones fill caches
    return float(np.polyfit(range(len(later)), later, 1)[0])


class Profile(keras.callbacks.Callback):
    """Collects the ops that TensorFlow runs in steps whose function is called first.

    Args:
        steps: numbers of the steps.

    Attributes:
        ops: for each of the steps, the number of ops of each type. A function that is
            not inlined is one op.
        functions: the train function of every step.
    """

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self.ops = {step: collections.Counter[str]() for step in steps}
        self.functions: list[Any] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self.functions.append(self._model.train_function)
        if batch in self.ops:
            context.context().enable_graph_collection()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch not in self.ops:
            return
        for graph in context.context().export_run_metadata().partition_graphs:
            ops = [node.op for node in graph.node]
            if "IteratorGetNext" in ops:
                self.ops[batch].update(ops)
        context.context().disable_graph_collection()


def profile(network: str, variant: Any) -> tuple[int, int, int, int]:
    """The number of ops in a step, and the additional ones with a callback.

    Returns:
        The ops of a step without a callback; the additional ones between records; the
        additional ones on a recorded step; and the number of steps between records that
        Keras's own function did not take.
    """
    first, between = 0, FIRST_STEP_AFTER_WARM_UP
    plain, ours = Profile(first), Profile(first, between)
    with tempfile.TemporaryDirectory() as directory:
        dense_network(network, False).fit(**epoch(1), callbacks=[plain])
        callback = make_callback(variant, directory)
        model = dense_network(network, False)
        model.make_train_function()
        own = model.train_function
        model.fit(**epoch(STEPS_PER_FIT), callbacks=[callback, ours])
    without = plain.ops[first]
    return (
        without.total(),
        (ours.ops[between] - without).total() + (without - ours.ops[between]).total(),
        (ours.ops[first] - without).total(),
        sum(function is not own for function in ours.functions[between:]),
    )
