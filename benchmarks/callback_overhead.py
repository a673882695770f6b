"""What recording costs: time per training step, tracing, memory, disk.

    python benchmarks/callback_overhead.py
    python benchmarks/callback_overhead.py --networks 4x2048 --others --jit
    python benchmarks/callback_overhead.py --variants "*every step" --repeats 1
    python benchmarks/callback_overhead.py --profile --networks 10x256

Every variant trains the same dense network on MNIST-shaped input, batch 128, with Adam.

The first table has the time per step, as a ratio to no callback. The variants take
turns of 5 steps in an order that rotates, so that a slow moment of the machine meets
all of them; ten turns, 50 steps, are one period of the default schedule and one round.
A ratio is that of one round; the table shows the median over all rounds. Each repeat
builds everything anew in a process of its own, because where the memory of a network
happens to lie matters more than what is measured here: "no callback, again" is how far
two equal trainings differ. What was recorded is fetched and written within the turns of
its own training, at the end of each round at the latest, and not by the thread that
does it otherwise, which would slow down the turns of others.
What is done at the end of an epoch, all of the work of `keras.callbacks.TensorBoard`
and our picture, is timed apart, and spread over the 469 steps of an MNIST epoch.

The second table is of processes in which one variant is alone for 60 steps: seconds to
the end of the first step, which is traced and compiled in it, the greatest memory of
the process, and what the event file grows by with each record. The first records, with
all that is written once, are left out of that.

With --profile there is a third table instead: which ops run in a step because of the
callback, in one that the schedule selects and in the one after it. Of the variants it
takes those that have the default schedule.

Every variant of ours records what it should whatever it costs: max_overhead=None.
"""

import argparse
import fnmatch
import functools
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import step_profile
import tensorflow as tf
from keras import layers

from keras_initkit import LayerStatsCallback

BATCH_SIZE = 128
STEPS_PER_EPOCH = 469  # 60,000 images
STEPS_PER_TURN = 5
TURNS_PER_ROUND = 10
STEPS_PER_ROUND = STEPS_PER_TURN * TURNS_PER_ROUND  # one period of the default schedule
WARM_UP_STEPS = 70  # beyond the steps that the default schedule records in full
STEPS_ALONE = (20, 39)  # to the end of those steps, and over the next selected one
SELECTED_STEP = 100
NETWORKS = ("10x256", "50x64", "4x2048", "1000x32")
# What is measured where --variants says nothing: 1000 layers take minutes to trace.
PATTERNS = {"1000x32": ["ours, default schedule"]}

BASELINE = "no callback"
EVERY_STEP: dict[str, Any] = {"update_freq": 1}
ALL_OF_TENSORS = [
    "mean",
    "variance",
    "l2_norm",
    "max_abs",
    "zero_fraction",
    "nonfinite_count",
]
OURS: dict[str, dict[str, Any]] = {
    "ours, default schedule": {},
    "ours, every step": EVERY_STEP,
    "ours, variance, every step": EVERY_STEP | {"statistics": ["variance"]},
    "ours, all of tensors, every step": EVERY_STEP | {"statistics": ALL_OF_TENSORS},
    "ours, all, default schedule": {"statistics": "all"},
    "ours, all, every step": EVERY_STEP | {"statistics": "all"},
    "ours, histograms, default schedule": {"histogram_steps": 50},
    "ours, histograms, every step": EVERY_STEP | {"histogram_steps": 1},
}
TAPE_COMPILED = "GradientTape in a callback, compiled"
TAPE_EAGER = "GradientTape in a callback, eager"
TENSORBOARD = "keras TensorBoard(histogram_freq=1)"
OTHERS = (TAPE_COMPILED, TAPE_EAGER, TENSORBOARD)
VARIANTS = (BASELINE, f"{BASELINE}, again", *OURS, *OTHERS)
FLUSH_SECS = 3600.0  # longer than a run: the thread that flushes is never due


class TapeCallback(keras.callbacks.Callback):
    """The usual workaround: the gradient once more, outside of the training step."""

    def __init__(self, wrap: Callable[[Any], Any] = lambda function: function) -> None:
        super().__init__()
        self.batch = batch()
        self.measure = wrap(self._measure)
        self.variances: list[np.ndarray] = []

    def _measure(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        kernels = [v.value for v in self.model.trainable_variables if len(v.shape) == 2]
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(y=y, y_pred=self.model(x))
        gradients = tape.gradient(loss, kernels)
        return tf.stack([tf.math.reduce_variance(t) for t in (*kernels, *gradients)])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.variances.append(self.measure(*self.batch).numpy())


class Training:
    """The loop of `model.fit`, which can be left and taken up again.

    Args:
        network: as in `dense_network`.
        variant: one of `VARIANTS`.
        directory: where its callback writes.
        jit: whether the step is compiled by XLA.

    Attributes:
        step: how many steps were taken; 1 after it is made.
        seconds_to_first_step: how long that took, with tracing.
    """

    def __init__(self, network: str, variant: str, directory: str, jit: bool) -> None:
        self.directory = tempfile.mkdtemp(dir=directory)
        self.callback = make_callback(variant, self.directory, jit)
        self.model = dense_network(network, jit)
        self.callbacks = keras.callbacks.CallbackList(
            [self.callback] if self.callback else [],
            add_history=True,
            model=self.model,
            epochs=1,
            steps=None,
        )
        data = tf.data.Dataset.from_tensors(batch()).cache().repeat()
        self.iterator = iter(data)
        self.step = 0
        begin = time.perf_counter()
        self.model.make_train_function()
        self.callbacks.on_train_begin()
        self.callbacks.on_epoch_begin(0)
        self.run(1)
        self.seconds_to_first_step = time.perf_counter() - begin
        self.seconds_of_epoch_end = 0.0

    def warm_up(self) -> None:
        """Goes on until all steps are alike; times the end of an epoch."""
        self.run(WARM_UP_STEPS)
        self.end_epoch()
        self.run(STEPS_PER_ROUND)  # so that there is something new to be drawn
        self.seconds_of_epoch_end = self.end_epoch()

    def run(self, steps: int) -> float:
        """Takes so many steps; the seconds that it took."""
        begin = time.perf_counter()
        for _ in range(steps):
            self.callbacks.on_train_batch_begin(self.step)
            logs = self.model.train_function(self.iterator)
            self.callbacks.on_train_batch_end(self.step, logs)
            self.step += 1
        return time.perf_counter() - begin

    def end_epoch(self) -> float:
        """Seconds that the end of an epoch takes; ours writes what it has."""
        begin = time.perf_counter()
        self.callbacks.on_epoch_end(0, {})
        return time.perf_counter() - begin

    def end_round(self) -> float:
        """Seconds that writing, and a share of the end of an epoch, add to a round."""
        begin = time.perf_counter()
        if isinstance(self.callback, LayerStatsCallback):
            _ = self.callback.history  # fetches what is recorded, and writes it
        writing = time.perf_counter() - begin
        return writing + self.seconds_of_epoch_end * STEPS_PER_ROUND / STEPS_PER_EPOCH

    def written(self) -> tuple[int, int]:
        """The bytes that ours has written so far, and the records."""
        if not isinstance(self.callback, LayerStatsCallback):
            return 0, 0
        records = len(self.callback.history.steps)  # which are written by that
        files = Path(self.directory).rglob("events.out.*")
        return sum(file.stat().st_size for file in files), records


class Alone(NamedTuple):
    """What a process has to say that trained one variant.

    Attributes:
        seconds_to_first_step: with tracing.
        peak_memory: the greatest resident set of the process, in bytes.
        bytes_per_record: what the event file grows by; None if nothing was recorded.
    """

    seconds_to_first_step: float
    peak_memory: int
    bytes_per_record: float | None


def batch() -> tuple[tf.Tensor, tf.Tensor]:
    """Images between 0 and 1, labels from 0 to 9."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCH_SIZE, 784), dtype="float32")
    return tf.constant(images), tf.constant(rng.integers(0, 10, BATCH_SIZE))


def dense_network(network: str, jit: bool) -> keras.Model:
    """A compiled ReLU network, `"10x256"` with ten hidden layers of 256 units.

    All names are given, so that two networks in one process have equal graphs.
    """
    depth, width = map(int, network.split("x"))
    # Keras walks through the layers of a model by recursion.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 20 * depth))
    keras.utils.set_random_seed(0)
    hidden = [
        layers.Dense(
            width,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"hidden_{number}",
        )
        for number in range(depth)
    ]
    model = keras.Sequential(
        [keras.Input((784,)), *hidden, layers.Dense(10, name="output")], name="network"
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(name="adam"), loss, jit_compile=jit)
    return model


def make_callback(
    variant: str, directory: str, jit: bool
) -> keras.callbacks.Callback | None:
    """The callback of a variant; None for those that have none."""
    if variant in OURS:
        return LayerStatsCallback(directory, flush_secs=FLUSH_SECS, **OURS[variant])
    if variant == TAPE_COMPILED:
        return TapeCallback(functools.partial(tf.function, jit_compile=jit))
    if variant == TAPE_EAGER:
        return TapeCallback()
    if variant == TENSORBOARD:
        return keras.callbacks.TensorBoard(directory, histogram_freq=1)
    return None


def measure_together(
    network: str, variants: list[str], rounds: int, jit: bool
) -> dict[str, list[float]]:
    """The seconds per step of each variant, by round."""
    with tempfile.TemporaryDirectory() as directory:
        trainings = {
            variant: Training(network, variant, directory, jit) for variant in variants
        }
        # Not before all are there: the seed that each sets has TensorFlow forget what
        # it had compiled for the others.
        for training in trainings.values():
            training.warm_up()
        order = list(trainings)
        seconds_per_step: dict[str, list[float]] = {name: [] for name in order}
        for _ in range(rounds):
            seconds = dict.fromkeys(order, 0.0)
            for _ in range(TURNS_PER_ROUND):
                for name in order:
                    seconds[name] += trainings[name].run(STEPS_PER_TURN)
                order.append(order.pop(0))
            for name in order:
                seconds[name] += trainings[name].end_round()
                seconds_per_step[name].append(seconds[name] / STEPS_PER_ROUND)
    return seconds_per_step


def measure_alone(network: str, variant: str, jit: bool) -> Alone:
    """Tracing, memory and disk; to be called in a new process."""
    with tempfile.TemporaryDirectory() as directory:
        training = Training(network, variant, directory, jit)
        warm_up_steps, more_steps = STEPS_ALONE
        training.run(warm_up_steps)
        bytes_before, records_before = training.written()
        training.run(more_steps)
        bytes_after, records_after = training.written()
        training.end_epoch()
    records = records_after - records_before
    return Alone(
        training.seconds_to_first_step,
        peak_memory(),
        (bytes_after - bytes_before) / records if records else None,
    )


def peak_memory() -> int:
    """The greatest resident set that this process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def profile(network: str, variant: str) -> str:
    """A table of the ops that two steps have more than one without a callback."""
    with tempfile.TemporaryDirectory() as directory:
        profiles = []
        for name in (BASELINE, variant):
            with step_profile.collected_graph() as graph:
                training = Training(network, name, directory, jit=False)
            training.run(SELECTED_STEP - training.step)
            one_step = functools.partial(training.run, 1)
            selected = step_profile.trace(one_step)
            profiles.append((graph, selected, step_profile.trace(one_step)))
    (plain_graph, _, plain_step), (graph, selected, other) = profiles
    return step_profile.table(plain_graph, plain_step, graph, selected, other)


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns that is called in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(function, arguments)


def print_times(network: str, variants: list[str], options: argparse.Namespace) -> None:
    """The lines of one network in the first table."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for repeat in range(options.repeats):
        # The network that is built first has the best place in memory: each in turn.
        order = variants[repeat:] + variants[:repeat]
        measured = in_new_process(
            measure_together, network, order, options.rounds, options.jit
        )
        for name in variants:
            times[name] += measured[name]
    for name in variants:
        ratios = np.divide(times[name], times[BASELINE])
        low, median, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        print(
            f"| {network} | {name} | {1e3 * statistics.median(times[name]):.2f} "
            f"| {median:.3f} | {low:.3f} - {high:.3f} |",
            flush=True,
        )


def print_alone(network: str, variants: list[str], options: argparse.Namespace) -> None:
    """The lines of one network in the second table."""
    baseline_memory = 0.0
    for name in variants:
        runs = [
            in_new_process(measure_alone, network, name, options.jit)
            for _ in range(options.alone)
        ]
        first_step = statistics.median(run.seconds_to_first_step for run in runs)
        memory = statistics.median(run.peak_memory for run in runs)
        if name == BASELINE:
            baseline_memory = memory
        size = runs[0].bytes_per_record
        print(
            f"| {network} | {name} | {first_step:.1f} | {memory / 1e6:.0f} "
            f"| {round((memory - baseline_memory) / 1e6)} "
            f"| {'' if size is None else f'{size:,.0f}'} |",
            flush=True,
        )


def chosen_variants(network: str, patterns: list[str], others: bool) -> list[str]:
    """Those that one of the patterns fits, and always those without a callback."""
    patterns = patterns or PATTERNS.get(network, ["ours*"])
    patterns = [f"{BASELINE}*", *patterns, *(OTHERS if others else ())]
    return [
        name
        for name in VARIANTS
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="variants:\n  " + "\n  ".join(VARIANTS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--networks",
        nargs="+",
        default=NETWORKS,
        metavar="DxW",
        help=f"hidden layers x units (default: {' '.join(NETWORKS)})",
    )
    add(
        "--variants",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="names of the list below, or patterns of them, as of file names; those "
        'without a callback are always there (default: "ours*", and for 1000x32, '
        'which takes minutes to trace, "ours, default schedule")',
    )
    add("--others", action="store_true", help="compare with what others do, too")
    add("--jit", action="store_true", help="compile the training step with XLA")
    add(
        "--repeats",
        type=int,
        metavar="N",
        default=5,
        help="processes for the first table, 0 to leave it out (default: 5)",
    )
    add(
        "--rounds",
        type=int,
        metavar="N",
        default=4,
        help="rounds of 50 steps in each of them (default: 4)",
    )
    add(
        "--alone",
        type=int,
        metavar="N",
        default=3,
        help="processes for each line of the second table, of which the median is "
        "shown, 0 to leave it out (default: 3)",
    )
    add("--profile", action="store_true", help="show which ops run, and no other table")
    options = parser.parse_args()
    if options.profile and options.jit:
        parser.error("--profile cannot look into a step that is one XLA op: --jit")
    return options


def main() -> None:
    options = parse()
    chosen = {
        network: chosen_variants(network, options.variants, options.others)
        for network in options.networks
    }
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}, jit_compile={options.jit}"
    )
    if options.profile:
        for network, variants in chosen.items():
            for name in fnmatch.filter(variants, "ours*default schedule"):
                print(f"\n{network}, {name}:\n")
                print(in_new_process(profile, network, name), flush=True)
        return
    times = (
        f"\n{options.repeats} x {options.rounds} rounds of {STEPS_PER_ROUND} steps:\n\n"
        "| network | variant | ms a step | ratio | quartiles |\n|---|---|---|---|---|"
    )
    alone = (
        f"\n{options.alone} x {1 + sum(STEPS_ALONE)} steps alone:\n\n| network "
        "| variant | s to first step | peak memory, MB | more than no callback, MB "
        "| bytes a record |\n|---|---|---|---|---|---|"
    )
    for repeats, head, print_rows in (
        (options.repeats, times, print_times),
        (options.alone, alone, print_alone),
    ):
        if repeats:
            print(head)
            for network, variants in chosen.items():
                print_rows(network, variants, options)


if __name__ == "__main__":
    main()
