"""Shared by the studies in `examples/`: options, data, training, results."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from keras_initkit.callbacks.layer_stats import LayerStatsCallback
from keras_initkit.experiments import mnist_files
from keras_initkit.experiments.datasets import Dataset, load_dataset
from keras_initkit.experiments.run_directory import run_directories
from keras_initkit.experiments.tensorboard_line import HELP, show_tensorboard_line
from keras_initkit.stats.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_TABLE_WIDTH = 1000
# A thousand times this, for the seeds of layers, still fits into 32 bits.
MAX_SEED = 10**6

Findings = Mapping[str, Mapping[str, float]]
"""The numbers of a study, by row and by column."""


class Trained(NamedTuple):
    """The result of a training.

    Attributes:
        logs: the logs of `fit` for each epoch, `loss` and so on, `(epochs,)` each.
        layers: the recorded statistics of the layers.
    """

    logs: dict[str, list[float]]
    layers: History


@dataclass(frozen=True)
class Lab:
    """The options, data and directories of a study.

    Args:
        quick: whether to run the smallest version that shows the point, in seconds.
        seed: decides weights, data order and toy datasets.
        mnist_path: where MNIST is, as in `load_dataset`; None for Keras's cache.
        log_dir: for TensorBoard; every run has its own directory in it.
        output: where pictures go.
    """

    quick: bool
    seed: int
    mnist_path: str | None
    log_dir: Path
    output: Path

    def digits(self, train: int, test: int) -> Dataset:
        """Handwritten digits: MNIST if it is available, or else scikit-learn's.

        Nothing is downloaded. The dataset's name tells which digits they are, and
        belongs into the title of a picture.

        Args:
            train: the largest number of training samples.
            test: the largest number of test samples.

        Raises:
            ValueError: the file at `mnist_path` does not hold MNIST.
            OSError: there is no such file.
        """
        if mnist_files.is_at_hand(self.mnist_path):
            source, name = "mnist", "MNIST"
        else:
            source, name = "digits", "scikit-learn's digits"
        found = load_dataset(
            source, mnist_path=self.mnist_path, max_train=train, max_test=test
        )
        return replace(found, name=name)

    def fit(
        self,
        run: str,
        model: keras.Model,
        x: np.ndarray,
        y: np.ndarray,
        epochs: int,
        batch_size: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        shuffle: bool = True,
        **recording: Any,
    ) -> Trained:
        """Trains a compiled model, and records its layers for TensorBoard.

        Args:
            run: the name of the run in TensorBoard.
            model: a compiled model.
            x: the samples.
            y: their targets.
            epochs: passes over the samples.
            batch_size: samples per step.
            callbacks: further callbacks.
            shuffle: whether each epoch has its own order.
            **recording: arguments of `LayerStatsCallback`.
        """
        keras.utils.set_random_seed(self.seed)  # the same order of the data in each run
        # Otherwise the first step makes the variables, and TensorFlow traces it twice.
        model.optimizer.build(model.trainable_variables)
        layers = LayerStatsCallback(self.log_dir / run, **recording)
        logs = model.fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            callbacks=[layers, *callbacks],
            shuffle=shuffle,
            verbose=0,
        ).history
        return Trained(logs, layers.history)

    def save(self, figure: "Figure", name: str) -> None:
        """Writes a picture and prints its path."""
        path = self.output / f"{name}.png"
        figure.savefig(path, dpi=120)
        print(f"Picture: {path}")


def epochs_for(steps: int, samples: int, batch_size: int) -> int:
    """The smallest number of epochs with at least this many training steps.

    One dataset has forty times the samples of another. Equal numbers of steps, not of
    epochs, train networks equally well.

    Examples:

    >>> epochs_for(steps=100, samples=1437, batch_size=64)
    5
    """
    return math.ceil(steps / math.ceil(samples / batch_size))


def run_study(
    name: str,
    study: Callable[[Lab], Findings],
    description: str | None,
    arguments: Sequence[str] | None = None,
) -> int:
    """The `main` of a study: takes its options, runs it and prints its results.

    Args:
        name: name of the study.
        study: does the work.
        description: what it shows, for `--help`.
        arguments: the command line's; by default the process's own.

    Returns:
        The exit code, 0.

    Raises:
        SystemExit: for `--help`, and for wrong arguments, with one line.
    """
    parser = argparse.ArgumentParser(
        prog=name,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        lab = lab_of(name, options)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{name}: error: {error}\n")
    show(name, lab, study(lab), options.open)
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that every study has."""
    parser.add_argument(
        "--quick", action="store_true", help="run the smallest version, in seconds"
    )
    parser.add_argument(
        "--mnist-path",
        metavar="FILE",
        help=mnist_files.AT_HAND_HELP,
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="decides weights, data order and toy datasets (default: %(default)s)",
    )
    parser.add_argument(
        "--log-dir",
        default="logs/study",
        metavar="DIR",
        help="write TensorBoard files to a new numbered directory in DIR/NAME "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="write pictures to DIR (default: the numbered directory)",
    )
    parser.add_argument("--open", action="store_true", help=HELP)


def lab_of(name: str, options: argparse.Namespace) -> Lab:
    """Checks the options of a study and makes its lab.

    Raises:
        ValueError: the seed is out of range, `--mnist-path` does not hold MNIST, or
            a directory is not on this machine.
        OSError: there is nothing at `--mnist-path`, or a directory cannot be made.
    """
    if not 0 <= options.seed < MAX_SEED:
        raise ValueError(
            f"`seed` must be from 0 to {MAX_SEED - 1}. Received: {options.seed}"
        )
    if options.mnist_path is not None:
        mnist_files.read_mnist(options.mnist_path)
    log_dir, output = run_directories(options.log_dir, options.output, name)
    return Lab(options.quick, options.seed, options.mnist_path, log_dir, output)


def show(name: str, lab: Lab, findings: Findings, is_open: bool) -> None:
    """Prints the results of a study, and where to see more.

    Args:
        name: name of the study.
        lab: its lab.
        findings: its numbers.
        is_open: see `show_tensorboard_line`.
    """
    print_findings(name, findings)
    show_tensorboard_line(lab.log_dir, is_open)


def print_findings(title: str, findings: Findings) -> None:
    """Prints the numbers of a study as a table."""
    from rich.console import Console
    from rich.table import Table

    columns = dict.fromkeys(column for row in findings.values() for column in row)
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("")
    for column in columns:
        table.add_column(column.replace(" ", "\n"), justify="right")
    for name, row in findings.items():
        table.add_row(name, *(f"{row[c]:.4g}" if c in row else "" for c in columns))
    # The table may be wider than the terminal, which would cut off numbers.
    Console(width=MAX_TABLE_WIDTH).print(table)
