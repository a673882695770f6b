"""Roots of functions of one variable."""

import math
from collections.abc import Callable

_STEPS = 100
_SMALLEST, _LARGEST = 1e-10, 1e6
_FACTOR = 4.0


def bracketed_root(
    function: Callable[[float], float], low: float, high: float, precision: float
) -> float:
    """Returns where a function changes its sign, by Ridders' method.

    It applies regula falsi to the function times an exponential. The exponential puts
    the values at both ends and in the middle on a line. The root never leaves the
    bracket.

    Examples:

    >>> round(bracketed_root(lambda x: x**2 - 2, 0.0, 2.0, precision=1e-12), 6)
    1.414214

    Args:
        function: Has values of opposite sign, or 0, at `low` and `high`.
        low: One end of the bracket.
        high: The other end.
        precision: The search ends when the root moves by less.

    Returns:
        The root.

    Reference:

    - [Ridders, 1979](https://doi.org/10.1109/TCS.1979.1084580)
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0 or at_high == 0:
        return low if at_low == 0 else high
    root = low
    for _ in range(_STEPS):
        middle, previous = (low + high) / 2, root
        at_middle = function(middle)
        slant = at_middle / math.sqrt(at_middle**2 - at_low * at_high)
        root = middle + (middle - low) * math.copysign(slant, at_middle * at_low)
        at_root = function(root)
        if at_root == 0 or abs(root - previous) < precision:
            break
        crossings = [(low, at_low), (middle, at_middle), (high, at_high)]
        opposite = [(x, y) for x, y in crossings if (y > 0) != (at_root > 0)]
        low, at_low = min(opposite, key=lambda end: abs(end[0] - root))
        high, at_high = root, at_root
    return root


def root_near_one(function: Callable[[float], float]) -> float:
    """Returns the root that a positive quantity reaches from 1.

    From 1, the search goes up while the function is positive and down while it is
    negative, like an iteration that adds the function's value.

    Examples:

    >>> round(root_near_one(lambda q: 50 - q), 6)
    50.0

    Args:
        function: A function of a positive number.

    Returns:
        A root; 0 if there is none from 1e-10 to 1, `inf` if none from 1 to 1e6.
    """
    start, at_start = 1.0, function(1.0)
    if abs(at_start) < 1e-9:
        return 1.0
    step = _FACTOR if at_start > 0 else 1 / _FACTOR
    while _SMALLEST < start < _LARGEST:
        end = start * step
        at_end = function(end)
        if (at_end > 0) != (at_start > 0):
            return bracketed_root(function, start, end, precision=1e-12 * start)
        start = end
    return math.inf if at_start > 0 else 0.0
