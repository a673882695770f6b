"""Which variance kernels were drawn with, and whether they have it."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_initkit.initializers.intended_variance import (
    effective_entries,
    intended_variance,
)
from keras_initkit.kernels.fans import KernelFans, kernel_fans
from keras_initkit.kernels.kernel import owners
from keras_initkit.kernels.origin import kernel_initializer
from keras_initkit.theory.variance_interval import variance_interval


class Intention(NamedTuple):
    """What a kernel was drawn from, and the variance that it has then.

    Attributes:
        initializer: as of `kernel_initializer`; None if unknown.
        variance: of its draws; NaN if unknown.
        low, high: the variance of a draw lies between them 999 times in 1,000; NaN if
            unknown.
    """

    initializer: Any = None
    variance: float = math.nan
    low: float = math.nan
    high: float = math.nan

    def is_met(self, variance: float) -> bool | None:
        """Whether a kernel of this variance may be such a draw; None if unknown."""
        return None if math.isnan(self.low) else self.low <= variance <= self.high


def intention_of(layer: Any, kernel: KernelFans) -> Intention:
    """What a kernel of a layer was drawn from, by the layer or by a remedy since."""
    shape = tuple(kernel.variable.shape)
    initializer = kernel_initializer(layer, kernel)
    variance = intended_variance(initializer, shape)
    entries = effective_entries(initializer, shape)
    return Intention(initializer, variance, *variance_interval(variance, entries))


def intended_variances(
    model: keras.Model, variables: Sequence[Any], at_start: Sequence[float]
) -> np.ndarray:
    """The variances that kernels were drawn with, whatever has become of them since.

    A kernel that cannot be such a draw at the start was loaded or set by hand: then the
    variance that it was meant to have is unknown.

    Examples:

    >>> model = keras.Sequential([keras.Input((50,)), keras.layers.Dense(200)])
    >>> kernels = [model.layers[0].kernel]
    >>> intended_variances(model, kernels, at_start=[0.0081])  # Glorot
    array([0.008])
    >>> intended_variances(model, kernels, at_start=[0.02])
    array([nan])

    Args:
        model: a built `keras.Model`.
        variables: some of its trainable variables.
        at_start: their variances when the training began.

    Returns:
        float64, shape (variables,); NaN for what is no kernel, and where it is unknown
        (see `intended_variance`).
    """
    made_by = owners(model)
    intentions = [_known_intention(made_by[id(v)], v) for v in variables]
    pairs = zip(intentions, map(float, at_start), strict=True)
    was_set = [intention.is_met(variance) is False for intention, variance in pairs]
    return np.where(was_set, math.nan, [i.variance for i in intentions])


def _known_intention(layer: Any, variable: Any) -> Intention:
    try:
        [kernel] = [k for k in kernel_fans(layer) if k.variable is variable]
        return intention_of(layer, kernel)
    except Exception:  # no kernel, or whatever a layer of the user's own raises here
        return Intention()
