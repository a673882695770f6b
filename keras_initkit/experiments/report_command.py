"""`keras-initkit report`: what the weights of a saved model do to a signal."""

import argparse
import importlib.util
import re
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_initkit.experiments.user_error import UserError
from keras_initkit.report.signal_report import SignalReport, signal_report

NAMES = (("x", "y"), ("x_train", "y_train"))

# Keras puts this sentence inside the configuration of the whole model.
UNKNOWN_OBJECT = re.compile(r"Could not locate (class|function) '([^']+)'")

DESCRIPTION = """\
Run a saved Keras model once, forward and backward, on some samples. Show layer
by layer what its weights do to the signal and to the gradient, as measured and
as predicted. The model file does not change. Columns that do not fit into the
terminal go into a second table below the first.
"""

EPILOG = """\
data:
  An .npz file from numpy.savez, with the arrays x and y, or x_train and y_train
  (as in mnist.npz), or a single array, which is x. x must be what the model
  takes: reshaped and scaled. If the model was saved compiled with a loss, the
  gradient is that of the loss for y. Otherwise it is the gradient of the sum of
  all outputs, each times a standard normal number.

columns of the table, one row for each kernel W in the order of execution:
  fan in           number of inputs of a unit
  initializer      the model's initializer for the kernel
  weight variance  variance of the kernel's entries
  as intended      whether the initializer would draw that variance: within the
                   interval of 99.9 % of draws; no for trained kernels
  z variance       variance of the pre-activations z = W x + b, over samples,
                   positions and units. Predicted for independent weights, from
                   the layer's input: fan_in mean(W^2) mean(x^2) + mean(b^2)
  gain             the measured z variance over that of the layer before
  gradient         variance of the gradient with respect to z. Predicted from
                   the next layer, if only that layer uses f(z)
  dead             share of units whose activation f(z) is 0 for every sample
  saturated        share of units with almost no slope for over half of the
                   samples
  A row at fault ends with ! and the problem, which the lines below explain.
  `-` means that there is no value, as for kernels of LSTM or Embedding layers.

examples:
  keras-initkit report model.keras --data digits.npz
  keras-initkit report model.keras --data digits.npz --samples 128 \\
      --plot report.png
"""

# TensorFlow adds colors and the device that ran an operation.
NO_WORDS = re.compile(r"\x1b\[[0-9;]*m|\{\{.*?\}\} ?|\[Op:\w*\]")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds `report` to the parser's subcommands."""
    parser = commands.add_parser(
        "report",
        help="show what a saved model does to signal and gradient, layer by layer",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL.keras", help="the saved Keras model")
    parser.add_argument(
        "--data", required=True, metavar="FILE.npz", help="the samples (see below)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=512,
        metavar="N",
        help="use the first N samples (default: %(default)s)",
    )
    parser.add_argument(
        "--plot", metavar="FILE.png", help="also write a picture to this file"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the report.

    Raises:
        UserError: the report cannot be made.
    """
    if arguments.samples < 1:
        raise UserError(f"--samples must be at least 1, but is {arguments.samples}")
    if arguments.plot and not importlib.util.find_spec("matplotlib"):
        raise UserError(
            'matplotlib not installed: pip install "keras_initkit[experiments]"'
        )
    x, y = _data(arguments.data, arguments.samples)
    model = _model(arguments.model)
    has_loss = getattr(model, "compiled", False) and getattr(model, "loss", None)
    report = _report(model, x, y if has_loss else None)
    # Output to a file has no width.
    width = shutil.get_terminal_size((0, 0)).columns
    print(report.to_text(width or None))
    print(f"\n{_what_gradient(y, has_loss)}; {len(x)} samples of {arguments.data}")
    if arguments.plot:
        _plot(report, arguments.plot)
    return 0


def _data(path: str, samples: int) -> tuple[np.ndarray, np.ndarray | None]:
    arrays = _arrays(path)
    for x, y in NAMES:
        if x in arrays:
            targets = _first(arrays, y, samples) if y in arrays else None
            return _first(arrays, x, samples), targets
    if len(arrays) == 1:
        return _first(arrays, next(iter(arrays)), samples), None
    raise UserError(
        f"{path} must have an array x or x_train, or only one, but has "
        f"{', '.join(arrays) or 'none'}"
    )


def _arrays(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no archive, or it is damaged")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
    except Exception as error:  # zipfile, zlib and numpy each raise their own
        raise UserError(f"{path} cannot be read as an .npz file: {error}") from error


def _first(arrays: dict[str, Any], name: str, samples: int) -> np.ndarray:
    # A member of an archive that is no array arrives as bytes.
    if not np.ndim(arrays[name]):
        raise UserError(
            f"{name} in the data must be an array with an axis of samples, but is a "
            "single value"
        )
    return arrays[name][:samples]


def _model(path: str) -> Any:
    if not Path(path).exists():
        raise UserError(f"there is no model file {path}")
    is_archive = Path(path).is_dir() or zipfile.is_zipfile(path)
    if Path(path).suffix == ".keras" and not is_archive:
        # Keras would say that it is not found.
        raise UserError(
            f"{path} cannot be loaded: it is no .keras file, or it is damaged"
        )
    try:
        with warnings.catch_warnings():
            # Keras warns about the optimizer of an untrained model.
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path)
    except Exception as error:  # the user's layers may raise anything
        raise UserError(f"{path} cannot be loaded: {_why_not(error)}") from error


def _why_not(error: Exception) -> str:
    unknown = UNKNOWN_OBJECT.search(str(error))
    if unknown is None:
        return _first_line(error)
    kind, name = unknown.groups()
    return (
        f"its {kind} {name!r} is your own and is not imported here. In Python, "
        f"register the {kind} with @keras.saving.register_keras_serializable(), load "
        "the model and call keras_initkit.signal_report(model, x, y)"
    )


def _report(model: Any, x: np.ndarray, y: np.ndarray | None) -> SignalReport:
    try:
        return signal_report(model, x, y)
    except Exception as error:  # the user's layers may raise anything
        raise UserError(_first_line(error)) from error


def _what_gradient(y: np.ndarray | None, has_loss: Any) -> str:
    if y is not None and has_loss:
        return "gradient of the loss"
    why = "no y in the data" if y is None else "the model is not compiled with a loss"
    return f"gradient of a random sum of the outputs ({why})"


def _plot(report: SignalReport, path: str) -> None:
    try:
        report.plot().savefig(path)
    except (OSError, ValueError) as error:  # ValueError: a suffix of no picture format
        raise UserError(f"the picture cannot be written: {error}") from error
    print(f"Picture: {path}")


def _first_line(error: Exception) -> str:
    # Keras puts the cause after the configuration of the object.
    _, _, cause = str(error).rpartition("Exception encountered: ")
    lines = [line.strip() for line in NO_WORDS.sub("", cause).splitlines()]
    # Keras starts an error from a layer with this line.
    said = [s for s in lines if s and not s.startswith("Exception encountered")]
    return said[0] if said else type(error).__name__
