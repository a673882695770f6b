"""Scene 3: five layers read handwritten digits."""

import functools
from typing import Any

import numpy as np

from keras_initkit.experiments.datasets import Dataset, load_dataset
from keras_initkit.experiments.mnist_files import is_at_hand
from keras_initkit.experiments.play.fields import Choice, Values
from keras_initkit.experiments.play.run import Run
from keras_initkit.experiments.play.scene import (
    SEED,
    Scene,
    optimizer_field,
    rate_field,
)
from keras_initkit.experiments.play.starts import INITIALIZER, SCALE

LAYERS, WIDTH = 5, 64
SHOWN = 100  # test digits
BINS = 40
BLACK = 255
NO_DIGIT = -1
# As many as fill all batches.
TRAIN = {"mnist": 10_000, "digits": 1400}


class Digits(Scene):
    """Five layers of 64 units, with their activations and what they read.

    Args:
        mnist_path: as in `load_dataset`; by default MNIST is taken if Keras has it, and
            scikit-learn's digits if not.
    """

    name = "digits"
    title = "Digits"
    shared = (
        Choice("activation", "Activation", "relu", ("relu", "tanh", "sigmoid", "gelu")),
        optimizer_field("sgd"),
        rate_field(0.1),
        SEED,
    )
    own = (INITIALIZER, SCALE)
    batch_size = 100
    seen = 500

    def __init__(self, mnist_path: str | None = None) -> None:
        self._mnist_path = mnist_path
        self._source = "mnist" if is_at_hand(mnist_path) else "digits"

    def dataset(self, values: Values) -> Dataset:
        return _dataset(self._source, self._mnist_path)

    def dataset_arguments(self, values: Values) -> str:
        path = f"mnist_path={self._mnist_path!r}, " if self._mnist_path else ""
        return f'"{self._source}", {path}max_train={TRAIN[self._source]}'

    def size(self, values: Values) -> tuple[int, int]:
        return LAYERS, WIDTH

    def others(self, dataset: Dataset) -> np.ndarray:
        return dataset.x_test[:SHOWN]

    def still(self, values: Values) -> dict[str, Any]:
        dataset = self.dataset(values)
        images = dataset.x_test[:SHOWN]
        ink = (images - images.min()) / np.ptp(images)
        return {
            "side": round(dataset.num_features**0.5),
            "pixels": (BLACK * ink).astype(int),
            "digits": dataset.y_test[:SHOWN],
        }

    def picture(self, run: Run, values: Values) -> dict[str, Any]:
        activations = run.look.inputs[1:]
        gradients = [None] * len(activations)
        if run.record is not None:
            gradients = list(run.record.statistics["gradient_l2_norm"])
        layers = [
            {**histogram(of_layer), "gradient": gradient}
            for of_layer, gradient in zip(activations, gradients, strict=False)
        ]
        logits = run.look.others
        is_known = np.isfinite(logits).all(axis=1)
        predicted = np.where(is_known, logits.argmax(axis=1), NO_DIGIT)
        return {"layers": layers, "predicted": predicted}


def histogram(activations: np.ndarray) -> dict[str, Any]:
    """How activations are spread between the smallest and the largest.

    Returns:
        `counts` in 40 bins of one width, without those that are 0, which would hide the
        others; the share of `zeros`; `low` and `high`. What is not finite is not
        counted, and is in `low` or `high`.
    """
    counted = activations[np.isfinite(activations) & (activations != 0)]
    counts = np.histogram(counted, BINS)[0] if counted.size else np.zeros(BINS, int)
    return {
        "counts": counts,
        "zeros": float(np.mean(activations == 0)),
        "low": activations.min(),
        "high": activations.max(),
    }


@functools.lru_cache
def _dataset(source: str, mnist_path: str | None) -> Dataset:
    return load_dataset(
        source, mnist_path=mnist_path, max_train=TRAIN[source], max_test=SHOWN
    )
