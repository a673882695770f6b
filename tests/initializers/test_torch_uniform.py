import math

import keras
import numpy as np
import pytest

from keras_initkit.initializers.torch_uniform import TorchUniform


def draw(initializer, shape):
    return keras.ops.convert_to_numpy(initializer(shape))


@pytest.mark.parametrize(
    ("shape", "axes", "fan_in"),
    [
        ((400, 300), None, 400),
        ((3, 3, 50, 100), None, 450),
        ((200, 8, 32), (0,), 200),
        ((5, 5, 100, 10), (0, 1), 25),
    ],
)
def test_uniform_within_the_inverse_root_of_fan_in(shape, axes, fan_in):
    kernel = draw(TorchUniform(input_axes=axes), shape)
    limit = 1 / math.sqrt(fan_in)
    assert np.abs(kernel).max() <= limit
    assert np.abs(kernel).max() == pytest.approx(limit, rel=1e-2)
    # The variance of uniform samples themselves varies by sqrt(4 / (5 size)).
    assert np.var(kernel) == pytest.approx(
        1 / (3 * fan_in), rel=5 * math.sqrt(0.8 / kernel.size)
    )


def test_a_linear_layer_keeps_a_third_of_the_variance():
    layer = keras.layers.Dense(300, kernel_initializer=TorchUniform())
    x = np.random.default_rng(0).normal(size=(2000, 200)).astype("float32")
    assert np.var(layer(x)) == pytest.approx(1 / 3, rel=0.03)


def test_it_is_kaiming_uniform_with_a_slope_of_root_five():
    # As in torch.nn.Linear.reset_parameters.
    gain = math.sqrt(2 / (1 + 5))
    limit = math.sqrt(3) * gain / math.sqrt(400)
    assert np.abs(draw(TorchUniform(), (400, 300))).max() <= limit
    assert limit == pytest.approx(1 / math.sqrt(400))


@pytest.mark.parametrize("shape", [(), (4,), (0, 3)])
def test_shapes_that_are_no_kernel_are_refused(shape):
    with pytest.raises(ValueError, match=r"`TorchUniform`.*Received: shape="):
        TorchUniform()(shape)
