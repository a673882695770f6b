"""Turns activations, however they are given, into functions of numpy arrays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_initkit.backends import keras_private

Activation = str | dict | Callable | None
ElementwiseFunction = Callable[[np.ndarray], np.ndarray]

_PROBE = np.linspace(-3, 3, 64)


def elementwise_function(activation: Activation) -> ElementwiseFunction:
    """Returns an activation as a function from a numpy array to one of its shape.

    The function always computes eagerly, even while Keras traces a model. It uses the
    precision of the backend: float64 in, float64 out if the backend has it (float32
    with JAX, and for a Keras layer, which casts its input).

    Examples:

    >>> elementwise_function("relu")(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])

    Args:
        activation: Name of a Keras activation, its config, an elementwise callable
            (a Keras layer without weights is one), or `None` for linear.

    Returns:
        A function of one array.

    Raises:
        ValueError: If the activation is unknown, not elementwise (`softmax`) or a layer
            with weights (`PReLU`).
    """
    function = activation_function(activation)
    _require_no_weights(function, activation)

    def values_at(points: np.ndarray) -> np.ndarray:
        values = np.asarray(keras.ops.convert_to_numpy(function(points)))
        return values if values.dtype.kind == "f" else values.astype("float64")

    def eagerly(points: np.ndarray) -> np.ndarray:
        # Keras may build a layer while it traces a model, when no op has a value. A
        # trace belongs to its thread: in a new thread, every backend computes eagerly.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(values_at, points).result()

    _require_elementwise(eagerly, activation)
    return eagerly


def activation_function(activation: Activation) -> Callable:
    """Returns the Keras function or layer that an activation's name or config means.

    Examples:

    >>> activation_function("relu") is keras.activations.relu
    True

    Args:
        activation: As in `elementwise_function`.

    Returns:
        A callable, `keras.activations.linear` for `None`.

    Raises:
        ValueError: If the activation is unknown.
    """
    try:
        return keras.activations.get(activation)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Argument `activation` must be the name of a Keras activation, its "
            f"config, a callable or `None`. Received: activation={activation}"
        ) from error


def _require_no_weights(function: Callable, activation: Activation) -> None:
    is_layer = isinstance(function, keras.Layer)
    layers = keras_private.layers_of(function) if is_layer else ()
    # A layer that makes its weights when called must not be called: that builds it.
    makes_weights = any(
        not layer.built and type(layer).build is not keras.Layer.build
        for layer in layers
    )
    if makes_weights or any(layer.weights for layer in layers):
        raise ValueError(
            "Argument `activation` must be a function of its input alone, not a layer "
            f"with weights. Received: activation={activation}"
        )


def _require_elementwise(function: ElementwiseFunction, activation: Activation) -> None:
    half = _PROBE[: len(_PROBE) // 2]
    try:
        values, half_values = function(_PROBE), function(half)
    except Exception as error:  # the user's function may raise anything
        raise ValueError(
            "Argument `activation` must be callable with one array of any shape. "
            f"Received: activation={activation}"
        ) from error

    # The other half of the input does not change an elementwise function's values.
    if values.shape != _PROBE.shape or not np.allclose(
        values[: len(half)], half_values, rtol=1e-4, atol=1e-6, equal_nan=True
    ):
        raise ValueError(
            "Argument `activation` must be elementwise. It has no gain if an output "
            "depends on other entries, or if its shape differs from the input's. "
            f"Received: activation={activation}"
        )
