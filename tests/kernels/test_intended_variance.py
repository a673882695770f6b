import inspect
import math
import random

import keras
import numpy as np
import pytest
from keras import initializers

from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.kernels.intended_variance import implied_variance
from keras_initkit.kernels.random_state import random_state_kept
from keras_initkit.report.variance_interval import variance_interval

SHAPE = (300, 200)


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (initializers.GlorotUniform(), 2 / 500),
        (initializers.GlorotNormal(), 2 / 500),
        (initializers.HeNormal(), 2 / 300),
        (initializers.HeUniform(), 2 / 300),
        (initializers.LecunNormal(), 1 / 300),
        (initializers.VarianceScaling(3.0, mode="fan_out"), 3 / 200),
        (initializers.RandomNormal(1.0, 0.2), 0.04),
        (initializers.TruncatedNormal(stddev=0.2), 0.04 * 0.77374),
        (initializers.RandomUniform(-1, 2), 9 / 12),
        (initializers.Orthogonal(gain=2.0), 4 / 300),
        (initializers.Identity(2.0), 4 / 300 * (1 - 1 / 300)),
        (initializers.Zeros(), 0),
        (initializers.Ones(), 0),
        (initializers.Constant(0.1), 0),
        (ScaledDepth(9, base="he_normal"), 2 / 300 / 9),
        (DynamicRescaling("glorot_normal"), 1 / 300),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_the_variance_of_what_is_drawn(initializer, expected):
    implied = implied_variance(initializer, SHAPE).variance
    # 16 draws of 60,000 entries are off by 0.15 %.
    assert implied == pytest.approx(expected, rel=0.01, abs=1e-30)
    drawn = np.var(np.array(initializer(SHAPE), "float64"))
    assert implied == pytest.approx(drawn, rel=0.04, abs=1e-16)


@pytest.mark.skipif(
    "input_axes" not in inspect.signature(initializers.VarianceScaling).parameters,
    reason="this Keras does not know the axes of einsums",
)
def test_axes_of_an_einsum():
    initializer = initializers.VarianceScaling(input_axes=[1], output_axes=[0])
    assert implied_variance(initializer, SHAPE).variance == pytest.approx(1 / 200)


def test_convolution_has_the_fans_of_keras():
    he = initializers.HeNormal()
    assert implied_variance(he, (3, 3, 16, 32)).variance == 2 / (9 * 16)
    glorot = initializers.GlorotUniform()
    implied = implied_variance(glorot, (3, 3, 16, 32)).variance
    assert implied == pytest.approx(2 / (9 * 48))
    orthogonal = initializers.Orthogonal()
    assert implied_variance(orthogonal, (3, 3, 16, 32)).variance == 1 / 144


class OwnDraw(initializers.HeNormal):
    """Inherits the formula, but not what it does."""

    def __call__(self, shape, dtype=None):
        return 3 * super().__call__(shape, dtype=dtype)


def test_subclass_that_draws_in_its_own_way_is_drawn_from():
    implied = implied_variance(OwnDraw(), SHAPE).variance
    assert implied == pytest.approx(9 * 2 / 300, rel=0.01)


class WithoutConfig(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.zeros(shape)


class Failing(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        raise RuntimeError

    def get_config(self):
        return {"seed": None}


@pytest.mark.parametrize(
    "initializer", [None, lambda shape, dtype: 0, WithoutConfig(), Failing()]
)
def test_where_there_is_no_telling_it_is_nan(initializer):
    assert math.isnan(implied_variance(initializer, SHAPE).variance)


def test_too_large_a_kernel_is_not_drawn():
    assert math.isnan(implied_variance(OwnDraw(), (1100, 1000)).variance)


def test_independent_entries_count_as_they_are():
    assert implied_variance(initializers.HeNormal(), (30, 20)).entries == 600
    assert implied_variance(ScaledDepth(4), SHAPE).entries == math.prod(SHAPE)


def test_one_factor_for_all_entries_makes_them_count_for_fewer():
    # The sums of 512 columns, whose variance is a part of what is normalized.
    initializer, shape = DynamicRescaling(activation="relu"), (512, 512)
    implied = implied_variance(initializer, shape)
    assert implied.entries < 512**2 / 4
    low, high = variance_interval(*implied)
    draws = [np.var(np.array(initializer(shape))) for _ in range(100)]
    assert all(low < draw < high for draw in draws)
    assert high / low < 1.3


def test_nobodys_seed_is_advanced():
    generator = keras.random.SeedGenerator(3)
    seeded = [
        kind(seed=seed)
        for seed in (None, 1, generator)
        for kind in (OwnDraw, lambda seed: ScaledDepth(4, seed=seed))
    ]
    keras.utils.set_random_seed(5)
    keras.random.normal((1,))
    states = random.getstate(), str(np.random.get_state())
    expected = _next_of_keras()
    for initializer in seeded:
        assert implied_variance(initializer, (8, 8)).variance > 0
    assert (random.getstate(), str(np.random.get_state())) == states
    assert np.array(generator.state).tolist() == [3, 0]
    assert _next_of_keras() == expected


def _next_of_keras():
    with random_state_kept():
        return np.array(keras.random.normal((2,))).tolist()


def test_kept_random_states_are_restored_after_an_exception():
    keras.utils.set_random_seed(5)
    expected = _next_of_keras()  # this makes the generator, and takes it back

    def draw_and_fail():
        keras.random.normal((1,))
        random.random()
        np.random.rand()
        raise RuntimeError

    with pytest.raises(RuntimeError), random_state_kept():
        draw_and_fail()
    assert _next_of_keras() == expected
    assert random.random() == random.Random(5).random()
    assert np.random.rand() == np.random.RandomState(5).rand()
