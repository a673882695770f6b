"""Compares the initializers' statements with many draws."""

import math
import random

import keras
import numpy as np
import pytest
from keras import initializers

from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.initializers.bias_draws import NormalBias, TorchUniformBias
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.delta_orthogonal import DeltaOrthogonal
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.intended_variance import (
    effective_entries,
    intended_variance,
)
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.pretrained import Pretrained
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.torch_uniform import TorchUniform
from keras_initkit.initializers.zero import ZerO
from keras_initkit.kernels.random_state import random_state_kept
from keras_initkit.theory.variance_interval import variance_interval

SHAPE = (30, 20)
CONVOLUTION = (3, 3, 8, 12)
# The output kernel of an attention sums over heads and their width.
EINSUM = (6, 5, 24)
AXES = {"input_axes": [0, 1], "output_axes": [2]}
NUM_DRAWS = 400
# A normal number lies farther from its mean than this once in 16,000 times.
SIGMAS = 4


def assert_of_draws(initializer, shape, rel=1e-5):
    keras.utils.set_random_seed(1)
    draws = [np.array(initializer(shape), "float64") for _ in range(NUM_DRAWS)]
    # Over entries and draws, which share one mean.
    mean = np.mean(draws)
    variances = [np.mean((draw - mean) ** 2) for draw in draws]
    error = SIGMAS * np.std(variances) / math.sqrt(NUM_DRAWS)
    stated = intended_variance(initializer, shape)
    assert stated == pytest.approx(np.mean(variances), abs=error, rel=rel)


MATRICES = {
    "ActivationScaling": lambda **axes: ActivationScaling("relu", **axes),
    "ActivationScaling uniform": lambda **axes: ActivationScaling(
        "tanh", distribution="uniform", **axes
    ),
    "Critical": lambda **axes: Critical("tanh", q_star=0.1, **axes),
    "Critical normal": lambda **axes: Critical(
        "tanh", q_star=0.1, orthogonal=False, **axes
    ),
    "DynamicRescaling": DynamicRescaling,
    "DynamicRescaling relu": lambda **axes: DynamicRescaling(
        activation="relu", target_variance=3.0, **axes
    ),
    "DynamicRescaling uniform": lambda **axes: DynamicRescaling(
        TorchUniform(), activation="softplus", **axes
    ),
    "DynamicRescaling ScaledDepth": lambda **axes: DynamicRescaling(
        ScaledDepth(3, base="glorot_uniform"), activation="sigmoid", **axes
    ),
    "LooksLinear first": lambda **axes: LooksLinear("first", gain=3.0, **axes),
    "LooksLinear hidden": lambda **axes: LooksLinear("hidden", **axes),
    "LooksLinear last": lambda **axes: LooksLinear("last", **axes),
    "ScaledDepth": lambda **axes: ScaledDepth(9, **axes),
    "ScaledDepth orthogonal": lambda **axes: ScaledDepth(4, 1.0, "orthogonal", **axes),
    "ScaledDepth TorchUniform": lambda **axes: ScaledDepth(
        4, base=TorchUniform(), **axes
    ),
    "ScaledDepth ScaledDepth": lambda **axes: ScaledDepth(
        4, base=ScaledDepth(2, base="glorot_normal"), **axes
    ),
    "ScaledDepth constant": lambda **axes: ScaledDepth(
        4, base=Pretrained(np.ones(EINSUM)), **axes
    ),
    "ScaledOrthogonal": lambda **axes: ScaledOrthogonal(1.5, **axes),
    "TorchUniform": TorchUniform,
    "ZerO": ZerO,
}


@pytest.mark.parametrize("shape", [SHAPE, SHAPE[::-1], CONVOLUTION])
@pytest.mark.parametrize("name", [n for n in MATRICES if "constant" not in n])
def test_of_dense_layers_and_convolutions(name, shape):
    rel = shape[-1] ** -2 if name.startswith("Dynamic") else 1e-5
    assert_of_draws(MATRICES[name](), shape, rel)


@pytest.mark.parametrize("name", MATRICES)
def test_of_an_einsum(name):
    assert_of_draws(MATRICES[name](**AXES), EINSUM)


def test_of_a_convolution_that_is_mostly_zero():
    assert_of_draws(DeltaOrthogonal(2.0), CONVOLUTION)
    assert_of_draws(DeltaOrthogonal(2.0), (5, 12, 8))
    assert_of_draws(ScaledDepth(4, base=DeltaOrthogonal()), CONVOLUTION)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (1, 1, 60, 50)])
@pytest.mark.parametrize("base", ["orthogonal", DeltaOrthogonal()])
def test_of_a_rescaled_orthogonal_kernel(base, shape):
    if base == "orthogonal" or len(shape) > 2:
        assert_of_draws(DynamicRescaling(base, "relu"), shape, rel=0.5 / shape[-1])


def test_of_biases():
    assert_of_draws(NormalBias(0.3), (50,))
    assert_of_draws(TorchUniformBias(7), (50,))


def test_of_pretrained_weights():
    values = np.random.default_rng(0).normal(2.0, 3.0, SHAPE)
    assert_of_draws(Pretrained(values), SHAPE)


def test_a_pretrained_weight_whose_file_is_gone_is_unknown(tmp_path):
    path = tmp_path / "values.npz"
    np.savez(path, only=np.ones(SHAPE))
    config = Pretrained(path).get_config()
    path.unlink()
    for gone in (Pretrained.from_config(config),):
        assert math.isnan(intended_variance(gone, SHAPE))
        assert math.isnan(intended_variance(ScaledDepth(4, base=gone), SHAPE))


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (initializers.GlorotUniform(), 2 / 50),
        (initializers.GlorotNormal(), 2 / 50),
        (initializers.HeNormal(), 2 / 30),
        (initializers.HeUniform(), 2 / 30),
        (initializers.LecunNormal(), 1 / 30),
        (initializers.VarianceScaling(3.0, mode="fan_out"), 3 / 20),
        (initializers.RandomNormal(1.0, 0.2), 0.04),
        (initializers.TruncatedNormal(stddev=0.2), 0.04 * 0.77374),
        (initializers.RandomUniform(-1, 2), 9 / 12),
        (initializers.Orthogonal(gain=2.0), 4 / 30),
        (initializers.Identity(2.0), 4 / 30 * (1 - 1 / 30)),
        (initializers.Zeros(), 0),
        (initializers.Ones(), 0),
        (initializers.Constant(0.1), 0),
        (initializers.Constant(np.arange(20.0)), 399 / 12),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_kerass_own(initializer, expected):
    assert intended_variance(initializer, SHAPE) == pytest.approx(expected, rel=1e-5)
    draws = np.array([initializer(SHAPE) for _ in range(2)])
    assert draws.var() == pytest.approx(expected, rel=0.25, abs=1e-15)


def test_of_a_convolution():
    he, orthogonal = initializers.HeNormal(), initializers.Orthogonal()
    assert intended_variance(he, (3, 3, 16, 32)) == 2 / (9 * 16)
    assert intended_variance(orthogonal, (3, 3, 16, 32)) == 1 / 144


@pytest.mark.skipif(
    "input_axes" not in initializers.HeNormal().get_config(),
    reason="this Keras has no axes in its own initializers",
)
def test_of_axes():
    he = initializers.HeNormal(**AXES)
    assert intended_variance(he, EINSUM) == 2 / 30


class OwnDraw(initializers.HeNormal):
    """Inherits the formula, but draws differently."""

    def __call__(self, shape, dtype=None):
        return 3 * super().__call__(shape, dtype=dtype)


class OwnScaledDepth(ScaledDepth):
    def __call__(self, shape, dtype=None):
        return 3 * super().__call__(shape, dtype=dtype)


class OwnStatement(OwnDraw):
    def intended_variance(self, shape):
        return 9 * 2 / shape[0]


UNKNOWN = [
    None,
    lambda shape, dtype: keras.ops.ones(shape, dtype),
    OwnDraw(),
    OwnScaledDepth(4),
]


@pytest.mark.parametrize("initializer", UNKNOWN)
def test_the_unknown_is_nan(initializer):
    assert math.isnan(intended_variance(initializer, SHAPE))


@pytest.mark.parametrize("base", UNKNOWN[1:])
def test_what_is_drawn_from_the_unknown_is_unknown(base):
    assert math.isnan(intended_variance(ScaledDepth(4, base=base), SHAPE))
    assert math.isnan(intended_variance(DynamicRescaling(base), SHAPE))


@pytest.mark.parametrize(
    "base", [initializers.RandomNormal(1.0), "identity", LooksLinear(), ZerO()]
)
def test_rescaled_draws_with_a_mean_or_a_structure_are_unknown(base):
    assert math.isnan(intended_variance(DynamicRescaling(base, "relu"), SHAPE))


def test_an_initializer_of_ones_own_may_state_it():
    assert intended_variance(OwnStatement(), SHAPE) == 9 * 2 / 30


def test_a_kernel_that_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"at least two axes.*Received: shape=\(3,\)"):
        ScaledOrthogonal().intended_variance((3,))
    with pytest.raises(ValueError, match="even number of units"):
        LooksLinear().intended_variance((4, 3))
    with pytest.raises(ValueError, match="at least three axes"):
        DeltaOrthogonal().intended_variance((4, 3))


def test_independent_entries_count_as_they_are():
    assert effective_entries(initializers.HeNormal(), SHAPE) == math.prod(SHAPE)
    assert effective_entries(ScaledDepth(4), SHAPE) == math.prod(SHAPE)
    assert effective_entries(DynamicRescaling(), SHAPE) == math.prod(SHAPE)


@pytest.mark.parametrize("shape", [(64, 16), (256, 64), (512, 512)])
@pytest.mark.parametrize("wrap", [lambda i: i, lambda i: ScaledDepth(2, base=i)])
def test_one_factor_for_all_entries_makes_them_count_for_fewer(shape, wrap):
    # The sums of the columns, whose variance is part of the normalized variance.
    initializer = wrap(DynamicRescaling(activation="relu"))
    entries = effective_entries(initializer, shape)
    assert entries < math.prod(shape) / 4
    variance = intended_variance(initializer, shape)
    draws = [np.var(np.array(initializer(shape))) for _ in range(200)]
    # The relative standard deviation of this many normal numbers is sqrt(2 / entries).
    assert np.std(draws) / variance == pytest.approx(math.sqrt(2 / entries), rel=0.25)
    low, high = variance_interval(variance, entries)
    # The interval has 99.9 % of draws.
    assert sum(low < draw < high for draw in draws) >= len(draws) - 2


def test_nothing_is_drawn(tmp_path):
    path = tmp_path / "values.npz"
    np.savez(path, only=np.ones(EINSUM))
    generator = keras.random.SeedGenerator(3)
    stated = [make(**AXES) for make in MATRICES.values()]
    stated += [
        initializers.HeNormal(),
        ScaledDepth(4, base="he_normal", seed=generator, **AXES),
        ScaledDepth(4, base=Pretrained(path), **AXES),
    ]
    path.unlink()
    keras.utils.set_random_seed(5)
    states = random.getstate(), str(np.random.get_state())
    expected = _next_of_keras()
    for initializer in stated:
        assert intended_variance(initializer, EINSUM) >= 0
    assert (random.getstate(), str(np.random.get_state())) == states
    assert np.array(generator.state).tolist() == [3, 0]
    assert _next_of_keras() == expected


def _next_of_keras():
    with random_state_kept():
        return np.array(keras.random.normal((2,))).tolist()
