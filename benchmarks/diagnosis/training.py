"""One training of a program, and its score."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from data import CLASSES, NUMBERS, Data
from programs import Program

PREDICTION_BATCH = 256


class Training(NamedTuple):
    """The result of a training.

    Attributes:
        points: 0 to 100, on samples outside the training set, see `points`.
        losses: the loss of each epoch.
    """

    points: float
    losses: tuple[float, ...]


def train(
    program: Program, seed: int, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> Training:
    """Trains a program as a user would.

    Args:
        program: what to train.
        seed: draws weights and the order of the samples.
        callbacks: as in `fit`.
    """
    model = program.build(seed)
    data = program.arrays()
    n = data.num_train
    history = model.fit(
        data.x[:n],
        data.y[:n],
        batch_size=program.batch_size,
        epochs=program.epochs,
        callbacks=list(callbacks),
        verbose=0,
    )
    outputs = model.predict(data.x[n:], PREDICTION_BATCH, verbose=0)
    threshold = 0.0 if _has_logits(model) else 0.5
    losses = tuple(map(float, history.history["loss"]))
    return Training(points(outputs, data._replace(y=data.y[n:]), threshold), losses)


def points(outputs: np.ndarray, data: Data, threshold: float) -> float:
    """The quality of outputs, from 0 to 100.

    It is R^2 for numbers. Otherwise it is the balanced accuracy, the mean share of
    correct answers over the classes, so ignoring a rare class does not pay.

    Args:
        outputs: `(samples, outputs)`.
        data: has the targets of these samples.
        threshold: an output above it means the label 1.
    """
    if not np.isfinite(outputs).all():
        return 0.0
    outputs, y = outputs.astype("float64"), data.y.astype("float64")
    if data.task == NUMBERS:
        residual = np.sum((y - outputs) ** 2) / np.sum((y - y.mean(axis=0)) ** 2)
        return 100 * float(max(1 - residual, 0.0))
    if data.task == CLASSES:
        labels = y.argmax(axis=1) if y.ndim > 1 else y
        return _balanced_accuracy(outputs.argmax(axis=1), labels)
    labels = y > (y.min() + y.max()) / 2
    found = np.greater(outputs, threshold)
    pairs = zip(found.T, labels.T, strict=True)
    return float(np.mean([_balanced_accuracy(*pair) for pair in pairs]))


def _balanced_accuracy(found: np.ndarray, labels: np.ndarray) -> float:
    recalls = [np.mean(found[labels == c] == c) for c in np.unique(labels)]
    return 100 * float(np.mean(recalls))


def _has_logits(model: Any) -> bool:
    """Tells whether an output of 0 is the middle between two labels."""
    activation = model.get_layer("output").activation
    return activation in (keras.activations.linear, keras.activations.tanh)
