"""`keras-initkit compare`: the same network, once per initializer."""

import argparse
import shlex
from pathlib import Path

import keras

from keras_initkit.experiments.compare import RunResult, compare
from keras_initkit.experiments.datasets import Dataset, load_dataset
from keras_initkit.experiments.extras import require_extras
from keras_initkit.experiments.kernel_initializers import kernel_initializers
from keras_initkit.experiments.run_directory import run_directories
from keras_initkit.experiments.settings import (
    DATASETS,
    INITIALIZERS,
    LEARNING_RATES,
    Settings,
)
from keras_initkit.experiments.user_error import UserError

DESCRIPTION = """\
Train the same Dense network once with each initializer, on the same data in the same
order, and show what became of it: a table, a picture, and TensorBoard files with the
statistics of every layer. The defaults take about a minute on two cores.
"""

EPILOG = """\
initializers:
  zeros              every kernel 0: no gradient reaches any kernel; the loss stays at
                     ln(number of classes)
  large_normal       normal, standard deviation 1: the signal explodes
  glorot_uniform, he_normal, lecun_normal, orthogonal
                     as in Keras
  scaled_depth       ScaledDepth: He, divided by the square root of the number of
                     residual branches, for the kernels that close them; the first
                     kernel and the head are He. It is made for --residual. In a plain
                     network the same kernels make the signal vanish, and that shows.
  dynamic_rescaling  DynamicRescaling: He, rescaled so that each layer's signal starts
                     with variance 1

network:
  plain:     z = W f(z before)
  residual:  z = z before + W f(z before)
  z is a layer's signal before the activation f; the first layer sees the input itself;
  biases start at 0.

columns of the table:
  initial loss    cross-entropy on the training set (10,000 samples of it at most)
                  before training; chance is ln(number of classes)
  final loss      the same after training
  train accuracy  on the same samples, after training
  test accuracy   on the test set, after training
  forward ratio   variance of the last hidden layer's pre-activations z over the
                  first's, at initialization: 1 keeps the signal, 0 loses it
  gradient ratio  variance of the first kernel's gradient over the head's, at step 0:
                  far from 1, some layers learn much faster than others
  seconds         building, training and evaluating, without the pictures
  `-` stands for 0 divided by 0. A loss of nan or inf is a run that exploded.

examples:
  keras-initkit compare
  keras-initkit compare --residual --depth 24 --initializers he_normal scaled_depth
  keras-initkit compare --dataset spirals --activation tanh --optimizer adam
  keras-initkit compare --dataset mnist --depth 3 --epochs 5
  keras-initkit compare --dataset mnist --mnist-path ~/data/mnist.npz
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds `compare` to the parser's subcommands."""
    parser = commands.add_parser(
        "compare",
        help="train the same network with different initializers, side by side",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_data_options(parser.add_argument_group("data"))
    _add_network_options(parser.add_argument_group("network"))
    _add_training_options(parser.add_argument_group("training"))
    _add_output_options(parser.add_argument_group("output"))
    parser.set_defaults(run=run)


def _add_data_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--dataset",
        choices=DATASETS,
        default="digits",
        metavar="NAME",
        help=f"{', '.join(DATASETS)} (default: digits, scikit-learn's)",
    )
    group.add_argument(
        "--mnist-path",
        metavar="FILE",
        help="mnist.npz as Keras has it, or the IDX .gz files (one of the four, or "
        "their directory); default: keras.datasets.mnist, from its cache or download",
    )


def _add_network_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--initializers",
        nargs="+",
        choices=INITIALIZERS,
        default=INITIALIZERS,
        metavar="NAME",
        help="which to train, in this order (default: all eight, listed below)",
    )
    group.add_argument(
        "--depth",
        type=int,
        default=Settings.depth,
        help="hidden Dense layers (default: %(default)s)",
    )
    group.add_argument(
        "--width",
        type=int,
        default=Settings.width,
        help="units per hidden layer (default: %(default)s)",
    )
    group.add_argument(
        "--activation",
        default=Settings.activation,
        metavar="NAME",
        help="any Keras activation (default: %(default)s)",
    )
    group.add_argument(
        "--residual",
        action="store_true",
        help="a shortcut around every hidden layer but the first (default: plain)",
    )


def _add_training_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--epochs",
        type=int,
        default=Settings.epochs,
        help="passes over the training set (default: %(default)s)",
    )
    group.add_argument(
        "--batch-size",
        type=int,
        default=Settings.batch_size,
        metavar="SIZE",
        help="samples per step (default: %(default)s)",
    )
    group.add_argument(
        "--optimizer",
        choices=LEARNING_RATES,
        default=Settings.optimizer,
        metavar="NAME",
        help=f"{', '.join(LEARNING_RATES)} (default: %(default)s, SGD with 0.9 of it)",
    )
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
    group.add_argument(
        "--learning-rate",
        type=float,
        metavar="RATE",
        help=f"(default: {rates})",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=Settings.seed,
        help="decides kernels, data order and toy datasets (default: %(default)s)",
    )


def _add_output_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--log-dir",
        default="logs/compare",
        metavar="DIR",
        help="each comparison writes its TensorBoard files into a new numbered "
        "directory below this one (default: %(default)s)",
    )
    group.add_argument(
        "--output",
        metavar="DIR",
        help="where compare.png and compare.csv go (default: that numbered directory)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compares as asked: everything that can be wrong is found before training.

    Raises:
        UserError: the comparison cannot be made.
    """
    require_extras()
    settings = _settings(arguments)
    _require_activation(settings)
    dataset = _dataset(arguments, settings)
    run_directory, output = _directories(arguments)

    try:
        results = _compare_with_progress(dataset, settings, run_directory)
    except OSError as error:  # of a disk that is full
        raise UserError(error) from error
    _show(results, f"{dataset.name}: {settings.describe()}", output)
    print(f"See every layer:\ntensorboard --logdir {shlex.quote(str(run_directory))}")
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    try:
        return Settings(
            initializers=tuple(arguments.initializers),
            depth=arguments.depth,
            width=arguments.width,
            activation=arguments.activation,
            residual=arguments.residual,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            optimizer=arguments.optimizer,
            learning_rate=arguments.learning_rate,
            seed=arguments.seed,
        )
    except ValueError as error:
        raise UserError(error) from error


def _require_activation(settings: Settings) -> None:
    try:
        keras.activations.get(settings.activation)
        for name in settings.initializers:
            # `dynamic_rescaling` raises for one that has no gain, as softmax.
            kernel_initializers(name, 1, settings.activation, settings.seed)
    except ValueError as error:
        raise UserError(error) from error


def _dataset(arguments: argparse.Namespace, settings: Settings) -> Dataset:
    try:
        return load_dataset(arguments.dataset, settings.seed, arguments.mnist_path)
    except (ValueError, OSError) as error:
        raise UserError(error) from error


def _directories(arguments: argparse.Namespace) -> tuple[Path, Path]:
    try:
        return run_directories(arguments.log_dir, arguments.output)
    except (ValueError, OSError) as error:
        raise UserError(error) from error


def _compare_with_progress(
    dataset: Dataset, settings: Settings, run_directory: Path
) -> list[RunResult]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>17}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {
            name: progress.add_task(name, start=False) for name in settings.initializers
        }

        def advance(name: str, step: int, steps: int) -> None:
            progress.start_task(bars[name])
            progress.update(bars[name], completed=step, total=steps)

        return compare(dataset, settings, run_directory, advance)


def _show(results: list[RunResult], title: str, output: Path) -> None:
    from rich.console import Console

    from keras_initkit.experiments.picture import draw
    from keras_initkit.experiments.table import rich_table, write_csv

    Console().print(rich_table(results, title))
    write_csv(results, output / "compare.csv")
    draw(results, title, output / "compare.png")
    print(f"Picture: {output / 'compare.png'}\nTable:   {output / 'compare.csv'}")
