"""Bad input to every public name: an error names the argument, and nothing changes.

`BAD` has wrong values for each argument of each function and class. `CALLS` has a call
with one of them. A separate test checks that no argument is left
out.
"""

import inspect
import math

import keras
import numpy as np
import pytest

import keras_initkit
from keras_initkit import theory

NAN, INF, HUGE = math.nan, math.inf, 10**400

NO_NUMBERS = [NAN, INF, -INF, HUGE, "1", True, 1j, [], {}, np.ones(2), object(), "nan"]
NUMBERS = [*NO_NUMBERS, None]
NON_NEGATIVE = [-1, -0.5, *NUMBERS]
POSITIVE = [0, *NON_NEGATIVE]
COUNTS = [0, -1, 2.5, 3.0, *NUMBERS]
FLAGS = ["no", 0, 1.0, None, [], NAN, object()]
WORDS = ["no_such_word", "", 3, NAN, [], {}, object(), b"all"]


def or_none(values):
    """The wrong values for an argument that may be None."""
    return [value for value in values if value is not None]


def raises(*_):
    raise RuntimeError("the user's own function fails")


ACTIVATIONS = [
    *("no_such_activation", "softmax", "", 3, NAN, HUGE, [], ["relu"], object()),
    *({"class_name": "Missing", "config": {}}, keras.layers.PReLU()),
    *(lambda x: 1.0, lambda: 0, lambda x: x[:1], lambda x: "x", raises),
    lambda x: keras.random.normal(keras.ops.shape(x)),
]
SEEDS = [
    -1,
    2**32,
    1.5,
    "1",
    True,
    [1],
    NAN,
    HUGE,
    object(),
    np.ones(2),
    {},
    {"seed": 1},
]
AXES = [0, "01", [0.5], [0, 0], [NAN], NAN, object(), [None], [[0]], [HUGE], True]
RANDOM = {"seed": SEEDS}
KERNEL = {**RANDOM, "input_axes": AXES, "output_axes": AXES}
BASES = ["no_such_initializer", "", None, 3, NAN, [], {}, object()]
PRIORS = [
    *([], "ab", ["a"], [NAN, 1], [INF, 1], [-0.5, 1.5], [0, 1], [0.2, 0.2], 0.5, {}),
    *([HUGE, 1], object(), [[0.5, 0.5]], [[0.5], [0.5, 0.5]], [1j, 1]),
]
LABELS = [
    *([], "ab", ["a"], [NAN, 1], [INF, 1], [-1, 1], [0.5, 1], 3, {}, object()),
    *([HUGE, 1], np.zeros((0, 3)), np.ones((2, 2, 2)), [[1, 1], [0, 1]], [1, 1]),
    *([[0, 1], [1]], np.ones((3, 2)), [1j, 1], [1e18, 0]),
]
SOURCES = [
    *(None, object(), {}, "", "no_suffix", ["a"], [1j], [[1], [1, 2]], "model.txt"),
    *([None], raises),
]
INITIALIZERS = {
    "ActivationScaling": {
        "activation": ACTIVATIONS,
        "method": [*WORDS, None],
        "distribution": [*WORDS, None],
        **KERNEL,
    },
    "Critical": {
        "activation": [*ACTIVATIONS, "sigmoid"],
        "depth": COUNTS,
        "q_star": POSITIVE,
        "orthogonal": FLAGS,
        **KERNEL,
    },
    "DeltaOrthogonal": {"gain": POSITIVE, **KERNEL},
    "DynamicRescaling": {
        "base": BASES,
        "activation": ACTIVATIONS,
        "target_variance": POSITIVE,
        **KERNEL,
    },
    "LogPriorBias": {
        "labels": LABELS,
        "priors": PRIORS,
        "activation": [*WORDS, None],
    },
    "LooksLinear": {"position": [*WORDS, None], "gain": POSITIVE, **KERNEL},
    "NormalBias": {"stddev": NON_NEGATIVE, **RANDOM},
    "Pretrained": {"source": SOURCES, "path": [3, "a/b", NAN, [], object()]},
    "ScaledDepth": {
        "depth": COUNTS,
        "exponent": NON_NEGATIVE,
        "base": BASES,
        "residual_multiplier": NUMBERS,
        **KERNEL,
    },
    "ScaledOrthogonal": {"gain": POSITIVE, **KERNEL},
    "TorchUniform": KERNEL,
    "TorchUniformBias": {"fan_in": COUNTS, **RANDOM},
    "ZerO": {"input_axes": AXES, "output_axes": AXES},
}
PRESETS = {
    "ScaledDepth.gpt2": {"num_layers": COUNTS, **RANDOM},
    "ScaledDepth.fixup": {
        "num_blocks": COUNTS,
        "layers_per_block": [1, *COUNTS],
        **RANDOM,
    },
    "ScaledDepth.deepnorm": {"num_layers": COUNTS, **RANDOM},
    "ScaledDepth.tfixup": {"num_layers": COUNTS, **RANDOM},
    "ScaledDepth.depth_mup": {"num_layers": COUNTS, **RANDOM},
}
VARIANCES = {"weight_variance": NON_NEGATIVE, "bias_variance": NON_NEGATIVE}
CORRELATIONS = [1.5, -1.5, NAN, INF, HUGE, "1", None, 1j, [NAN], {}, object(), [2.0]]
THEORY = {
    "calculate_gain": {"activation": ACTIVATIONS, "method": [*WORDS, None]},
    "chi": {"activation": ACTIVATIONS, **VARIANCES, "correlation": CORRELATIONS},
    "correlation_map": {
        "activation": ACTIVATIONS,
        **VARIANCES,
        "correlation": CORRELATIONS,
        "variance": or_none(POSITIVE),
    },
    "critical_variances": {
        "activation": ACTIVATIONS,
        "variance": POSITIVE,
        "bias_variance": NON_NEGATIVE,
    },
    "depth_scales": {"activation": ACTIVATIONS, **VARIANCES},
    "finite_width_fluctuation": {
        "widths": [
            [],
            [0],
            [-1],
            [2.5],
            [NAN],
            ["a"],
            3,
            "12",
            None,
            {},
            [HUGE],
            [[1]],
        ],
        "activation": [*ACTIVATIONS, "tanh"],
    },
    "fixed_correlation": {"activation": ACTIVATIONS, **VARIANCES},
    "fixed_variance": {"activation": ACTIVATIONS, **VARIANCES},
    "max_trainable_depth": {"activation": ACTIVATIONS, **VARIANCES},
    "variance_map": {
        "activation": ACTIVATIONS,
        **VARIANCES,
        "variance": [-1, NAN, INF, HUGE, "1", None, 1j, [NAN], {}, object(), [[1], -1]],
    },
    "variances_for_depth": {
        "activation": [*ACTIVATIONS, "sigmoid", "relu"],
        "depth": COUNTS,
    },
}

NO_MODELS = [None, 3, NAN, "model", "", [], {}, object(), np.ones(2), keras.Model]
SELECTORS = [
    *(3, NAN, [], [3], "no_such_layer", ["no_such_layer", 3], object(), np.ones(2)),
    *(keras.layers.LSTM, lambda layer: False, raises, "", b"dense", {}),
]
DIRECTORIES = [None, 3, NAN, "", b"logs", [], object(), "gs://bucket/logs", "a\0b"]
FREQUENCIES = [-1, 2.5, "no_such_word", "", NAN, INF, HUGE, None, [], True, object()]


def of_wrong_shape(tensor):
    return keras.ops.ones((2,))


LAYER_STATS = {
    "log_dir": or_none(DIRECTORIES),
    "update_freq": [0, *FREQUENCIES],
    "warmup_steps": [-1, 2.5, *NUMBERS],
    "statistics": [*WORDS, None, ["mean", 3], lambda x: x, of_wrong_shape, raises],
    "histogram_steps": FREQUENCIES,
    "layers": SELECTORS,
    "include_biases": FLAGS,
    "on_record": or_none([3, "print", [], NAN, np.ones(2)]),
    "max_overhead": POSITIVE,
    "flush_secs": POSITIVE,
}
BATCH = np.linspace(-1, 1, 32, dtype="float32").reshape(8, 4)
INPUTS = [
    *(None, 3, NAN, "x", "", [], {}, object(), raises, [BATCH, BATCH], [[1.0, 2.0]]),
    *(np.zeros((0, 4)), np.zeros(4), np.zeros((8, 3)), np.zeros((8, 4, 4))),
    *(BATCH * NAN, np.full((8, 4), INF), BATCH * 1j),
    *(np.full((8, 4), "a"), np.full((8, 4), None), np.full((8, 4), 1e308)),
    np.full((8, 4), HUGE, object),
]
TARGETS = [
    *(3, NAN, "y", "", [], {}, object(), raises, np.zeros(8)[:0], np.zeros(7, int)),
    *(np.eye(8, 3), np.full(8, NAN), np.full(8, "a"), np.full(8, None)),
    *(np.full(8, 3), np.full(8, -1), np.zeros((8, 3, 2)), [np.zeros(8), np.zeros(8)]),
    *(np.full(8, 0.5), np.full(8, 1j), np.full(8, 2**62)),
]
OPTIMIZERS = ["adam", 3, NAN, [], object(), keras.optimizers.Adam]
MODELS = {
    "DynamicRescalingCallback": {
        "check_freq": COUNTS,
        "layers": SELECTORS,
        "log_dir": or_none(DIRECTORIES),
    },
    "LayerStatsCallback": {
        **LAYER_STATS,
        "on_finding": [3, "print", NAN, [], {}, object()],
        "stop_on": or_none(WORDS),
    },
    "layer_stats": {
        "model": [*NO_MODELS, keras.layers.Dense(3)],
        "optimizer": OPTIMIZERS,
        **LAYER_STATS,
        "update_freq": [0, "epoch", *FREQUENCIES],
        "histogram_steps": ["epoch", *FREQUENCIES],
    },
    "kernel_fans": {"layer": [*NO_MODELS, keras.layers.Dense]},
    "lsuv": {
        "model": [*NO_MODELS, keras.layers.Dense(3)],
        "x": INPUTS,
        "target_variance": POSITIVE,
        "tolerance": POSITIVE,
        "max_iterations": COUNTS,
        "orthogonal": FLAGS,
        "layers": SELECTORS,
        "discard_trained": FLAGS,
    },
    "reinitialize": {
        "model": [*NO_MODELS, keras.layers.Dense(3)],
        "seed": [-1, 1.5, *NUMBERS],
        "initializers": [
            *("no_such_initializer", "", 3, NAN, [], object(), np.ones(2), raises),
            *({"no_such_layer": "zeros"}, {"dense": "no_such"}, {3: "zeros"}),
        ],
        "optimizer": [*WORDS, None],
    },
    "scale_residual_branches": {
        "model": [*NO_MODELS, keras.layers.Dense(3), keras.Sequential()],
        "depth": or_none(COUNTS),
        "exponent": or_none(NON_NEGATIVE),
    },
    "signal_report": {
        "model": [*NO_MODELS, keras.layers.Dense(3)],
        "x": INPUTS,
        "y": TARGETS,
    },
}
BAD = {**INITIALIZERS, **PRESETS, **THEORY, **MODELS}

# The other arguments of a callable while one is wrong.
GOOD = {
    "ActivationScaling": {"activation": "relu"},
    "Critical": {"activation": "tanh"},
    "NormalBias": {"stddev": 0.1},
    "Pretrained": {"source": np.eye(2)},
    "ScaledDepth": {"depth": 4},
    "TorchUniformBias": {"fan_in": 4},
    "ScaledDepth.gpt2": {"num_layers": 4},
    "ScaledDepth.fixup": {"num_blocks": 4, "layers_per_block": 2},
    "ScaledDepth.deepnorm": {"num_layers": 4},
    "ScaledDepth.tfixup": {"num_layers": 4},
    "ScaledDepth.depth_mup": {"num_layers": 4},
    "calculate_gain": {"activation": "relu"},
    "chi": {"activation": "tanh", "weight_variance": 1.5},
    "correlation_map": {
        "activation": "tanh",
        "weight_variance": 1.5,
        "bias_variance": 0.1,
        "correlation": 0.5,
    },
    "critical_variances": {"activation": "tanh"},
    "finite_width_fluctuation": {"widths": [10, 10]},
    "variance_map": {
        "activation": "tanh",
        "weight_variance": 1.5,
        "bias_variance": 0.1,
        "variance": 1.0,
    },
    "variances_for_depth": {"activation": "tanh", "depth": 50},
    "DynamicRescalingCallback": {"layers": "hidden"},
    "reinitialize": {"seed": 1},
    "depth_scales": {"activation": "tanh", "weight_variance": 1.5},
    "fixed_correlation": {"activation": "tanh", "weight_variance": 1.5},
    "fixed_variance": {"activation": "tanh", "weight_variance": 1.5},
    "max_trainable_depth": {"activation": "tanh", "weight_variance": 1.5},
}
# Exactly one of two arguments must be given: this one, unless the other is wrong.
EITHER = {
    "Critical": ("q_star", 0.5, "depth"),
    "LogPriorBias": ("labels", [0, 1], "priors"),
    "critical_variances": ("variance", 0.5, "bias_variance"),
}


def public(name):
    owner, _, preset = name.partition(".")
    module = theory if name in theory.__all__ else keras_initkit
    found = getattr(module, owner)
    return getattr(found, preset) if preset else found


def test_no_public_name_and_no_argument_is_left_out():
    names = {*keras_initkit.__all__, *theory.__all__, *PRESETS}
    assert set(BAD) == names
    for name in names:
        parameters = inspect.signature(public(name)).parameters.values()
        expected = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
        assert expected <= set(BAD[name]), name


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, "relu", name="hidden")(inputs)
    x = keras.layers.Add()([inputs, keras.layers.Dense(4, name="close")(hidden)])
    model = keras.Model(inputs, keras.layers.Dense(3, name="dense")(x), name="model")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture(autouse=True)
def _nothing_is_changed_or_written(model, tmp_path, monkeypatch):
    before = model.get_weights()
    monkeypatch.chdir(tmp_path)
    yield
    np.testing.assert_equal(model.get_weights(), before)
    assert model.optimizer.iterations == 0
    assert not list(tmp_path.iterdir())


def fit(model, callback):
    model.fit(BATCH, np.zeros(8), callbacks=[callback], verbose=0)


def train_in_a_loop(model, **arguments):
    with keras_initkit.layer_stats(model, **arguments):
        raise AssertionError("the loop begins")


def call_of(name, model):
    function = public(name)
    if name.endswith("Callback"):
        return lambda **arguments: fit(model, function(**arguments))
    if name == "layer_stats":
        return lambda **arguments: train_in_a_loop(**{"model": model, **arguments})
    if name in INITIALIZERS:
        return lambda **arguments: function(**arguments)((6, 4, 4))
    if name == "kernel_fans":
        return function
    if name in MODELS:
        given = {"model": model, "x": BATCH} if "x" in BAD[name] else {"model": model}
        return lambda **arguments: function(**{**given, **arguments})
    return function


def good_arguments(name, wrong=None):
    """The other arguments of a callable while this one is wrong."""
    good = dict(GOOD.get(name, {}))
    if name in EITHER:
        one, value, other = EITHER[name]
        good |= {} if wrong == other else {one: value}
    return good


def check(call, argument, values):
    """Calls with each of the values: the error names argument and value."""
    faults = []
    for value in values:
        shown = f"{str(value)[:60]!r:.60}"
        try:
            call(value)
            faults.append(f"{shown} is accepted")
        except Exception as error:
            _, _, received = str(error).partition("Received: ")
            is_named = f"`{argument}`" in str(error) and argument in received
            if not isinstance(error, TypeError | ValueError) or not is_named:
                faults.append(f"{shown}: {type(error).__name__}: {error}")
    assert not faults, "\n".join(fault[:300] for fault in faults)


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, argument) for name, of_name in BAD.items() for argument in of_name],
)
def test_the_error_names_the_argument_and_what_was_received(name, argument, model):
    call, good = call_of(name, model), good_arguments(name, argument)
    check(
        lambda value: call(**{**good, argument: value}), argument, BAD[name][argument]
    )


SHAPES = [None, 3, NAN, "ab", (-1, 2), (2.5, 2), [NAN], [[2]], (HUGE, 2), object()]


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_bad_shape(name):
    initializer = public(name)(**good_arguments(name))
    check(initializer, "shape", SHAPES)
