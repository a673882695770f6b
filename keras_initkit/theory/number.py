"""What counts as a number, Python's own or NumPy's, where an argument must be one."""

import math
import numbers
from typing import Any


def is_finite_number(value: Any) -> bool:
    """Whether `value` is a real number, not a bool, and neither NaN nor infinite."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def is_integer(value: Any, least: int = 1) -> bool:
    """Whether `value` is an integer, not a bool, and at least `least`."""
    return (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and int(value) >= least
    )
