"""`keras-initkit study`: the experiments of `examples/`, by name."""

import argparse
import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras_initkit
from keras_initkit.experiments.extras import require_extras
from keras_initkit.experiments.study import add_options, lab_of, show
from keras_initkit.experiments.user_error import UserError

STUDIES = (
    "zero_large_he",
    "symmetry",
    "exploding_vanishing",
    "xavier_mnist",
    "variance_law",
    "scheme_by_activation",
    "saturation",
    "scaled_depth",
    "dynamic_rescaling",
    "pretrained",
    "uniform_or_normal",
    "framework_defaults",
)
"""The studies, in the order to read them."""

DESCRIPTION = """\
Run a lesson on initialization. It trains small networks, prints a table of results,
draws a picture, and writes TensorBoard files with the statistics of every layer.
`keras-initkit study --list` lists the lessons.
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds `study` to the parser's subcommands."""
    parser = commands.add_parser(
        "study",
        help="run a lesson on initialization",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", nargs="?", choices=STUDIES, metavar="NAME", help="name of the lesson"
    )
    parser.add_argument("--list", action="store_true", help="list the lessons")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs a study, or lists them.

    Raises:
        UserError: the study cannot be run.
    """
    if arguments.list:
        for name, sentence in sentences():
            print(f"{name:22}{sentence}")
        return 0
    if arguments.name is None:
        raise UserError("which study? `keras-initkit study --list` lists them")
    require_extras()
    try:
        lab = lab_of(arguments.name, arguments)
    except (ValueError, OSError) as error:
        raise UserError(error) from error
    show(arguments.name, lab, load_study(arguments.name).study(lab), arguments.open)
    return 0


def sentences() -> Iterator[tuple[str, str]]:
    """The name of each study, and the first line of its file's docstring."""
    for name in STUDIES:
        tree = ast.parse(_path(name).read_text(encoding="utf-8"))
        yield name, (ast.get_docstring(tree) or "").partition("\n")[0]


def load_study(name: str) -> ModuleType:
    """The module of a study, with its functions `study` and `main`."""
    spec = importlib.util.spec_from_file_location(name, _path(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _path(name: str) -> Path:
    """The file of a study, in the installed package or beside it in a checkout."""
    package = Path(keras_initkit.__file__).parent
    inside, beside = package / "examples", package.parent / "examples"
    return (inside if inside.is_dir() else beside) / f"{name}.py"
