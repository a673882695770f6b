"""Small data sets, which a small network learns within seconds."""

import functools
from typing import NamedTuple

import numpy as np
from sklearn import datasets

from keras_initkit.experiments.datasets import load_dataset

CLASSES, LABELS, NUMBERS = "classes", "labels", "numbers"
TEST_FRACTION = 0.2
SAMPLES = 1500
VOCABULARY, WORDS, TOPICS = 60, 16, 4
SEQUENCE_LENGTH = 10


class Data(NamedTuple):
    """Inputs and targets, in random order.

    Attributes:
        x: `(samples, ...)`, float32, or int64 word numbers.
        y: `(samples,)` class numbers, or `(samples, outputs)` float32.
        task: `CLASSES` (one of several), `LABELS` (each output is 0 or 1) or
            `NUMBERS`.
        outputs: units that the output layer needs.
    """

    x: np.ndarray
    y: np.ndarray
    task: str
    outputs: int

    @property
    def num_train(self) -> int:
        """The number of samples for training; the rest is for the score."""
        return round(len(self.x) * (1 - TEST_FRACTION))


@functools.cache
def load(name: str) -> Data:
    """A data set, the same in each call.

    Args:
        name: one of `DATASETS`.
    """
    return DATASETS[name]()


def _digits() -> Data:
    digits = load_dataset("digits")
    x = np.concatenate([digits.x_train, digits.x_test])
    y = np.concatenate([digits.y_train, digits.y_test])
    return Data(x, y, CLASSES, 10)


def _digit_images() -> Data:
    digits = load("digits")
    return digits._replace(x=digits.x.reshape(-1, 8, 8, 1))


def _digit_rows() -> Data:
    digits = load("digits")
    return digits._replace(x=digits.x.reshape(-1, 8, 8))


def _one_digit() -> Data:
    """Nine of ten samples are not the digit."""
    digits = load("digits")
    return Data(digits.x, _column(digits.y == 3), LABELS, 1)


def _digit_properties() -> Data:
    digits = load("digits")
    y = np.stack([digits.y % 2 == 0, digits.y > 4, np.isin(digits.y, (0, 6, 8, 9))], 1)
    return Data(digits.x, y.astype("float32"), LABELS, 3)


def _digit_pixels() -> Data:
    """The targets are the inputs."""
    digits = load("digits")
    return Data(digits.x, digits.x, NUMBERS, digits.x.shape[1])


def _digit_intensities() -> Data:
    """The same between 0 and 1."""
    x = load("digits").x
    x = (x - x.min()) / (x.max() - x.min())
    return Data(x, x, NUMBERS, x.shape[1])


def _moons() -> Data:
    x, y = datasets.make_moons(SAMPLES, noise=0.1, random_state=0)
    return Data(_standardized(x), _column(y), LABELS, 1)


def _circles() -> Data:
    x, y = datasets.make_circles(SAMPLES, noise=0.05, factor=0.5, random_state=0)
    return Data(_standardized(x), y.astype("int64"), CLASSES, 2)


def _tumors() -> Data:
    raw = load("raw_tumors")
    return raw._replace(x=_standardized(raw.x))


def _raw_tumors() -> Data:
    """The features in their own units, from 0.001 to 4000."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return Data(x[order].astype("float32"), _column(y[order]), LABELS, 1)


def _friedman() -> Data:
    x, y = datasets.make_friedman1(SAMPLES, random_state=0)
    return Data(_standardized(x), _standardized(_column(y)), NUMBERS, 1)


def _sine() -> Data:
    x = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, 1))
    return Data(_standardized(x), _standardized(np.sin(4 * x)), NUMBERS, 1)


def _running_sum() -> Data:
    x = np.random.default_rng(0).normal(size=(SAMPLES, SEQUENCE_LENGTH, 2))
    y = np.sum(x[..., 0] * (x[..., 1] > 0), axis=1, keepdims=True)
    return Data(x.astype("float32"), _standardized(y), NUMBERS, 1)


def _topics() -> Data:
    """Each topic has its own words, among common ones."""
    rng = np.random.default_rng(0)
    y = rng.integers(TOPICS, size=SAMPLES)
    own = rng.integers(8, size=(SAMPLES, WORDS)) + 8 * y[:, None]
    common = rng.integers(8 * TOPICS, VOCABULARY, size=(SAMPLES, WORDS))
    x = np.where(rng.random((SAMPLES, WORDS)) < 0.3, own, common)
    return Data(x, y, CLASSES, TOPICS)


def _column(y: np.ndarray) -> np.ndarray:
    return np.asarray(y, "float32").reshape(-1, 1)


def _standardized(x: np.ndarray) -> np.ndarray:
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")


DATASETS = {
    "digits": _digits,
    "digit_images": _digit_images,
    "digit_rows": _digit_rows,
    "one_digit": _one_digit,
    "digit_properties": _digit_properties,
    "digit_pixels": _digit_pixels,
    "digit_intensities": _digit_intensities,
    "moons": _moons,
    "circles": _circles,
    "tumors": _tumors,
    "raw_tumors": _raw_tumors,
    "friedman": _friedman,
    "sine": _sine,
    "running_sum": _running_sum,
    "topics": _topics,
}
