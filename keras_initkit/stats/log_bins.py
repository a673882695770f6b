"""The bins of the histograms: fixed, the same for every tensor and step.

There are four for each power of two and each sign, from 2^-40 to 2^24. Weights and
vanishing or exploding gradients all fall into them. The exponent of a float32 number
and the first two bits of its fraction give its bin.
"""

from typing import Any

import numpy as np
from keras import ops

from keras_initkit import backends

MIN_EXPONENT, MAX_EXPONENT = -40, 24
BINS_PER_OCTAVE = 4
BINS_PER_SIGN = (MAX_EXPONENT - MIN_EXPONENT) * BINS_PER_OCTAVE
NUM_BINS = 2 * BINS_PER_SIGN + 1


def edges() -> np.ndarray:
    """The edges of the bins, float64, ascending, shape (NUM_BINS + 1,).

    The middle bin holds 0 and all absolute values below 2^-40. The first and the last
    also hold all absolute values from 2^24. On the negative side, a bin includes its
    right edge instead of its left.
    """
    octaves = 2.0 ** np.arange(MIN_EXPONENT, MAX_EXPONENT)
    steps = 1 + np.arange(BINS_PER_OCTAVE) / BINS_PER_OCTAVE
    positive = np.append(np.outer(octaves, steps).ravel(), 2.0**MAX_EXPONENT)
    return np.concatenate([-positive[::-1], positive])


def indices(tensor: Any) -> Any:
    """The bin of each entry: int32, flat; NUM_BINS for NaN and infinities.

    Args:
        tensor: float32 or float64, any shape.
    """
    flat = ops.cast(ops.reshape(tensor, (-1,)), "float32")
    bits = backends.current().float_bits(flat)
    # A float32 number's sign, 8 bits of exponent, and 2 of the fraction.
    magnitude = ops.right_shift(ops.bitwise_and(bits, 2**31 - 1), 21)
    lowest = (127 + MIN_EXPONENT) * BINS_PER_OCTAVE
    place = ops.clip(magnitude - lowest + 1, 0, BINS_PER_SIGN)
    index = BINS_PER_SIGN + ops.where(bits < 0, -place, place)
    return ops.cast(ops.where(ops.isfinite(flat), index, NUM_BINS), "int32")
