"""Each kernel gives its layer the variance that its initializer promises: measured."""

import keras
import numpy as np
import pytest

from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.delta_orthogonal import DeltaOrthogonal
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.torch_uniform import TorchUniform
from keras_initkit.initializers.zero import ZerO

layers = keras.layers


def lecun(**axes):
    return ScaledDepth(1, base="lecun_normal", **axes)


def critical(**axes):
    return Critical("tanh", q_star=0.1, **axes)


# The second number is the variance of the outputs for inputs of variance 1.
SPREAD_OUT = {
    "ActivationScaling": (lambda **axes: ActivationScaling(None, **axes), 1),
    "Critical": (critical, critical().weight_variance),
    "DynamicRescaling": (DynamicRescaling, 1),
    "DynamicRescaling of orthogonal": (
        lambda **axes: DynamicRescaling("orthogonal", **axes),
        1,
    ),
    "ScaledDepth": (lecun, 1),
    "ScaledOrthogonal": (ScaledOrthogonal, 1),
    "TorchUniform": (TorchUniform, 1 / 3),
}
IN_THE_CENTRE = {
    "DeltaOrthogonal": (DeltaOrthogonal, 1),
    "LooksLinear": (lambda **axes: LooksLinear("first", **axes), 1),
    "ZerO": (ZerO, 1),
}
# Away from the borders, whose outputs have fewer inputs.
INNER = slice(4, -4)


def measured(layer, shape):
    """Var[y] for standard normal inputs."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    y = keras.ops.convert_to_numpy(layer(x)).astype("float64")
    positions = (INNER,) * (min(len(shape), y.ndim) - 2)
    return y[(slice(None), *positions)].var()


TRANSPOSED = {
    "Conv1DTranspose": (
        lambda init: layers.Conv1DTranspose(
            8, 3, padding="same", kernel_initializer=init
        ),
        (16, 200, 32),
        {"input_axes": (0, 2), "output_axes": (0, 1)},
    ),
    "Conv2DTranspose": (
        lambda init: layers.Conv2DTranspose(
            8, 3, padding="same", kernel_initializer=init
        ),
        (16, 30, 30, 32),
        {"input_axes": (0, 1, 3), "output_axes": (0, 1, 2)},
    ),
    "Conv2DTranspose of even size, counted from the end": (
        lambda init: layers.Conv2DTranspose(
            8, 4, padding="same", kernel_initializer=init
        ),
        (16, 30, 30, 32),
        {"input_axes": (-4, -3, -1), "output_axes": (-4, -3, -2)},
    ),
    "Conv3DTranspose": (
        lambda init: layers.Conv3DTranspose(
            8, 3, padding="same", kernel_initializer=init
        ),
        (4, 14, 14, 14, 32),
        {"input_axes": (0, 1, 2, 4), "output_axes": (0, 1, 2, 3)},
    ),
}
DEPTHWISE = {
    "DepthwiseConv1D": (
        lambda init: layers.DepthwiseConv1D(
            5, padding="same", depth_multiplier=2, depthwise_initializer=init
        ),
        (8, 100, 256),
        {"input_axes": (0,), "output_axes": (0, 2)},
    ),
    "DepthwiseConv2D": (
        lambda init: layers.DepthwiseConv2D(
            3, padding="same", depth_multiplier=2, depthwise_initializer=init
        ),
        (2, 32, 32, 256),
        {"input_axes": (0, 1), "output_axes": (0, 1, 3)},
    ),
}
# Keras tells the axes, or the default is right.
BY_THEMSELVES = {
    "Dense": (lambda init: layers.Dense(256, kernel_initializer=init), (64, 64), {}),
    "Conv2D": (
        lambda init: layers.Conv2D(24, 3, padding="same", kernel_initializer=init),
        (16, 30, 30, 32),
        {},
    ),
    "Conv2D in groups": (
        lambda init: layers.Conv2D(
            64, 3, groups=4, padding="same", kernel_initializer=init
        ),
        (16, 30, 30, 32),
        {},
    ),
    "EinsumDense, heads": (
        lambda init: layers.EinsumDense(
            "ab,bcd->acd", (8, 32), kernel_initializer=init
        ),
        (512, 64),
        {},
    ),
    "EinsumDense, out of heads": (
        lambda init: layers.EinsumDense("abc,bcd->ad", 64, kernel_initializer=init),
        (512, 8, 32),
        {},
    ),
    "LSTM": (
        # With all gates open, one step is the third gate's pre-activation.
        lambda init: layers.LSTM(
            128,
            activation=None,
            recurrent_activation=keras.ops.ones_like,
            kernel_initializer=init,
        ),
        (512, 1, 64),
        {},
    ),
    "GRU": (
        # The update gate lets in all of the new state.
        lambda init: layers.GRU(
            128,
            activation=None,
            recurrent_activation=keras.ops.zeros_like,
            kernel_initializer=init,
        ),
        (512, 1, 64),
        {},
    ),
}


@pytest.mark.parametrize("name", SPREAD_OUT)
@pytest.mark.parametrize("layer", TRANSPOSED | DEPTHWISE | BY_THEMSELVES)
def test_the_outputs_have_the_variance_that_was_asked_for(layer, name):
    make_layer, shape, axes = (TRANSPOSED | DEPTHWISE | BY_THEMSELVES)[layer]
    make, variance = SPREAD_OUT[name]
    assert measured(make_layer(make(**axes)), shape) == pytest.approx(
        variance, rel=0.08
    )


@pytest.mark.parametrize("name", SPREAD_OUT)
@pytest.mark.parametrize("layer", TRANSPOSED | DEPTHWISE)
def test_the_input_axes_alone_are_enough(layer, name):
    make_layer, shape, axes = (TRANSPOSED | DEPTHWISE)[layer]
    make, variance = SPREAD_OUT[name]
    initializer = make(input_axes=axes["input_axes"])
    assert measured(make_layer(initializer), shape) == pytest.approx(variance, rel=0.08)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize(
    "initializer",
    [
        ScaledOrthogonal(gain=2.0, input_axes=(0, 1, 3)),
        DynamicRescaling(target_variance=4.0, input_axes=(0, 1, 3)),
    ],
    ids=["ScaledOrthogonal", "DynamicRescaling"],
)
def test_the_scale_makes_up_for_strides_on_average(initializer, size):
    layer = layers.Conv2DTranspose(
        8, size, strides=2, padding="same", kernel_initializer=initializer
    )
    assert measured(layer, (16, 30, 30, 32)) == pytest.approx(1, rel=0.08)


@pytest.mark.parametrize("name", IN_THE_CENTRE)
@pytest.mark.parametrize("layer", TRANSPOSED)
def test_a_tap_in_the_centre_leaves_each_pixel_where_it_is(layer, name):
    make_layer, shape, axes = TRANSPOSED[layer]
    make, variance = IN_THE_CENTRE[name]
    transposed = make_layer(make(**axes))
    assert measured(transposed, shape) == pytest.approx(variance, rel=0.08)
    # One pixel is lit before and after the layer.
    x = np.zeros((1, *shape[1:]), "float32")
    middle = tuple(size // 2 for size in shape[1:-1])
    x[(0, *middle)] = 1 + np.arange(shape[-1])
    y = keras.ops.convert_to_numpy(transposed(x))
    lit = np.argwhere(np.abs(y).sum(axis=-1) > 1e-3)
    assert [tuple(pixel) for pixel in lit] == [(0, *middle)]


def test_a_delta_orthogonal_transposed_convolution_keeps_lengths():
    initializer = DeltaOrthogonal(input_axes=(0, 1, 3), output_axes=(0, 1, 2))
    layer = layers.Conv2DTranspose(
        16, 3, padding="same", kernel_initializer=initializer
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 16)).astype("float32")
    y = keras.ops.convert_to_numpy(layer(x))
    lengths = np.linalg.norm(x, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), lengths, rtol=1e-5)


@pytest.mark.parametrize("name", SPREAD_OUT | IN_THE_CENTRE)
@pytest.mark.parametrize(
    "axes", [5, "12", (0, 1.0), (True,), [None]], ids=["int", "str", "1.0", "bool", "-"]
)
def test_axes_are_a_list_of_integers(name, axes):
    make, _ = (SPREAD_OUT | IN_THE_CENTRE)[name]
    for argument in ("input_axes", "output_axes"):
        with pytest.raises(ValueError, match=rf"`{argument}` must be .*: {argument}="):
            make(**{argument: axes})


@pytest.mark.parametrize("axes", [(0, 4), (-5,), (1, 1), (3, -1)])
def test_axes_are_distinct_and_those_of_the_kernel(axes):
    with pytest.raises(ValueError, match=r"`input_axes` must be d.*: input_axes="):
        ScaledOrthogonal(input_axes=axes)((3, 3, 8, 8))
