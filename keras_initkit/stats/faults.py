"""Turns errors in our own measuring into faults, so training continues."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any

# What went wrong, in words, and the traceback as text. An exception itself would keep
# the tensors of its step alive.
Faults = Mapping[str, str]


def harmlessly(
    begin: Callable[[], Callable[[], Any]], note: Callable[[Faults], Any]
) -> Callable[[], Any]:
    """Begins to measure, and returns a function that ends it. Neither raises.

    Examples:

    >>> faults = {}
    >>> finish = harmlessly(lambda: lambda: 1 / 0, faults.update)
    >>> finish()
    >>> list(faults)
    ['a step could not be recorded (ZeroDivisionError: division by zero)']

    Args:
        begin: takes no arguments and returns a function that ends the measuring.
        note: takes the faults.

    Returns:
        A function without arguments. It returns None if anything failed.
    """
    try:
        finish = begin()
    except Exception as error:
        note(_faults_of(error))
        return lambda: None

    def finish_harmlessly() -> Any:
        try:
            return finish()
        except Exception as error:
            note(_faults_of(error))
            return None

    return finish_harmlessly


def _faults_of(error: Exception) -> Faults:
    what = f"a step could not be recorded ({type(error).__name__}: {error})"
    return {what: "\n" + "".join(traceback.format_exception(error))}
