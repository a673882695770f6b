"""Handles event files that cannot be read: damaged, or from an unknown writer."""

from collections.abc import Callable, Sequence
from typing import Any

# The errors of TensorBoard, numpy and our own checks about the content of a file.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, MemoryError)


def why_unreadable(error: BaseException) -> str:
    """A sentence for the reader of the page."""
    cause = " ".join(str(error).split()) or type(error).__name__
    return f"The statistics cannot be read: {cause.rstrip('.')}."


def read_apart(
    read: Callable[[Sequence[str]], dict[str, Any]], runs: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The results of `read` for some runs, and the reasons why others fail.

    It reads all at once. If that fails, it reads each half alone, down to the runs that
    cannot be read.

    Args:
        read: takes names of runs, and raises one of `UNREADABLE`.
        runs: the names.
    """
    if not runs:
        return {}, {}
    try:
        return read(runs), {}
    except UNREADABLE as error:
        if len(runs) == 1:
            return {}, {runs[0]: why_unreadable(error)}
    middle = len(runs) // 2
    found, faults = read_apart(read, runs[:middle])
    more_found, more_faults = read_apart(read, runs[middle:])
    return found | more_found, faults | more_faults
