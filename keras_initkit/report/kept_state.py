"""The state of a model: kept, whatever a pass through it changes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_initkit import backends
from keras_initkit.backends import keras_private


@contextlib.contextmanager
def state_kept(model: keras.Model) -> Iterator[None]:
    """Within it, averages, random seeds and metrics may change; then they are restored.

    Args:
        model: a built `keras.Model`.
    """
    variables = [*model.non_trainable_variables, *model.metrics_variables]
    random_state = backends.current().random_state_kept()
    with variables_kept(variables), _compiled_loss_kept(model), random_state:
        yield


@contextlib.contextmanager
def variables_kept(variables: list[Any]) -> Iterator[None]:
    """Within it, the variables may change; then they are restored."""
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def read(variable: Any) -> np.ndarray:
    """What a variable holds, in full, also within a layer of mixed precision."""
    with keras_private.AutocastScope(None):
        return keras.ops.convert_to_numpy(variable)


def assign(variable: Any, value: np.ndarray) -> None:
    """Assigns in full, where older versions of Keras halve what is assigned too."""
    with keras_private.AutocastScope(None):
        variable.assign(value)


@contextlib.contextmanager
def _compiled_loss_kept(model: keras.Model) -> Iterator[None]:
    """Within it, the compiled loss is another one of the same arguments.

    The losses of several outputs have metrics from their first batch on.
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
