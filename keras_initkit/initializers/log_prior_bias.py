"""Initial biases of a classifier that knows the frequencies of its classes."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit import arguments

_SUM_TOLERANCE = 1e-3


@keras.saving.register_keras_serializable(package="keras_initkit")
class LogPriorBias(keras.initializers.Initializer):
    """Initializer of the last bias that predicts the frequencies of the classes.

    It is `b = log(p)` for a softmax and `b = log(p / (1 - p))` for a sigmoid, with the
    frequency `p` of each class. With small weights, training starts at the entropy of
    the frequencies instead of `log(num_classes)`: the network does not have to learn
    first that a class is rare.

    Examples:

    >>> # Standalone usage:
    >>> initializer = LogPriorBias(labels=[0, 0, 0, 1])
    >>> values = initializer(shape=(2,))

    >>> # Usage in the last layer, from the frequencies themselves:
    >>> initializer = LogPriorBias(priors=[0.01], activation="sigmoid")
    >>> layer = keras.layers.Dense(
    ...     1, activation="sigmoid", bias_initializer=initializer
    ... )

    Args:
        labels: Training labels, from which the frequencies are counted: an array of
            shape `(num_samples, num_classes)`, one-hot for a softmax, and zeros and
            ones for a sigmoid (both also take probabilities). Or of shape
            `(num_samples,)` or `(num_samples, 1)`: integers from 0 to
            `num_classes - 1`, including the last, for a softmax; zeros and ones for a
            sigmoid with one unit. Its config keeps only the frequencies.
        priors: The frequencies, instead of `labels`: one float between 0 and 1 for each
            class, none of them 0. For a softmax they sum to 1 (within 1e-3). For a
            sigmoid none is 1.
        activation: `"softmax"` or `"sigmoid"`, whether the layer has it or the loss
            (`from_logits=True`).

    Raises:
        ValueError: If an argument is not as above, or if a class never occurs in
            `labels` (or always, for a sigmoid), because its bias would be infinite.
            When it draws: if the layer has another number of units.

    Reference:

    - [Lin et al., 2017](https://arxiv.org/abs/1708.02002)
    """

    def __init__(
        self, labels: Any = None, priors: Any = None, activation: str = "softmax"
    ) -> None:
        if (labels is None) == (priors is None):
            raise ValueError(
                "Exactly one of the arguments `labels` and `priors` must be given. "
                f"Received: labels={labels}, priors={priors}"
            )
        self.activation = arguments.choice(
            "activation", activation, ("softmax", "sigmoid")
        )
        if labels is not None:
            self.priors = _frequencies(_to_array("labels", labels), activation).tolist()
        else:
            self.priors = _to_array("priors", priors).tolist()
            self._check_priors()

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        shape = arguments.shape("shape", shape)
        priors = np.asarray(self.priors)
        if shape != priors.shape:
            raise ValueError(
                f"`LogPriorBias` knows the frequencies of {len(priors)} classes, and "
                f"needs a bias of shape {priors.shape}. Received: shape={shape}"
            )
        if self.activation == "softmax":
            bias = np.log(priors / priors.sum())
        else:
            bias = np.log(priors) - np.log1p(-priors)
        return ops.cast(bias, keras.backend.standardize_dtype(dtype))

    def _check_priors(self) -> None:
        priors = np.asarray(self.priors)
        softmax = self.activation == "softmax"
        if priors.ndim != 1 or not priors.size:
            rule = "must be one number for each class"
        elif not np.all(priors > 0):
            rule = "must be positive: the bias of a class without any is infinite"
        elif softmax and abs(priors.sum() - 1) > _SUM_TOLERANCE:
            rule = f'must sum to 1 for activation="softmax", not to {priors.sum():.6g}'
        elif not softmax and not np.all(priors < 1):
            rule = 'must be below 1 for activation="sigmoid"'
        else:
            return
        raise ValueError(f"Argument `priors` {rule}. Received: priors={self.priors}")

    def get_config(self) -> dict[str, Any]:
        return {"labels": None, "priors": self.priors, "activation": self.activation}


def _to_array(name: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(ops.convert_to_numpy(values))
        if array.dtype.kind == "c":  # NumPy would drop i.
            raise TypeError("complex numbers")
        array = array.astype("float64")
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"Argument `{name}` must be an array of numbers. Received: {name}={values}"
        ) from error
    if not array.size or not np.all(np.isfinite(array)):
        raise ValueError(
            f"Argument `{name}` must hold finite numbers. Received: {name}={values}"
        )
    return array


def _frequencies(labels: np.ndarray, activation: str) -> np.ndarray:
    """Returns the frequency of each class."""
    softmax = activation == "softmax"
    columns = labels.reshape(-1, 1) if labels.ndim == 1 else labels
    class_indices = softmax and columns.shape[1:] == (1,)
    if columns.ndim != 2:
        rule = "must have shape (num_samples,) or (num_samples, num_classes)"
    elif np.any(columns < 0) or (class_indices and np.any(columns % 1)):
        rule = "must be integers from 0 on, or one-hot rows"
    elif not class_indices and np.any(columns > 1):
        rule = "must not be above 1, unless they are integers for a softmax"
    elif softmax and not class_indices and not np.allclose(columns.sum(axis=1), 1):
        rule = "must have rows that sum to 1"
    else:
        if class_indices:
            # With a number this large, a smaller one is missing, which is an error.
            numbers = np.minimum(columns[:, 0], len(columns))
            counts = np.bincount(numbers.astype(int))
        else:
            counts = columns.sum(axis=0)
        _check_counts(counts, len(columns), activation, labels)
        return counts / len(columns)
    raise ValueError(
        f'Argument `labels` {rule}, with activation="{activation}". '
        f"Received: labels={labels}"
    )


def _check_counts(
    counts: np.ndarray, num_samples: int, activation: str, labels: np.ndarray
) -> None:
    never = np.flatnonzero(counts == 0)
    always = np.flatnonzero((counts == num_samples) & (activation == "sigmoid"))
    for classes, how_often in ((never, "never occurs"), (always, "always occurs")):
        if classes.size:
            raise ValueError(
                f"Argument `labels` must give each class a finite bias, but class "
                f"{classes[0]} {how_often}. Pass its expected frequency with "
                f"`priors=`. Received: labels={labels}"
            )
