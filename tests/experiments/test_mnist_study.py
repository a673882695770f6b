"""The results for zeros and He on the real MNIST."""

import math
import os

import pytest

from keras_initkit.experiments.compare import compare
from keras_initkit.experiments.datasets import load_dataset
from keras_initkit.experiments.settings import Settings

MNIST = os.environ.get("KERAS_INITKIT_MNIST")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MNIST, reason="KERAS_INITKIT_MNIST names no mnist.npz"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    # Two hidden layers and the head: three layers of weights.
    settings = Settings(
        initializers=("zeros", "he_normal"),
        depth=2,
        width=512,
        epochs=5,
        batch_size=128,
        learning_rate=0.04,
    )
    dataset = load_dataset("mnist", mnist_path=MNIST)
    results = compare(dataset, settings, tmp_path_factory.mktemp("logs"))
    return {result.initializer: result for result in results}


def test_zeros_stay_at_chance(results):
    # Only the head's biases learn: the loss settles at the entropy of the class
    # frequencies, 2.301, which is just below ln 10 = 2.303.
    assert results["zeros"].initial_loss == pytest.approx(math.log(10), abs=1e-4)
    assert results["zeros"].final_loss == pytest.approx(math.log(10), abs=0.01)
    assert results["zeros"].test_accuracy < 0.12


def test_he_normal_learns(results):
    assert results["he_normal"].test_accuracy > 0.975
