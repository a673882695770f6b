import keras
import numpy as np
import pytest

from keras_initkit.experiments.kernel_initializers import kernel_initializers
from keras_initkit.experiments.networks import dense_network, pre_activation_variances

X = np.random.default_rng(0).normal(size=(256, 20)).astype("float32")


def network(depth, activation="relu", residual=False):
    initializers = kernel_initializers("he_normal", depth, activation, seed=0)
    return dense_network(20, 5, 16, activation, initializers, residual)


def kernels(model):
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return [layer.kernel.numpy() for layer in dense]


def variances_by_hand(model, activation, residual):
    *hidden, _ = kernels(model)
    z = X @ hidden[0]
    variances = [z.var()]
    for kernel in hidden[1:]:
        z = activation(z) @ kernel + (z if residual else 0)
        variances.append(z.var())
    return variances


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_depth_hidden_layers_and_a_head(depth, residual):
    model = network(depth=depth, residual=residual)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    hidden = ["hidden_000", "hidden_001", "hidden_002"][:depth]
    assert [layer.name for layer in dense] == [*hidden, "head"]
    assert [layer.units for layer in dense] == [16] * depth + [5]
    assert model(X).shape == (256, 5)


def test_output_is_logits_of_the_head():
    model = network(depth=1)
    first, head = kernels(model)
    expected = np.maximum(X @ first, 0) @ head
    np.testing.assert_allclose(model(X), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("depth", [1, 4])
def test_pre_activation_variances_are_those_of_numpy(depth, residual):
    model = network(depth, "tanh", residual)
    measured = pre_activation_variances(model, X)
    assert measured.shape == (depth,)
    assert measured.dtype == "float64"
    expected = variances_by_hand(model, np.tanh, residual)
    np.testing.assert_allclose(measured, expected, rtol=1e-5)


def test_variance_of_an_exploding_signal_does_not_overflow():
    initializers = [keras.initializers.Constant(1e20) for _ in range(2)]
    model = dense_network(20, 5, 16, "relu", initializers)
    assert 1e39 < pre_activation_variances(model, X)[0] < np.inf


def test_residual_network_is_the_identity_where_branches_are_zero():
    first, *branches = kernel_initializers("he_normal", 4, "relu", seed=0)
    branches = [keras.initializers.Zeros()] * len(branches)
    model = dense_network(20, 5, 16, "relu", [first, *branches], residual=True)
    variances = pre_activation_variances(model, X)
    assert variances[0] > 0.5
    np.testing.assert_array_equal(variances, variances[0])


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_dynamic_rescaling_starts_with_variance_1_in_every_layer(activation, seed):
    # Few layers, because each layer of finite width passes on its deviation.
    initializers = kernel_initializers("dynamic_rescaling", 3, activation, seed)
    model = dense_network(20, 5, 512, activation, initializers)
    np.testing.assert_allclose(pre_activation_variances(model, X), 1, rtol=0.1)
