import logging
import math

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit import DynamicRescaling
from keras_initkit.rescale.rescaler import MONITORS, Rescaler, find_targets

BAND = (0.5, 2.0)
INTO = (0.5**0.9, 2**0.9)  # just inside
RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 8)).astype("float32")
Y = RNG.integers(0, 3, size=64)


def stack(activation="relu", scale=1.0, depth=3):
    """Hidden layers h0, h1, ... and a last one, of given names."""
    keras.utils.set_random_seed(0)
    hidden = [
        layers.Dense(
            16,
            activation,
            kernel_initializer=keras.initializers.VarianceScaling(2 * scale**2),
            bias_initializer="random_normal",
            name=f"h{i}",
        )
        for i in range(depth)
    ]
    head = layers.Dense(3, name="last")
    return keras.Sequential([keras.Input((8,)), *hidden, head], name="net")


def compiled(model, optimizer="adam", **options):
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **options,
    )
    return model


def rescaler(model, monitor="pre_activation", function_preserving=True, pattern="h*"):
    targets = find_targets(model, pattern)
    make = Rescaler(
        model, model.optimizer, targets, MONITORS[monitor], BAND, function_preserving
    )
    return targets, make


def of_each(targets, *numbers):
    return {id(t.kernel): n for t, n in zip(targets, numbers, strict=True)}


def pre_activation_variances(model):
    variances, a = [], X
    for layer in model.layers:
        weights, bias = (keras.ops.convert_to_numpy(v) for v in layer.weights)
        z = a @ weights + bias
        variances.append(z.var(dtype="float64"))
        a = keras.ops.convert_to_numpy(layer.activation(z))
    return variances


SLOPE_BELOW_ZERO = {"relu": 0.0, "leaky_relu": 0.2, "linear": 1.0}


def gradient_variances(model):
    """Of the cross-entropy with respect to the kernels, by hand."""
    inputs, slopes = [X.astype("float64")], []
    for layer in model.layers:
        weights, bias = (keras.ops.convert_to_numpy(v) for v in layer.weights)
        z = inputs[-1] @ weights + bias
        below = SLOPE_BELOW_ZERO[layer.activation.__name__]
        slopes.append(np.where(z > 0, 1.0, below))
        inputs.append(z * slopes[-1])
    probability = np.exp(z - z.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    gradient = (probability - np.eye(3)[Y]) / len(Y)
    variances = []
    for layer, a, slope in zip(
        model.layers[::-1], inputs[-2::-1], slopes[::-1], strict=True
    ):
        gradient = gradient * slope
        variances.append((a.T @ gradient).var())
        gradient = gradient @ keras.ops.convert_to_numpy(layer.kernel).T
    return variances[::-1]


def norms(model):
    return [np.linalg.norm(layer.kernel) for layer in model.layers]


MEASURES = {
    "pre_activation": pre_activation_variances,
    "gradient": gradient_variances,
    "weight_norm": norms,
}


# -- what is rescaled ------------------------------------------------------------------


@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "linear"])
def test_function_preserving_brings_each_layer_just_into_its_band(monitor, activation):
    model = compiled(stack(activation))
    measure = MEASURES[monitor]
    targets, rescale = rescaler(model, monitor)
    before = measure(model)
    # All of them are out of their bands, in both directions, and stay so in one pass.
    references = [before[0] / 5, before[1] * 70, before[2] / 90]
    outputs = model.predict(X, verbose=0)
    events = rescale(12, of_each(targets, *before[:3]), of_each(targets, *references))
    assert [(e.step, e.layer) for e in events] == [
        (12, "h0"),
        (12, "h1"),
        (12, "h2"),
    ]
    expected = np.multiply(references, [INTO[1], INTO[0], INTO[1]])
    np.testing.assert_allclose(measure(model)[:3], expected, rtol=1e-4)
    after = model.predict(X, verbose=0)
    np.testing.assert_allclose(after, outputs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("monitor", MONITORS)
def test_without_compensation_only_the_first_is_rescaled(monitor):
    model = compiled(stack("tanh"))
    targets, rescale = rescaler(model, monitor, function_preserving=False)
    kernels = [w.copy() for w in model.get_weights()]
    values = of_each(targets, 1.0, 16.0, 16.0)
    [event] = rescale(3, values, of_each(targets, 1.0, 1.0, 1.0))
    assert (event.step, event.layer) == (3, "h1")
    # A gradient becomes smaller where its kernel becomes larger.
    power = MONITORS[monitor].power
    assert event.factor == pytest.approx((INTO[1] / 16) ** (1 / power))
    assert "16" in event.reason
    assert MONITORS[monitor].statistic in event.reason
    for i, (weights, before) in enumerate(
        zip(model.get_weights(), kernels, strict=True)
    ):
        factor = event.factor if i == 2 else 1.0
        np.testing.assert_allclose(weights, before * factor, rtol=1e-6)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, math.nan, math.inf, 0.0])
@pytest.mark.parametrize("function_preserving", [True, False])
def test_nothing_is_touched_in_the_band_or_without_a_number(ratio, function_preserving):
    model = compiled(stack())
    targets, rescale = rescaler(model, function_preserving=function_preserving)
    before = [w.copy() for w in model.get_weights()]
    same = of_each(targets, *[ratio] * 3)
    assert rescale(0, same, of_each(targets, 1.0, 1.0, 1.0)) == []
    for weights, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_a_reference_of_zero_cannot_be_reached():
    model = compiled(stack())
    targets, rescale = rescaler(model, "weight_norm")
    references = of_each(targets, 0.0, math.nan, 1.0)
    events = rescale(0, of_each(targets, 1.0, 1.0, 9.0), references)
    assert [event.layer for event in events] == ["h2"]


def test_an_in_band_layer_that_compensation_drives_out_is_rescaled_in_the_same_pass():
    model = compiled(stack())
    targets, rescale = rescaler(model, "weight_norm")
    ones = of_each(targets, 1.0, 1.0, 1.0)
    events = rescale(0, of_each(targets, 4.0, 1.0, 1.0), ones)
    # h1 took 4 / 1.87 and had more than 2; what it gave to h2 keeps that in its band.
    first = INTO[1] / 4
    assert [event.factor for event in events] == pytest.approx([first, INTO[1] * first])


# -- the optimizer goes on -------------------------------------------------------------


def train(model, epochs):
    model.fit(X, Y, batch_size=16, epochs=epochs, shuffle=False, verbose=0)


def test_a_scale_free_optimizer_moves_a_rescaled_kernel_as_far_as_before():
    def run(factor):
        optimizer = keras.optimizers.Adam(0.01, epsilon=1e-30)
        model = compiled(stack(), optimizer)
        train(model, 2)
        targets, rescale = rescaler(model)
        values = of_each(targets, 1.0, INTO[0] * factor**-2, 1.0)
        rescale(0, values, of_each(targets, 1.0, 1.0, 1.0))
        before = model.get_weights()
        model.train_on_batch(X, Y)
        return [a - b for a, b in zip(model.get_weights(), before, strict=True)]

    for moved, expected in zip(run(4.0), run(1.0), strict=True):
        np.testing.assert_allclose(moved, expected, rtol=1e-2, atol=1e-5)


# -- which layers ----------------------------------------------------------------------


def test_targets_are_the_layers_built_with_the_initializer():
    own = DynamicRescaling(activation="relu", target_variance=3.0)
    inputs = keras.Input((8, 8, 2))
    x = layers.DepthwiseConv2D(
        3,
        depthwise_initializer=DynamicRescaling(input_axes=(0, 1)),
        name="depthwise",
    )(inputs)
    x = layers.SeparableConv2D(3, 3, pointwise_initializer=own, name="separable")(x)
    x = layers.Conv2D(3, 3, name="plain")(x)
    x = layers.Dense(3, kernel_initializer=own, name="dense")(x)
    model = keras.Model(inputs, x)
    targets = find_targets(model)
    assert [(t.name, t.variance) for t in targets] == [
        ("depthwise", 1.0),
        ("separable/pointwise_kernel", 3.0),
        ("dense", 3.0),
    ]
    assert [t.variance for t in find_targets(model, ["plain", "dense"])] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [(None, "no layer .* was built with"), (layers.Embedding, "must select a Dense")],
)
def test_no_such_layer_is_an_error(pattern, said):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Embedding(5, 4),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    with pytest.raises(ValueError, match=said):
        find_targets(model, pattern)


# -- refusals --------------------------------------------------------------------------


def test_layers_that_are_refused_are_named_in_one_line_and_left_alone(caplog):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, "tanh", name="h0"),
            layers.Dense(16, "relu", name="h1"),
            layers.Dense(3, name="h2"),
        ],
        name="net",
    )
    compiled(model)
    with caplog.at_level(logging.WARNING):
        targets, rescale = rescaler(model)
    [message] = [record.getMessage() for record in caplog.records]
    assert "2 of 3 layers are not rescaled" in message
    assert "'h0' (its activation tanh is not positively homogeneous)" in message
    assert "'h2' (no layer follows it)" in message
    caplog.clear()
    for _ in range(2):
        values, ones = of_each(targets, 9.0, 9.0, 9.0), of_each(targets, 1.0, 1.0, 1.0)
        assert [event.layer for event in rescale(0, values, ones)] == ["h1"]
    assert not caplog.records
