import numpy as np
import pytest

from keras_initkit.experiments.datasets import load_dataset, spirals

# Samples, features and classes, as documented by their makers.
SIZES = {
    "digits": (1797, 64, 10),
    "moons": (2000, 2, 2),
    "circles": (2000, 2, 2),
    "blobs": (2000, 2, 5),
    "spirals": (2000, 2, 3),
    "xor": (2000, 2, 2),
}
TOY = [name for name in SIZES if name != "digits"]


@pytest.mark.parametrize("name", SIZES)
def test_shapes_and_dtypes(name):
    dataset = load_dataset(name)
    samples, features, classes = SIZES[name]
    assert len(dataset.x_train) + len(dataset.x_test) == samples
    assert dataset.x_train.shape[1:] == dataset.x_test.shape[1:] == (features,)
    assert dataset.y_train.shape == (len(dataset.x_train),)
    assert dataset.y_test.shape == (len(dataset.x_test),)
    assert dataset.x_train.dtype == dataset.x_test.dtype == "float32"
    assert dataset.y_train.dtype == dataset.y_test.dtype == "int64"
    assert (dataset.num_features, dataset.num_classes) == (features, classes)
    assert set(dataset.y_test) == set(range(classes))


@pytest.mark.parametrize("name", SIZES)
def test_training_set_has_mean_0_and_variance_1(name):
    x = load_dataset(name).x_train.astype("float64")
    assert x.mean() == pytest.approx(0, abs=1e-6)
    assert x.var() == pytest.approx(1, abs=1e-6)


def test_test_set_is_standardized_with_the_training_sets_moments(
    mnist_npz, mnist_arrays
):
    x_train, y_train, x_test, y_test = mnist_arrays
    dataset = load_dataset("mnist", mnist_path=str(mnist_npz))
    expected = (x_test.reshape(20, 784) - x_train.mean()) / x_train.std()
    np.testing.assert_allclose(dataset.x_test, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(dataset.y_train, y_train)
    np.testing.assert_array_equal(dataset.y_test, y_test)


def test_digits_are_split_by_class():
    dataset = load_dataset("digits")
    train, test = np.bincount(dataset.y_train), np.bincount(dataset.y_test)
    assert np.abs(test - 0.2 * (train + test)).max() <= 1


def test_digits_are_the_same_for_every_seed():
    np.testing.assert_array_equal(
        load_dataset("digits", seed=1).x_train, load_dataset("digits", seed=2).x_train
    )


@pytest.mark.parametrize("name", TOY)
def test_seed_draws_the_toy_sets(name):
    first, again, other = (load_dataset(name, seed) for seed in (3, 3, 4))
    for field in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))
    assert not np.array_equal(first.x_train, other.x_train)


def test_spiral_arms_are_turned_copies_of_each_other():
    points, arm = spirals(samples=3000, arms=3, seed=0)
    radius = np.hypot(*points.T)
    turned_back = np.arctan2(points[:, 1], points[:, 0]) - 2 * np.pi * arm / 3
    along_the_arm = 2 * np.pi * 0.75 * radius
    off = np.angle(np.exp(1j * (turned_back - along_the_arm)))
    # A third of the way to the next arm, 2 pi / 3 away, except in the noisy center.
    assert np.mean(np.abs(off) < 2 * np.pi / 9) > 0.99


def test_unknown_name():
    with pytest.raises(ValueError, match=r"one of digits, mnist.* Received: cifar"):
        load_dataset("cifar")


def test_mnist_path_with_another_dataset():
    with pytest.raises(ValueError, match=r"needs the dataset mnist.*dataset=digits"):
        load_dataset("digits", mnist_path="mnist.npz")
