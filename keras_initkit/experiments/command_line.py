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
# The shell's exit code for a program that a broken pipe ends: 128 + SIGPIPE.
NO_READER = 141


class OneLineErrorParser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (see {self.prog} -h)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `keras-initkit`.

    Args:
        argv: the arguments after the program's name; by default the process's own.

    Returns:
        The exit code: 0, 2 if the request cannot be carried out, or 141 if nobody
        reads the output any more, as with `| head`. `--help` and errors in the
        arguments raise `SystemExit`, as argparse does.
    """
    arguments = _parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Python flushes the rest once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except UserError as error:
        print(f"keras-initkit: error: {error}", file=sys.stderr)
        return USER_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrorParser(
        prog="keras-initkit",
        description="See what an initializer does to a network, layer by layer.",
        epilog="See `keras-initkit COMMAND --help` for each command.",
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
    """One line with the versions that a bug report needs."""
    ours, keras = (metadata.version(name) for name in ("keras_initkit", "keras"))
    return f"keras-initkit {ours} (Keras {keras}, Python {platform.python_version()})"
