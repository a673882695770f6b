"""The console script `keras-initkit`: its parser and its subcommands.

Only argument parsing happens here. A subcommand is a module with `add_parser`, which
registers its `run(arguments) -> exit code`.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import NoReturn

from keras_initkit.experiments import (
    compare_command,
    diagnose_command,
    play_command,
    report_command,
    study_command,
)
from keras_initkit.experiments.user_error import UserError

USER_ERROR = 2
# As the shell has it of a program that a broken pipe ends: 128 + SIGPIPE.
NO_READER = 141


class OneLineErrorParser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (see {self.prog} -h)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `keras-initkit`.

    Args:
        argv: the arguments after the program's name; by default the process's own.

    Returns:
        The exit code: 0, 2 when what the user asked for cannot be done, or 141 when
        nobody reads the output any more, as behind `head`. Errors in the arguments
        themselves, and `--help`, raise `SystemExit` as argparse does.
    """
    arguments = _parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Python flushes what is left once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except UserError as error:
        print(f"keras-initkit: error: {error}", file=sys.stderr)
        return USER_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrorParser(
        prog="keras-initkit",
        description="See what an initializer does to a network, layer by layer.",
        epilog="`keras-initkit COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=_versions())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    compare_command.add_parser(commands)
    diagnose_command.add_parser(commands)
    play_command.add_parser(commands)
    report_command.add_parser(commands)
    study_command.add_parser(commands)
    return parser


def _versions() -> str:
    """One line that says what a report of a fault has to say."""
    ours, keras = (metadata.version(name) for name in ("keras_initkit", "keras"))
    return f"keras-initkit {ours} (Keras {keras}, Python {platform.python_version()})"
