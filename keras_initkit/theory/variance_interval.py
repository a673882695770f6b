"""The range in which the variance of a kernel lies if its entries are as intended."""

import math

# A standard normal number lies beyond this, on either side, once in a thousand draws.
QUANTILE = 3.2905267314919255


def variance_interval(variance: float, entries: int) -> tuple[float, float]:
    """The two-sided 99.9 % interval of a population variance.

    The variance of `entries` independent normal numbers, times `entries / variance`,
    has a chi-square distribution with `entries - 1` degrees of freedom. Its quantiles
    are Wilson and Hilferty's. Truncated and uniform entries spread less, and those of
    an orthogonal matrix hardly at all: for them, the interval is too wide.

    Examples:

    >>> low, high = variance_interval(1.0, entries=1000)
    >>> round(low, 3), round(high, 3)
    (0.858, 1.153)

    Args:
        variance: the variance of the distribution, at least 0; NaN if unknown.
        entries: the number of entries, at least 1.

    Returns:
        The lowest and the highest population variance, NaN if unknown.

    Reference:

    - [Wilson & Hilferty, 1931](https://doi.org/10.1073/pnas.17.12.684)
    """
    if entries < 2:
        return math.nan, math.nan
    freedom = entries - 1
    spread = 2 / (9 * freedom)
    low, high = (
        variance / entries * freedom * max(0, 1 - spread + z * math.sqrt(spread)) ** 3
        for z in (-QUANTILE, QUANTILE)
    )
    return low, high
