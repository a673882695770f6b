import keras
import numpy as np
import pytest

from keras_initkit import signal_report
from keras_initkit.experiments.networks import dense_network
from keras_initkit.experiments.play.probe import Probe

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = RNG.integers(0, 4, size=40)
OTHERS = RNG.normal(size=(5, 3)).astype("float32")


@pytest.fixture(scope="module", params=["tanh", "relu"])
def network(request):
    kernels = [keras.initializers.HeNormal(seed=seed) for seed in range(4)]
    network = dense_network(3, 4, 6, request.param, kernels)
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return network, Probe(network, request.param)


def test_signals_and_gradients_are_those_of_the_report(network):
    model, probe = network
    look = probe.look(X, Y, OTHERS)
    report = signal_report(model, X, Y)
    np.testing.assert_allclose(
        [np.var(z) for z in look.outputs], report["measured_variance"], rtol=1e-4
    )
    # The report's loss is a mean over the batch.
    np.testing.assert_allclose(
        [np.var(delta / len(X)) for delta in look.deltas],
        report["gradient_variance"],
        rtol=1e-4,
    )


def test_kernel_gradients_are_those_of_automatic_differentiation(
    network, loss_gradients
):
    model, probe = network
    look = probe.look(X, Y, OTHERS)
    expected = [g for g in loss_gradients(model, X, Y) if g.ndim == 2]
    for layer, gradient in enumerate(expected):
        np.testing.assert_allclose(
            look.kernel_gradient(layer), gradient, rtol=1e-4, atol=1e-6
        )


def test_it_follows_the_weights_and_leaves_them_alone(network):
    model, probe = network
    probe.look(X, Y, OTHERS)
    doubled = [2 * weight for weight in model.get_weights()]
    model.set_weights(doubled)
    look = probe.look(X, Y, OTHERS)
    for seen, x in (look.outputs[-1], X), (look.others, OTHERS):
        logits = keras.ops.convert_to_numpy(model(x))
        np.testing.assert_allclose(seen, logits, rtol=1e-4, atol=1e-5)
    for one, other in zip(doubled, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
