"""The regions of the plane that a network assigns to each class."""

import io

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from keras_initkit.experiments.datasets import Dataset

# Okabe and Ito's palette (2008), which works with any color vision.
CLASS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
NOT_FINITE_COLOUR = "#808080"

WIDTH = 5  # inches
STRONGEST = 0.7  # strength of a region's color, paler than the points on it
GRID = 200  # places in a row
MARGIN = 0.3  # around the points, whose standard deviation is 1
POINTS = 500


def draw_decision_boundary(network: keras.Model, dataset: Dataset, title: str) -> bytes:
    """Draws the regions of the classes, and 500 of the training points.

    A region has the color of the class with the largest logit. The less probable the
    class, the paler the color. The region is gray if an output is not finite.

    Args:
        network: from inputs `(batch, 2)` to logits `(batch, classes)`, or to the
            probability of the second of two classes, `(batch, 1)`.
        dataset: a dataset with two features and at most five classes.
        title: the line above the picture.

    Returns:
        A PNG file.
    """
    width, height = np.ptp(dataset.x_train, axis=0) + 2 * MARGIN
    figure = Figure(
        figsize=(WIDTH, WIDTH * height / width), dpi=100, layout="constrained"
    )
    axes = figure.subplots()
    plot_decision_boundary(axes, network, dataset)
    axes.set_title(title)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def plot_decision_boundary(axes: Axes, network: keras.Model, dataset: Dataset) -> None:
    """Draws the same as `draw_decision_boundary` into one panel of a figure.

    Args:
        axes: the panel.
        network: as in `draw_decision_boundary`.
        dataset: as in `draw_decision_boundary`.
    """
    low = dataset.x_train.min(axis=0) - MARGIN
    high = dataset.x_train.max(axis=0) + MARGIN
    axes.imshow(
        _region_colours(predicted_probabilities(network, low, high)),
        extent=(low[0], high[0], low[1], high[1]),
        origin="lower",
        aspect="equal",
    )
    x, y = dataset.x_train[:POINTS].T
    colours = [CLASS_COLOURS[number] for number in dataset.y_train[:POINTS]]
    axes.scatter(x, y, c=colours, s=14, edgecolors="white", linewidths=0.5)


def predicted_probabilities(
    network: keras.Model, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The network's class probabilities on a grid over a rectangle.

    Args:
        network: from inputs `(batch, 2)` to logits `(batch, classes)`, or to a
            probability, `(batch, 1)`.
        low: the smallest x and y, `(2,)`.
        high: the largest, `(2,)`.

    Returns:
        `(GRID, GRID, classes)`: y along the first axis, x along the second, both
        ascending. NaN if an output is not finite.
    """
    outputs = network(places(low, high, GRID), training=False)
    probabilities = class_probabilities(keras.ops.convert_to_numpy(outputs))
    return probabilities.reshape(GRID, GRID, -1)


def places(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """A grid over a rectangle, row by row.

    Args:
        low: the smallest x and y, `(2,)`.
        high: the largest, `(2,)`.
        cells: the number of rows, and of places in a row.

    Returns:
        float32, `(cells * cells, 2)`; y ascends from row to row, x within each.
    """
    x, y = np.linspace(low, high, cells, dtype="float32").T
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def class_probabilities(outputs: np.ndarray) -> np.ndarray:
    """The probability of each class.

    Args:
        outputs: logits, `(batch, classes)`, or the probability of the second of two
            classes, `(batch, 1)`.

    Returns:
        `(batch, classes)`; NaN if an output is not finite.
    """
    if outputs.shape[1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=1)
    with np.errstate(invalid="ignore"):
        weights = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)


def _region_colours(probabilities: np.ndarray) -> np.ndarray:
    """RGB from 0 to 1: white at chance, almost the class's color at certainty."""
    classes = probabilities.shape[-1]
    palette = np.array([to_rgb(colour) for colour in CLASS_COLOURS[:classes]])
    largest = probabilities.max(axis=-1, keepdims=True)
    strength = STRONGEST * (largest - 1 / classes) / (1 - 1 / classes)
    colours = 1 - strength * (1 - palette[probabilities.argmax(axis=-1)])
    return np.where(np.isnan(largest), to_rgb(NOT_FINITE_COLOUR), colours)
