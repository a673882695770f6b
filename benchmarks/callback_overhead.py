"""What recording costs: time per training step, as a ratio to no callback.

    python benchmarks/callback_overhead.py [--rounds N] [--networks 10x256 ...]

Every variant trains the same network on MNIST-shaped input, batch 128, with Adam. They
take turns of 5 steps in an order that rotates, so that a slow moment of the machine
meets all of them; ten turns, 50 steps, are one period of the default schedule and one
round. A ratio is that of one round; the table shows the median over all rounds. Each
repeat builds everything anew in a process of its own, because where the memory of a
network happens to lie matters more than what is measured here: "no callback, again" is
how far two equal trainings differ. Tracing and the first steps are timed apart.
`keras.callbacks.TensorBoard` does its work at the end of an epoch: that is timed too,
and spread over the 469 steps of an MNIST epoch.
"""

import argparse
import multiprocessing
import os
import platform
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_initkit import LayerStatsCallback

BATCH_SIZE = 128
STEPS_PER_EPOCH = 469  # 60,000 images
STEPS_PER_TURN = 5
TURNS_PER_ROUND = 10  # 50 steps: one period of the default schedule
WARM_UP_STEPS = 70  # beyond the steps that the default schedule records in full
NETWORKS = ("10x256", "50x64", "4x2048")


class TapeCallback(keras.callbacks.Callback):
    """The usual workaround: the gradient once more, outside of the training step."""

    def __init__(self, x: tf.Tensor, y: tf.Tensor, compiled: bool) -> None:
        super().__init__()
        self.batch = x, y
        self.measure = tf.function(self._measure) if compiled else self._measure
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
    """The loop of `model.fit`, which can be left and taken up again."""

    def __init__(self, network: str, callbacks: list[keras.callbacks.Callback]) -> None:
        self.model = dense_network(network)
        self.callbacks = keras.callbacks.CallbackList(
            callbacks, add_history=True, model=self.model, epochs=1, steps=None
        )
        data = tf.data.Dataset.from_tensors(batch()).cache().repeat()
        self.iterator = iter(data)
        self.step = 0
        self.rounds: list[float] = []
        begin = time.perf_counter()
        self.model.make_train_function()
        self.callbacks.on_train_begin()
        self.callbacks.on_epoch_begin(0)
        self.run(1)
        self.seconds_to_first_step = time.perf_counter() - begin
        self.run(WARM_UP_STEPS)
        self.epoch_end()
        self.seconds_of_epoch_end = self.epoch_end()

    def run(self, steps: int) -> float:
        """Takes so many steps; the seconds that it took."""
        begin = time.perf_counter()
        for _ in range(steps):
            self.callbacks.on_train_batch_begin(self.step)
            logs = self.model.train_function(self.iterator)
            self.callbacks.on_train_batch_end(self.step, logs)
            self.step += 1
        return time.perf_counter() - begin

    def epoch_end(self) -> float:
        """Seconds that the end of an epoch takes."""
        begin = time.perf_counter()
        self.callbacks.on_epoch_end(0, {})
        return time.perf_counter() - begin


def batch() -> tuple[tf.Tensor, tf.Tensor]:
    """Images between 0 and 1, labels from 0 to 9."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCH_SIZE, 784), dtype="float32")
    return tf.constant(images), tf.constant(rng.integers(0, 10, BATCH_SIZE))


def dense_network(network: str) -> keras.Model:
    """A compiled ReLU network, `"10x256"` with ten hidden layers of 256 units."""
    depth, width = map(int, network.split("x"))
    keras.utils.set_random_seed(0)
    hidden = [
        layers.Dense(width, activation="relu", kernel_initializer="he_normal")
        for _ in range(depth)
    ]
    model = keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


def variants(network: str, directory: str) -> dict[str, Training]:
    """What is compared, by name; the first is what the others are compared with."""
    callbacks = {
        "no callback": [],
        "no callback, again": [],
        "ours, every step": [LayerStatsCallback(f"{directory}/1", update_freq=1)],
        "ours, default": [LayerStatsCallback(f"{directory}/2")],
        "GradientTape in a callback, compiled": [TapeCallback(*batch(), compiled=True)],
        "GradientTape in a callback, eager": [TapeCallback(*batch(), compiled=False)],
        "keras TensorBoard(histogram_freq=1)": [
            keras.callbacks.TensorBoard(f"{directory}/3", histogram_freq=1)
        ],
    }
    return {name: Training(network, chosen) for name, chosen in callbacks.items()}


def measure(network: str, rounds: int) -> dict[str, tuple[list[float], float]]:
    """For each variant the seconds per step, by round, and until the first step."""
    with tempfile.TemporaryDirectory() as directory:
        trainings = variants(network, directory)
        order = list(trainings.values())
        for _ in range(rounds):
            seconds = dict.fromkeys(order, 0.0)
            for _ in range(TURNS_PER_ROUND):
                for training in order:
                    seconds[training] += training.run(STEPS_PER_TURN)
                order.append(order.pop(0))
            for training in order:
                per_step = seconds[training] / (STEPS_PER_TURN * TURNS_PER_ROUND)
                per_epoch = training.seconds_of_epoch_end / STEPS_PER_EPOCH
                training.rounds.append(per_step + per_epoch)
    return {
        name: (training.rounds, training.seconds_to_first_step)
        for name, training in trainings.items()
    }


def table(network: str, repeats: list[dict[str, tuple[list[float], float]]]) -> str:
    """The lines of one network: medians over the rounds of all repeats."""
    lines = []
    for name in repeats[0]:
        ratios, times = [], []
        for repeat in repeats:
            times += repeat[name][0]
            baseline = repeat["no callback"][0]
            ratios += [a / b for a, b in zip(repeat[name][0], baseline, strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4)
        first_step = statistics.median(repeat[name][1] for repeat in repeats)
        lines.append(
            f"| {network} | {name} | {1e3 * statistics.median(times):.2f} "
            f"| {median:.3f} | {low:.3f} - {high:.3f} | {first_step:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, help="(default: 5)")
    parser.add_argument("--rounds", type=int, default=4, help="(default: 4)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="DxW")
    arguments = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}; {arguments.repeats} x {arguments.rounds} rounds of "
        f"{STEPS_PER_TURN * TURNS_PER_ROUND} steps\n"
    )
    print("| network | variant | ms a step | ratio | quartiles | s to first step |")
    print("|---|---|---|---|---|---|")
    fresh = multiprocessing.get_context("spawn")
    for network in arguments.networks:
        repeats = []
        for _ in range(arguments.repeats):
            with fresh.Pool(1) as process:
                repeats.append(process.apply(measure, (network, arguments.rounds)))
        print(table(network, repeats), flush=True)


if __name__ == "__main__":
    main()
