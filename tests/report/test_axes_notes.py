import inspect

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.report.signal_report import signal_report

VarianceScaling = keras.initializers.VarianceScaling
knows_axes = pytest.mark.skipif(
    "input_axes" not in inspect.signature(VarianceScaling).parameters,
    reason="this Keras does not tell initializers any axes",
)
TRANSPOSED = {"input_axes": (0, 1, 3), "output_axes": (0, 1, 2)}
DEPTHWISE = {"input_axes": (0, 1), "output_axes": (0, 1, 3)}


def transposed(initializer, channels=32):
    return keras.Sequential(
        [
            keras.Input((12, 12, channels)),
            layers.Conv2DTranspose(
                8, 3, kernel_initializer=initializer, use_bias=False, name="up"
            ),
        ],
        name="net",
    )


def images(channels=32):
    shape = (32, 12, 12, channels)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


MAKERS = {
    "ActivationScaling": lambda **axes: ActivationScaling(None, **axes),
    "Critical": lambda **axes: Critical("linear", q_star=1.0, **axes),
    "DynamicRescaling": DynamicRescaling,
    "ScaledDepth": lambda **axes: ScaledDepth(1, base="lecun_normal", **axes),
    "ScaledOrthogonal": ScaledOrthogonal,
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_arguments_of_the_note_bring_the_outputs_to_variance_1(name):
    make, x = MAKERS[name], images()
    model = transposed(make())
    inner = (slice(None), slice(2, -2), slice(2, -2))
    outputs = keras.ops.convert_to_numpy(model(x))[inner]
    assert outputs.var() == pytest.approx(4, rel=0.08)
    [note] = signal_report(model, x).notes
    assert "input_axes=(0, 1, 3), output_axes=(0, 1, 2)" in note
    assert "'up' (variance 4 times" in note
    assert name in note

    right = transposed(make(**TRANSPOSED))
    outputs = keras.ops.convert_to_numpy(right(x))[inner]
    assert outputs.var() == pytest.approx(1, rel=0.08)
    assert signal_report(right, x).notes == []


@knows_axes
@pytest.mark.parametrize(
    ("axes", "number"),
    [({}, 1), ({"input_axes": (0, 1, 3)}, 1), (DEPTHWISE, 1), (TRANSPOSED, 0)],
    ids=["none", "one of two, which Keras ignores", "others", "right"],
)
def test_initializers_of_keras_take_the_same_arguments(axes, number):
    initializer = keras.initializers.HeNormal(**axes)
    report = signal_report(transposed(initializer), images())
    assert len(report.notes) == number
    assert all("input_axes=(0, 1, 3)" in note for note in report.notes)
    assert report["as_intended"].tolist() == [True]


@knows_axes
def test_layers_of_the_same_fault_share_a_note():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 16)),
            layers.DepthwiseConv2D(3, name="a", depthwise_initializer="lecun_normal"),
            layers.Conv2D(64, 1),
            layers.DepthwiseConv2D(3, name="b", depthwise_initializer="lecun_normal"),
        ],
        name="net",
    )
    report = signal_report(model, images(16)[:, :6, :6])
    [note] = report.notes
    assert "LecunNormal the arguments input_axes=(0, 1), output_axes=(0, 1, 3)" in note
    assert "'a' (variance 0.0625 times" in note
    assert "'b' (variance 0.0156 times" in note
    assert repr(report).endswith(f"\n\n{note}")


def test_where_the_fans_fit_there_is_no_note():
    # Glorot's mean of the fans is the same in both directions.
    sequence = keras.Sequential(
        [
            keras.Input((12, 16)),
            layers.Conv1D(16, 3, groups=2, kernel_initializer=ScaledOrthogonal()),
            layers.Conv1DTranspose(16, 3),
            layers.LSTM(8, return_sequences=True, kernel_initializer="he_normal"),
            layers.GRU(8, kernel_initializer=DynamicRescaling()),
            layers.Dense(4, kernel_initializer="he_normal"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(8, 12, 16)).astype("float32")
    assert signal_report(sequence, x).notes == []


@knows_axes
def test_attention_is_told_its_axes_by_keras():
    inputs = keras.Input((5, 16))
    attention = layers.MultiHeadAttention(2, 8, kernel_initializer=DynamicRescaling())
    model = keras.Model(inputs, attention(inputs, inputs))
    x = np.random.default_rng(0).normal(size=(8, 5, 16)).astype("float32")
    assert signal_report(model, x).notes == []


@pytest.mark.parametrize(
    "initializer", ["zeros", "orthogonal", lambda shape, dtype: keras.ops.ones(shape)]
)
def test_an_initializer_without_axes_has_no_note(initializer):
    assert signal_report(transposed(initializer), images()).notes == []
