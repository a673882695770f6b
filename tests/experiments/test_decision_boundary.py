import io

import keras
import numpy as np
import pytest
from PIL import Image
from PIL.ImageColor import getrgb

from keras_initkit.experiments.datasets import Dataset, load_dataset
from keras_initkit.experiments.decision_boundary import (
    CLASS_COLOURS,
    NOT_FINITE_COLOUR,
    draw_decision_boundary,
    predicted_probabilities,
)


def linear_network(kernel, bias=0.0):
    """Logits that are linear in x and y: kernel `(2, classes)`."""
    kernel = np.array(kernel, "float32")
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(kernel.shape[1])])
    network.set_weights([kernel, np.full(kernel.shape[1], bias)])
    return network


def pixels(network, dataset):
    png = draw_decision_boundary(network, dataset, "title")
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.array(picture.convert("RGB"))


def places_of(colour, picture):
    """The (row, column) of pixels with a color or a paler one."""
    full = np.array(getrgb(colour)) / 255
    shade = picture / 255
    # The share of the color in the mix with white, by its strongest channel.
    channel = (1 - full).argmax()
    mixed = (1 - shade[..., channel]) / (1 - full[channel])
    expected = 1 - mixed[..., None] * (1 - full)
    same = (np.abs(expected - shade).max(axis=-1) < 0.02) & (mixed > 0.3)
    return np.argwhere(same)


def corners():
    """Four points, two of each class, so the picture is square."""
    x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], "float32")
    y = np.array([0, 0, 1, 1])
    return Dataset("corners", x, y, x, y)


def test_probabilities_are_the_softmax_over_the_plane():
    network = linear_network([[-1, 1], [0, 3]])
    low, high = np.array([-2, -1]), np.array([2, 1])
    probabilities = predicted_probabilities(network, low, high)
    rows, columns, _ = probabilities.shape
    x = np.linspace(-2, 2, columns)[None, :]
    y = np.linspace(-1, 1, rows)[:, None]
    expected = 1 / (1 + np.exp(-(2 * x + 3 * y)))
    np.testing.assert_allclose(probabilities[..., 1], expected, atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_each_region_has_the_colour_of_its_class(axis):
    kernel = np.zeros((2, 2))
    kernel[axis] = [-9, 9]
    picture = pixels(linear_network(kernel), corners())
    first, second = (places_of(colour, picture) for colour in CLASS_COLOURS[:2])
    assert min(len(first), len(second)) > 10_000
    if axis == 0:  # class 1 is where x is large: at the right
        assert np.median(first[:, 1]) + 100 < np.median(second[:, 1])
    else:  # where y is large: at the top
        assert np.median(first[:, 0]) > np.median(second[:, 0]) + 100


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_grey(value):
    network = linear_network(np.zeros((2, 2)), bias=value)
    picture = pixels(network, corners())
    grey = (picture == getrgb(NOT_FINITE_COLOUR)).all(axis=-1)
    assert grey.mean() > 0.5


@pytest.mark.parametrize("name", ["moons", "circles", "blobs", "spirals"])
def test_every_dataset_in_the_plane(name):
    dataset = load_dataset(name)
    network = linear_network(np.ones((2, dataset.num_classes)))
    picture = pixels(network, dataset)
    for colour in CLASS_COLOURS[: dataset.num_classes]:  # those of the points
        assert (picture == getrgb(colour)).all(axis=-1).any()
