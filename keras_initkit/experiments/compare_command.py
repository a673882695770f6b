"""`keras-initkit compare`: the same network, once per initializer."""

import argparse
import dataclasses
import functools
import json
from pathlib import Path

import keras

from keras_initkit.experiments.compare import RunResult, compare
from keras_initkit.experiments.datasets import Dataset, load_dataset
from keras_initkit.experiments.extras import require_extras
from keras_initkit.experiments.kernel_initializers import kernel_initializers
from keras_initkit.experiments.run_directory import run_directories
from keras_initkit.experiments.settings import (
    DATASETS,
    LEARNING_RATES,
    SHOWCASE,
    Settings,
)
from keras_initkit.experiments.tensorboard_line import HELP, show_tensorboard_line
from keras_initkit.experiments.user_error import UserError

DESCRIPTION = """\
Train the same Dense network once with each initializer, on the same data in the same
order. Show the results as a table, a picture, and TensorBoard files with the statistics
of every layer. Without options for the network, the command trains three networks. In
each, one common initialization fails and another one works: a plain network of 40
layers, a residual one of 48 blocks, and one whose kernels are three times too large.
This takes about a minute on two cores.
"""

EPILOG = """\
initializers:
  zeros              every kernel 0: no gradient reaches any kernel; the loss stays at
                     ln(number of classes)
  large_normal       normal, standard deviation 1: the signal explodes
  glorot_uniform, he_normal, lecun_normal, orthogonal
                     as in Keras; so is any other initializer of Keras, by its name
  scaled_depth       ScaledDepth: He, divided by the square root of the number of
                     residual branches, for the last kernel of each branch; the first
                     kernel and the head are He. Use it with --residual. In a plain
                     network, the same kernels make the signal vanish.
  dynamic_rescaling  DynamicRescaling: He, rescaled so that each layer's signal starts
                     with variance 1
  looks_linear       LooksLinear: a plain ReLU network that starts as a linear one
  critical           Critical: kernels and depth at the edge of chaos of the activation
  lsuv               orthogonal kernels, rescaled on a batch to unit variance
  scaled_orthogonal, torch_uniform, zero
                     as in keras_initkit
  module:Name        your own initializer, from a module in this directory or an
                     installed one
  NAME*3             NAME, three times as large; for dynamic_rescaling, its base
  NAME+rescaling     NAME, trained with DynamicRescalingCallback

network:
  plain:     z = W f(z before)
  residual:  z = z before + W f(z before)
  z is a layer's signal before the activation f; the first layer sees the input itself;
  biases start at 0.

columns of the table:
  test accuracy   on the test set, after training
  final loss      cross-entropy on the training set (at most 10,000 of its samples)
                  after training; chance is ln(number of classes)
  gradient ratio  variance of the first kernel's gradient over the head's, at step 0:
                  far from 1, some layers learn much faster than others. `-` stands
                  for 0 divided by 0.
  what went wrong "diverged at step ..." is the first recorded step with a loss that is
                  not finite; "did not learn" is a final loss above 95 % of chance's.
                  The word after it is the first finding of the diagnosis.
  compare.csv and --json have more: the initial loss, the train accuracy, the seconds
  for building, training and evaluating, and the forward ratio: the variance of the last
  hidden layer's pre-activations z over the first's, at initialization.

examples:
  keras-initkit compare
  keras-initkit compare --residual --depth 24 --initializers he_normal scaled_depth
  keras-initkit compare --initializers critical lsuv my_module:MyInitializer
  keras-initkit compare --dataset spirals --activation tanh --optimizer adam
  keras-initkit compare --dataset mnist --depth 3 --epochs 5
  keras-initkit compare --dataset mnist --mnist-path ~/data/mnist.npz
"""

# Any of these options asks for a single network.
NETWORK_OPTIONS = ("initializers", "depth", "width", "activation", "residual")


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
        help="Keras's mnist.npz, or the IDX .gz files (one of the four, or their "
        "directory); default: keras.datasets.mnist, from its cache or a download",
    )


def _add_network_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--initializers",
        nargs="+",
        metavar="NAME",
        help="initializers to train, in this order (default: the first eight below)",
    )
    group.add_argument(
        "--depth",
        type=int,
        help=f"hidden Dense layers, at most 250 (default: {Settings.depth})",
    )
    group.add_argument(
        "--width",
        type=int,
        help=f"units per hidden layer (default: {Settings.width})",
    )
    group.add_argument(
        "--activation",
        metavar="NAME",
        help=f"any Keras activation (default: {Settings.activation})",
    )
    group.add_argument(
        "--residual",
        action="store_true",
        default=None,
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
        help=f"{', '.join(LEARNING_RATES)} (default: %(default)s, SGD with 0.9)",
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
        help="write TensorBoard files to a new numbered directory in DIR "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--output",
        metavar="DIR",
        help="write compare.png and compare.csv to DIR (default: the numbered one)",
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="print the results and all findings as JSON instead of tables",
    )
    group.add_argument("--open", action="store_true", help=HELP)


def run(arguments: argparse.Namespace) -> int:
    """Compares the initializers. It checks everything before training.

    Raises:
        UserError: the comparison cannot be made.
    """
    require_extras()
    networks = _networks(arguments)
    for settings in networks.values():
        _require_activation(settings)
    dataset = _dataset(arguments)
    run_directory, output = _directories(arguments)

    try:
        results = _compare_with_progress(dataset, networks, run_directory)
    except OSError as error:  # the disk is full
        raise UserError(error) from error
    titles = {name: networks[name].describe() for name in networks}
    _write(results, titles, dataset, output)
    if arguments.json:
        print(_json(results, titles, dataset, run_directory))
        return 0
    _show(results, titles, dataset)
    print(f"Picture: {output / 'compare.png'}\nTable:   {output / 'compare.csv'}")
    show_tensorboard_line(run_directory, arguments.open)
    return 0


def _networks(arguments: argparse.Namespace) -> dict[str, Settings]:
    """The requested network, without a name; or the networks of the showcase."""
    options = {name: getattr(arguments, name) for name in NETWORK_OPTIONS}
    asked = {name: value for name, value in options.items() if value is not None}
    if "initializers" in asked:
        asked["initializers"] = tuple(asked["initializers"])
    training = {
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "optimizer": arguments.optimizer,
        "learning_rate": arguments.learning_rate,
        "seed": arguments.seed,
    }
    networks = {"": Settings()} if asked else SHOWCASE
    try:
        return {
            name: dataclasses.replace(settings, **asked, **training)
            for name, settings in networks.items()
        }
    except ValueError as error:
        raise UserError(error) from error


def _require_activation(settings: Settings) -> None:
    try:
        keras.activations.get(settings.activation)
        for name in settings.initializers:
            # `dynamic_rescaling` raises if the activation has no gain, as softmax.
            kernel_initializers(name, 1, settings.activation, settings.seed)
    except ValueError as error:
        raise UserError(error) from error


def _dataset(arguments: argparse.Namespace) -> Dataset:
    try:
        return load_dataset(arguments.dataset, arguments.seed, arguments.mnist_path)
    except (ValueError, OSError) as error:
        raise UserError(error) from error


def _directories(arguments: argparse.Namespace) -> tuple[Path, Path]:
    try:
        return run_directories(arguments.log_dir, arguments.output)
    except (ValueError, OSError) as error:
        raise UserError(error) from error


def _compare_with_progress(
    dataset: Dataset, networks: dict[str, Settings], run_directory: Path
) -> dict[str, list[RunResult]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>34}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {
            (network, name): progress.add_task(f"{network} {name}", start=False)
            for network, settings in networks.items()
            for name in settings.initializers
        }

        def advance(network: str, name: str, step: int, steps: int) -> None:
            progress.start_task(bars[network, name])
            progress.update(bars[network, name], completed=step, total=steps)

        return {
            network: compare(
                dataset,
                settings,
                run_directory / network,
                functools.partial(advance, network),
            )
            for network, settings in networks.items()
        }


def _write(
    results: dict[str, list[RunResult]],
    titles: dict[str, str],
    dataset: Dataset,
    output: Path,
) -> None:
    from keras_initkit.experiments.picture import draw
    from keras_initkit.experiments.table import write_csv

    write_csv(results, output / "compare.csv")
    pictured = {titles[name]: of_network for name, of_network in results.items()}
    draw(pictured, dataset.name, output / "compare.png")


def _show(
    results: dict[str, list[RunResult]], titles: dict[str, str], dataset: Dataset
) -> None:
    from rich.console import Console

    from keras_initkit.experiments.table import rich_table

    for name, of_network in results.items():
        Console().print(rich_table(of_network, f"{dataset.name}: {titles[name]}"))


def _json(
    results: dict[str, list[RunResult]],
    titles: dict[str, str],
    dataset: Dataset,
    run_directory: Path,
) -> str:
    from keras_initkit.experiments.table import as_json

    networks = [
        {"network": titles[name], "results": as_json(of_network)}
        for name, of_network in results.items()
    ]
    content = {"dataset": dataset.name, "log_dir": str(run_directory)}
    return json.dumps({**content, "networks": networks}, indent=2)
