"""Event files that cannot be read: anybody may have written them, and damaged ones."""

from collections.abc import Callable, Sequence
from typing import Any

# What TensorBoard, numpy and our own checks raise at what is in a file.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, MemoryError)


def why_unreadable(error: BaseException) -> str:
    """A sentence for the reader of the page."""
    cause = " ".join(str(error).split()) or type(error).__name__
    return f"The statistics cannot be read: {cause.rstrip('.')}."


def read_apart(
    read: Callable[[Sequence[str]], dict[str, Any]], runs: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What `read` finds of some runs, and why it cannot be read of the others.

    All are read at once. Where that fails, each half is read alone, down to the runs
    that cannot be read.

    Args:
        read: function of names of runs, which raises one of `UNREADABLE`.
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
