"""Checks which tensors a user's own statistic can measure."""

import numbers
from collections.abc import Callable, Iterable
from typing import Any

import keras

from keras_initkit import backends
from keras_initkit.backends import keras_private
from keras_initkit.stats.measures import widen

Shape = tuple[int, ...]


def unmeasurable(
    function: Callable[[Any], Any], variables: Iterable[Any]
) -> dict[Shape, str]:
    """The shapes for which a function returns no scalar, and the reasons.

    It traces the function with tensors that hold no numbers, as the training step does.

    Examples:

    >>> kernels = [keras.Variable(np.ones(s)) for s in [(3, 4), (3, 3, 1, 4)]]
    >>> unmeasurable(keras.ops.trace, kernels)
    {(3, 3, 1, 4): 'it returns shape (1, 4)'}

    Args:
        function: a function of one tensor.
        variables: the variables to measure.
    """
    dtypes = {tuple(variable.shape): variable.dtype for variable in variables}
    reasons = {
        shape: _reason(function, keras.KerasTensor(shape, dtype))
        for shape, dtype in dtypes.items()
    }
    return {shape: reason for shape, reason in reasons.items() if reason}


def _reason(function: Callable[[Any], Any], tensor: keras.KerasTensor) -> str:
    """Why a function cannot measure a tensor; empty if it can."""

    def measure(tensor: Any) -> Any:
        return function(widen(tensor))

    try:
        result = backends.current().eagerly(
            lambda: keras_private.compute_output_spec(measure, tensor)
        )
    except Exception as error:  # the user's function may raise anything
        return f"{type(error).__name__}: {error}"
    if isinstance(result, numbers.Number):
        return ""
    if not hasattr(result, "shape"):
        return f"it returns {result!r}"
    return (
        "" if tuple(result.shape) == () else f"it returns shape {tuple(result.shape)}"
    )
