"""Keeps the state of a model during a pass through it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_initkit import backends
from keras_initkit.backends import keras_private


@contextlib.contextmanager
def state_kept(model: keras.Model) -> Iterator[None]:
    """A context that restores averages, random seeds and metrics at its end.

    Args:
        model: a built `keras.Model`.
    """
    variables = [*model.non_trainable_variables, *model.metrics_variables]
    random_state = backends.current().random_state_kept()
    with variables_kept(variables), _compiled_loss_kept(model), random_state:
        yield


@contextlib.contextmanager
def variables_kept(variables: list[Any]) -> Iterator[None]:
    """A context that restores the variables at its end."""
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def read(variable: Any) -> np.ndarray:
    """The value of a variable in full precision, even in mixed precision."""
    with keras_private.AutocastScope(None):
        return keras.ops.convert_to_numpy(variable)


def assign(variable: Any, value: np.ndarray) -> None:
    """Assigns in full precision, where older versions of Keras use half precision."""
    with keras_private.AutocastScope(None):
        variable.assign(value)


@contextlib.contextmanager
def _compiled_loss_kept(model: keras.Model) -> Iterator[None]:
    """A context with a fresh compiled loss of the same arguments.

    The losses of several outputs get metrics with their first batch.
    """
    own = keras_private.compiled_loss(model)
    if own is None:
        yield
        return
    keras_private.put_compiled_loss(model, keras_private.fresh_compiled_loss(own))
    try:
        yield
    finally:
        keras_private.put_compiled_loss(model, own)
