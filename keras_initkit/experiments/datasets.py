"""The datasets to compare on, standardized and split."""

from dataclasses import dataclass

import numpy as np

from keras_initkit.experiments import mnist_files
from keras_initkit.experiments.settings import DATASETS

TEST_FRACTION = 0.2
TOY_SAMPLES = 2000
SPIRAL_ARMS = 3
SPIRAL_TURNS = 0.75
# The digits are always split the same way: a seed varies the networks, not the task.
DIGITS_SPLIT_SEED = 0
STANDARDIZED_PARTS = 1000

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Dataset:
    """A classification task, ready for a Dense network.

    Attributes:
        name: one of `DATASETS`.
        x_train: float32, `(samples, features)`; mean 0 and variance 1 over all entries.
        y_train: int64 class numbers from 0, `(samples,)`.
        x_test: like `x_train`, standardized with the training set's mean and deviation.
        y_test: like `y_train`.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def num_features(self) -> int:
        return self.x_train.shape[1]

    @property
    def num_classes(self) -> int:
        return int(self.y_train.max()) + 1


def load_dataset(
    name: str,
    seed: int = 0,
    mnist_path: str | None = None,
    max_train: int | None = None,
    max_test: int | None = None,
) -> Dataset:
    """Loads, splits and standardizes one dataset.

    Args:
        name: `"digits"` (scikit-learn's 1797 real handwritten digits, 8 x 8),
            `"mnist"`, or one of the two-dimensional toy sets `"moons"`, `"circles"`,
            `"blobs"`, `"spirals"` and `"xor"`.
        seed: draws the toy sets. Digits and MNIST are always the same.
        mnist_path: a file or directory that holds MNIST, as in
            `mnist_files.read_mnist`. By default Keras's cache or its download.
        max_train: use only the first training samples, up to this number. The mean and
            deviation of the whole training set standardize them.
        max_test: the same for the test samples.

    Raises:
        ValueError: the name is unknown, `mnist_path` goes with another dataset, or
            the file at `mnist_path` does not hold MNIST.
        OSError: MNIST is not there and cannot be downloaded.
    """
    if name not in DATASETS:
        raise ValueError(
            f"`dataset` must be one of {', '.join(DATASETS)}. Received: {name}"
        )
    if mnist_path is not None and name != "mnist":
        raise ValueError(
            "`mnist_path` needs the dataset mnist. "
            f"Received: dataset={name}, mnist_path={mnist_path}"
        )
    if name == "mnist":
        train, test = mnist_files.load_mnist(mnist_path)
    elif name == "digits":
        train, test = _split(*_digits(), seed=DIGITS_SPLIT_SEED)
    else:
        train, test = _split(*_toy(name, seed), seed=seed)
    return _standardized(name, train, test, max_train, max_test)


def spirals(samples: int, arms: int, seed: int) -> Arrays:
    """Interleaved spiral arms, one class each.

    Args:
        samples: number of points over all arms.
        arms: number of classes.
        seed: draws the positions along the arms and the noise.

    Returns:
        Points, `(samples, 2)`, and the arm of each, `(samples,)`.
    """
    rng = np.random.default_rng(seed)
    arm = np.arange(samples) % arms
    # The square root spreads the points evenly along the arm's growing turns.
    radius = np.sqrt(rng.uniform(0.05, 1.0, samples))
    angle = 2 * np.pi * (SPIRAL_TURNS * radius + arm / arms)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points + rng.normal(scale=0.03, size=points.shape), arm


def xor(samples: int, seed: int) -> Arrays:
    """Points around the corners of a square, whose opposite corners are one class.

    Args:
        samples: number of points.
        seed: draws the corner of each point, and where it is.

    Returns:
        Points, `(samples, 2)`, and the class of each, 0 or 1, `(samples,)`.
    """
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 2, size=(samples, 2))
    points = 2 * corners - 1 + rng.normal(scale=0.3, size=(samples, 2))
    return points, corners.sum(axis=1) % 2


def _digits() -> Arrays:
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def _toy(name: str, seed: int) -> Arrays:
    from sklearn.datasets import make_blobs, make_circles, make_moons

    if name == "moons":
        return make_moons(TOY_SAMPLES, noise=0.1, random_state=seed)
    if name == "circles":
        return make_circles(TOY_SAMPLES, noise=0.05, factor=0.5, random_state=seed)
    if name == "blobs":
        return make_blobs(TOY_SAMPLES, centers=5, random_state=seed)
    if name == "xor":
        return xor(TOY_SAMPLES, seed)
    return spirals(TOY_SAMPLES, SPIRAL_ARMS, seed)


def _split(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[Arrays, Arrays]:
    from sklearn.model_selection import train_test_split

    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=TEST_FRACTION, stratify=y, random_state=seed
    )
    return (x_train, y_train), (x_test, y_test)


def _standardized(
    name: str,
    train: Arrays,
    test: Arrays,
    max_train: int | None,
    max_test: int | None,
) -> Dataset:
    # One mean and one deviation for all features: always blank pixels have a deviation
    # of 0.
    mean = train[0].mean()
    # In parts, because `std` would turn all images of MNIST into float64 at once.
    parts = np.array_split(train[0], STANDARDIZED_PARTS)
    squares = sum(np.square(part - mean).sum() for part in parts)
    deviation = np.sqrt(squares / train[0].size)

    def flat(images: np.ndarray) -> np.ndarray:
        x = images.reshape(len(images), -1).astype("float32")
        x -= np.float32(mean)
        x /= np.float32(deviation)
        return x

    return Dataset(
        name,
        flat(train[0][:max_train]),
        train[1][:max_train].astype("int64"),
        flat(test[0][:max_test]),
        test[1][:max_test].astype("int64"),
    )
