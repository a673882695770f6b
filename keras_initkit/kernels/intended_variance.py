"""The variances that the initializers of a model intend for its kernels."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_initkit.initializers.intended_variance import intended_variance
from keras_initkit.kernels.fans import kernel_fans
from keras_initkit.kernels.kernel import owners
from keras_initkit.kernels.origin import kernel_initializer


def intended_variances(model: keras.Model, variables: Sequence[Any]) -> np.ndarray:
    """The variances that the initializers of kernels intend, trained or not.

    Examples:

    >>> model = keras.Sequential([keras.Input((50,)), keras.layers.Dense(200)])
    >>> intended_variances(model, [model.layers[0].kernel])  # Glorot
    array([0.008])

    Args:
        model: a built `keras.Model`.
        variables: some of its trainable variables.

    Returns:
        float64, shape (variables,); NaN for a variable that is no kernel, and if the
        variance is unknown (see `intended_variance`).
    """
    made_by = owners(model)
    return np.array([_intended(made_by[id(v)], v) for v in variables], "float64")


def _intended(layer: Any, variable: Any) -> float:
    try:
        [kernel] = [k for k in kernel_fans(layer) if k.variable is variable]
        initializer = kernel_initializer(layer, kernel)
        return intended_variance(initializer, variable.shape)
    except Exception:  # no kernel, or an error in the user's own layer
        return math.nan
