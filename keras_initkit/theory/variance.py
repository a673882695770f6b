"""The population variance of anything that holds numbers."""

from typing import Any

import keras
import numpy as np


def variance(tensor: Any) -> float:
    """The population variance of all entries, in float64; exactly 0 if all are equal.

    In float32 the square of an exploding signal overflows.

    >>> variance([1.0, 2.0, 3.0, 4.0])
    1.25

    Args:
        tensor: array or tensor of any shape, with at least one entry.
    """
    values = np.asarray(keras.ops.convert_to_numpy(tensor), "float64")
    with np.errstate(invalid="ignore", over="ignore"):  # not finite, and so is this
        return float(np.var(values - values.flat[0]))
