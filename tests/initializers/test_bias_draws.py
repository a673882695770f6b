import math

import keras
import numpy as np
import pytest

from keras_initkit.initializers.bias_draws import NormalBias, TorchUniformBias


def draw(initializer, shape=(50_000,)):
    return keras.ops.convert_to_numpy(initializer(shape))


def test_torch_uniform_bias_has_the_limit_of_the_kernel():
    bias = draw(TorchUniformBias(64))
    assert np.abs(bias).max() <= 1 / 8
    assert np.abs(bias).max() == pytest.approx(1 / 8, rel=1e-2)
    assert np.std(bias) == pytest.approx(1 / 8 / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("stddev", [0.0, 0.1, 2.0])
def test_normal_bias_has_its_standard_deviation(stddev):
    bias = draw(NormalBias(stddev))
    assert np.std(bias) == pytest.approx(stddev, rel=0.02)
    assert abs(np.mean(bias)) <= 5 * stddev / math.sqrt(bias.size)


@pytest.mark.parametrize("make", [lambda: TorchUniformBias(4), lambda: NormalBias(0.1)])
def test_one_unseeded_instance_gives_every_layer_another_bias(make):
    initializer = make()
    layers = [keras.layers.Dense(5, bias_initializer=initializer) for _ in "ab"]
    for layer in layers:
        layer.build((None, 4))
    first, second = (layer.bias.numpy() for layer in layers)
    assert first.all()
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("make", [lambda: TorchUniformBias(4), lambda: NormalBias(0.1)])
def test_an_einsum_has_no_axes_for_it(make):
    layer = keras.layers.EinsumDense("ab,bc->ac", 5, kernel_initializer=make())
    layer.build((None, 4))
    assert layer.kernel.numpy().all()
