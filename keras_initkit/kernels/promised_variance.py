"""What variance the initializers of a model promised its kernels."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_initkit.kernels.fans import kernel_fans
from keras_initkit.kernels.intended_variance import implied_variance
from keras_initkit.kernels.origin import kernel_initializer
from keras_initkit.kernels.selection import layers_around


def promised_variances(
    model: keras.Model, variables: Sequence[Any], max_entries: int
) -> np.ndarray:
    """The variances that kernels were drawn with, whatever has become of them since.

    Example:

    >>> model = keras.Sequential([keras.Input((50,)), keras.layers.Dense(200)])
    >>> promised_variances(model, [model.layers[0].kernel], max_entries=0)  # Glorot
    array([0.008])

    Args:
        model: a built `keras.Model`.
        variables: some of its trainable variables.
        max_entries: an initializer whose variance no formula gives is asked for 16
            kernels, if they have no more entries.

    Returns:
        float64, shape (variables,); NaN for what is no kernel, and where there is no
        telling.
    """
    around = layers_around(model)
    return np.array(
        [_promised(around[id(v)], v, max_entries) for v in variables], "float64"
    )


def _promised(layers: Sequence[Any], variable: Any, max_entries: int) -> float:
    for layer in reversed(layers):  # the innermost has drawn it
        try:
            kernels = [k for k in kernel_fans(layer) if k.variable is variable]
        except Exception:  # whatever a layer of the user's own raises here
            continue
        for kernel in kernels:
            initializer = kernel_initializer(layer, kernel)
            if initializer is not None:
                shape = tuple(variable.shape)
                return implied_variance(initializer, shape, max_entries).variance
    return math.nan
