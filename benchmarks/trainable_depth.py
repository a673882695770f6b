"""Measures how deep plain Dense networks train, by initializer, on the real MNIST.

    python benchmarks/trainable_depth.py --mnist-path ~/data/mnist.npz
    python benchmarks/trainable_depth.py --networks plain-tanh --depths 10 30 100
    python benchmarks/trainable_depth.py --table-only

The protocol is that of the mean field experiments ("Deep Information Propagation",
Schoenholz et al., 2017): pixels from -0.5 to 0.5, hidden layers of 300 units (128 from
depth 1000), 200 steps of plain SGD, batch 256, no normalization, schedule or momentum.
The last 5,000 training images are held out. With the first seed, each initializer
trains with each of the learning rates 0.001, 0.01 and 0.1. The other seeds train with
the rate of the best accuracy on the held-out images. A seed decides the weights and the
order of the images.

Two tables show the median over the seeds: of the accuracy on the first 5,000 training
images, as published, and on the 10,000 test images. Chance is .11, the share of the
most frequent digit. A training whose loss is not finite stops, and its accuracy is that
of its last weights.

Every run is stored at once as a line of the results file, and none is made twice, so a
stopped benchmark continues there. The benchmark also writes a picture and a CSV with
the smallest and the largest accuracy over the seeds beside that file.

networks and their initializers, with z a layer's signal before the activation f:
  plain-*        z = W f(z before)
    glorot_uniform, he_normal, orthogonal: as in Keras
    gaussian_critical: independent normal weights and biases, at the critical point with
      a bias variance of 0.05, as published
    critical: Critical(f, depth) and its biases; the first kernel, also orthogonal,
      brings the images to its q_star
    scaled_orthogonal: ScaledOrthogonal, with the gain of the f before it
    looks_linear: LooksLinear
    lsuv: orthogonal kernels, rescaled by lsuv on the first batch
  residual-*     z = z before + W f(z before)
    he_normal: unscaled
    scaled_depth: He, and ScaledDepth in the branches
    zero_branches: He, and kernels of 0 in the branches: ReZero without its multiplier
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import depth_report
import keras
import numpy as np
from deep_networks import ARCHITECTURES, BATCH_SIZE, PIXELS, DeepNetwork
from depth_results import Cell, Outcome, Results, Run, Study

from keras_initkit.experiments.mnist_files import load_mnist

DEPTHS = (10, 30, 100, 300, 1000)
SEEDS = (0, 1, 2)
STEPS = 200
NUM_HELD_OUT = 5000
NUM_EVALUATED = 5000  # of the training images
MAX_STEPS = 55_000 // BATCH_SIZE  # one pass
MNIST_VARIABLE = "KERAS_INITKIT_MNIST"
RESULTS = Path(__file__).parent / "results" / "trainable_depth.jsonl"

Split = tuple[np.ndarray, np.ndarray]


class Mnist:
    """The images as float32 vectors from -0.5 to 0.5, and their digits.

    Args:
        path: as in `load_mnist`.

    Attributes:
        train: `(55000, 784)` and `(55000,)`.
        held_out: the last 5,000 images of the training set.
        test: the test set.
    """

    def __init__(self, path: str | None = None) -> None:
        (images, digits), test = load_mnist(path)
        self.train = vectors(images[:-NUM_HELD_OUT], digits[:-NUM_HELD_OUT])
        self.held_out = vectors(images[-NUM_HELD_OUT:], digits[-NUM_HELD_OUT:])
        self.test = vectors(*test)

    @property
    def evaluated(self) -> Split:
        """The training images for the training accuracy."""
        x, y = self.train
        return x[:NUM_EVALUATED], y[:NUM_EVALUATED]

    def batches(self, seed: int, steps: int) -> Split:
        """This many batches of training images, joined, each image at most once."""
        x, y = self.train
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(x))[: steps * BATCH_SIZE]
        return x[chosen], y[chosen]


def vectors(images: np.ndarray, digits: np.ndarray) -> Split:
    x = images.reshape(-1, PIXELS).astype("float32") / 255 - 0.5
    return x, digits.astype("int64")


def train_all(study: Study, results: Results, mnist: Mnist) -> None:
    """Makes all missing runs of the study, and stores each at once."""
    for depth in study.depths:
        for name in study.networks:
            network = None
            for cell in study.cells(name, depth):
                for run in runs(study, cell, results):
                    if run not in results.outcomes:
                        network = network or traced(name, depth, cell.width)
                        outcome = train(network, run, mnist)
                        results.add(run, outcome)
                        print(describe(run, outcome), flush=True)


def traced(name: str, depth: int, width: int) -> DeepNetwork:
    """The network, which replaces the one before."""
    keras.backend.clear_session()
    begin = time.perf_counter()
    network = DeepNetwork(name, depth, width)
    seconds = time.perf_counter() - begin
    print(f"{name} {depth} x {width} traced in {seconds:.0f} s", flush=True)
    return network


def runs(study: Study, cell: Cell, results: Results) -> Iterator[Run]:
    """The runs that find the learning rate, and when they are done, the others."""
    yield from study.selection(cell)
    rate = study.chosen_rate(cell, results)
    assert rate is not None  # the whole selection is done
    yield from study.repeats(cell, rate)


def train(network: DeepNetwork, run: Run, mnist: Mnist) -> Outcome:
    """One run: new weights, one pass, and its accuracies."""
    begin = time.perf_counter()
    x, y = mnist.batches(run.seed, run.steps)
    network.initialize(run.initializer, run.seed, x[:BATCH_SIZE])
    steps_taken = network.train(x, y, run.learning_rate)
    return Outcome(
        train_accuracy=network.accuracy(*mnist.evaluated),
        held_out_accuracy=network.accuracy(*mnist.held_out),
        test_accuracy=network.accuracy(*mnist.test),
        steps_taken=steps_taken,
        seconds=time.perf_counter() - begin,
    )


def describe(run: Run, outcome: Outcome) -> str:
    exploded = outcome.steps_taken < run.steps
    return (
        f"{run.network} {run.depth} x {run.width} {run.initializer}, rate "
        f"{run.learning_rate:g}, seed {run.seed}: train {outcome.train_accuracy:.3f}, "
        f"test {outcome.test_accuracy:.3f}, {outcome.seconds:.0f} s"
        + (f", not finite at step {outcome.steps_taken}" if exploded else "")
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--networks",
        nargs="+",
        choices=ARCHITECTURES,
        default=list(ARCHITECTURES),
        metavar="NAME",
        help=f"(default: {' '.join(ARCHITECTURES)})",
    )
    add(
        "--depths",
        nargs="+",
        type=int,
        default=DEPTHS,
        metavar="N",
        help=f"hidden layers (default: {' '.join(map(str, DEPTHS))})",
    )
    add(
        "--initializers",
        nargs="+",
        choices=sorted({i for a in ARCHITECTURES.values() for i in a.initializers}),
        metavar="NAME",
        help="only these (default: all that the list above has for a network)",
    )
    add("--width", type=int, metavar="N", help="(default: 300; 128 from depth 1000)")
    add(
        "--seeds",
        nargs="+",
        type=int,
        default=SEEDS,
        metavar="N",
        help="the first one chooses the learning rates (default: 0 1 2)",
    )
    add(
        "--steps",
        type=int,
        default=STEPS,
        metavar="N",
        help=f"at most {MAX_STEPS}, one pass (default: {STEPS})",
    )
    add(
        "--mnist-path",
        default=os.environ.get(MNIST_VARIABLE),
        metavar="FILE",
        help="mnist.npz, or the IDX .gz files (default: the environment variable "
        f"{MNIST_VARIABLE}, or else keras.datasets)",
    )
    add(
        "--results",
        type=Path,
        default=RESULTS,
        metavar="FILE",
        help="JSON lines, one for each run (default: %(default)s)",
    )
    add("--picture", type=Path, metavar="FILE", help="(default: beside the results)")
    add("--table-only", action="store_true", help="show the stored runs, train nothing")
    options = parser.parse_args(arguments)
    if not 1 <= options.steps <= MAX_STEPS:
        parser.error(f"--steps must be from 1 to {MAX_STEPS}")
    if min(options.depths) < 1:
        parser.error("--depths must be positive")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    study = Study(
        networks=tuple(options.networks),
        depths=tuple(sorted(options.depths)),
        initializers=options.initializers and tuple(options.initializers),
        seeds=tuple(options.seeds),
        steps=options.steps,
        width=options.width,
    )
    results = Results(options.results)
    if not options.table_only:
        train_all(study, results, Mnist(options.mnist_path))
    picture = options.picture or options.results.with_suffix(".png")
    table = options.results.with_suffix(".csv")
    print(depth_report.markdown(study, results))
    depth_report.write_csv(study, results, table)
    depth_report.draw(study, results, picture)
    print(f"Picture: {picture}\nTable:   {table}", file=sys.stderr)


if __name__ == "__main__":
    main()
