"""The population variance of an array or tensor."""

from typing import Any

import keras
import numpy as np


def variance(tensor: Any) -> float:
    """The population variance of all entries, in float64; exactly 0 if all are equal.

    In float32, the square of an exploding signal would overflow.

    >>> variance([1.0, 2.0, 3.0, 4.0])
    1.25

    Args:
        tensor: array or tensor of any shape, with at least one entry.
    """
    values = np.asarray(keras.ops.convert_to_numpy(tensor), "float64")
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # an infinite entry gives an infinite or NaN variance
        return float(np.var(values - values.flat[0]))
