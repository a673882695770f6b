"""Any argument is right, or an error names it and shows it."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_initkit import arguments
from keras_initkit.experiments.settings import RANGES, Settings
from keras_initkit.initializers.bias_draws import NormalBias
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.tensorboard.local_directory import local_directory

ANYTHING = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers(),
    st.text(max_size=10) | st.binary(max_size=10),
    st.floats(width=32).map(np.float32) | st.integers(-5, 5).map(np.int8),
    st.lists(st.integers(-2, 2**70) | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
    st.sampled_from([10**400, -(10**400), object(), np.ones(2), np.array(1.0), print]),
)


def of(name, function, value):
    """The result of the function; None if it raises the right error."""
    try:
        return function(value)
    except ValueError as error:
        message = str(error)
    assert f"`{name}` must be " in message
    assert f"Received: {name}=" in message
    assert len(message) < 1000
    return None


def is_number(value):
    return isinstance(value, float) and math.isfinite(value)


@given(ANYTHING, st.floats(-10, 10))
def test_numbers(value, limit):
    found = of("x", lambda x: arguments.number("x", x, least=limit), value)
    assert found is None or (is_number(found) and found >= limit)
    found = of("x", lambda x: arguments.number("x", x, above=limit), value)
    assert found is None or (is_number(found) and found > limit)


@given(ANYTHING, st.integers(-3, 3))
def test_integers(value, least):
    found = of("n", lambda n: arguments.integer("n", n, least), value)
    assert found is None or (type(found) is int and least <= found < 2**63)


@given(ANYTHING)
def test_shapes_flags_and_choices(value):
    shape = of("shape", lambda s: arguments.shape("shape", s), value)
    assert shape is None or all(type(n) is int and n >= 0 for n in shape)
    assert of("flag", lambda f: arguments.flag("flag", f), value) in (None, True, False)
    choice = of("way", lambda w: arguments.choice("way", w, ["in", "out"]), value)
    assert choice in (None, "in", "out")


@given(ANYTHING)
def test_directories(value):
    path = of("log_dir", local_directory, value)
    assert path is None or isinstance(value, str)


@given(ANYTHING)
def test_initializers(value):
    gain = of("gain", lambda x: ScaledOrthogonal(gain=x), value)
    assert gain is None or gain.gain > 0
    depth = of("depth", lambda x: ScaledDepth(depth=x), value)
    assert depth is None or depth.depth >= 1
    bias = of("stddev", lambda x: NormalBias(stddev=x), value)
    assert bias is None or bias.stddev >= 0


@given(st.sampled_from(sorted(RANGES)), st.integers(-(2**70), 2**70))
def test_settings_of_a_comparison(name, value):
    least, most = RANGES[name]
    settings = of(name, lambda x: Settings(**{"depth": 1, name: x}), value)
    assert (settings is not None) == (least <= value <= most)
