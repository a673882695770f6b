"""Checks of arguments, and their errors.

Each function returns the given value as a plain Python value, or raises a ValueError
that names the argument, what it must be, and what was received.
"""

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

import numpy as np

# The largest integer that every backend can hold.
LARGEST_INTEGER = 2**63 - 1
# JAX and NumPy hold a seed in 32 bits without a sign.
LARGEST_SEED = 2**32 - 1

_LONGEST_REPR = 500


def number(
    name: str, value: Any, least: float = -math.inf, above: float = -math.inf
) -> float:
    """A finite real number of Python or NumPy, but not a bool.

    Examples:

    >>> number("gain", np.float32(1.5), above=0)
    1.5
    >>> number("gain", -1, above=0)
    Traceback (most recent call last):
    ValueError: Argument `gain` must be a finite number above 0. Received: gain=-1

    Args:
        name: the name of the argument.
        value: the given value.
        least: the smallest allowed number.
        above: a number below all allowed ones.
    """
    limit = ""
    if math.isfinite(least):
        limit = f" of at least {least}"
    elif math.isfinite(above):
        limit = f" above {above}"
    try:
        given = float(value) if _is_a(numbers.Real, value) else math.nan
    except OverflowError:
        given = math.inf
    if not math.isfinite(given) or given < least or given <= above:
        raise error(name, value, f"a finite number{limit}")
    return given


def integer(name: str, value: Any, least: int = 1) -> int:
    """An integer of 64 bits and at least `least`, as in `is_integer`."""
    if is_integer(value, least, most=math.inf) and value > LARGEST_INTEGER:
        raise error(name, value, "an integer below 2**63")
    if not is_integer(value, least):
        kind = {0: "a non-negative integer", 1: "a positive integer"}.get(least)
        raise error(name, value, kind or f"an integer of at least {least}")
    return int(value)


def is_integer(
    value: Any, least: float = 1, most: float = LARGEST_INTEGER
) -> TypeGuard[int]:
    """Tells whether a value is an integer of Python or NumPy in a range, not a bool."""
    return _is_a(numbers.Integral, value) and least <= int(value) <= most


def shape(name: str, value: Any) -> tuple[int, ...]:
    """A shape: a tuple of sizes, or something that converts to one."""
    sizes = tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(is_integer(size, least=0) for size in sizes):
        raise error(name, value, "a tuple of non-negative integers")
    return tuple(int(size) for size in sizes)


def flag(name: str, value: Any) -> bool:
    """A bool. Python would accept any object as one, even `"no"` as True."""
    if not isinstance(value, bool | np.bool_):
        raise error(name, value, "True or False")
    return bool(value)


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of several words."""
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{word}"' for word in choices)
        raise error(name, value, f"{', '.join(others)} or {last}")
    return value


def instance(name: str, value: Any, kind: type, expected: str) -> Any:
    """An object of a class, which `expected` describes."""
    if not isinstance(value, kind):
        raise error(name, value, expected)
    return value


def error(name: str, value: Any, expected: str) -> ValueError:
    """The error for an argument that is not what was expected."""
    received = repr(value)
    if len(received) > _LONGEST_REPR:
        received = f"{received[:_LONGEST_REPR]}..."
    return ValueError(
        f"Argument `{name}` must be {expected}. Received: {name}={received}"
    )


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
