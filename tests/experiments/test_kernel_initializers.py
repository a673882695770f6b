import itertools

import numpy as np
import pytest

from keras_initkit import DynamicRescaling, LooksLinear, ScaledDepth
from keras_initkit.experiments.kernel_initializers import kernel_initializers
from keras_initkit.experiments.settings import INITIALIZERS

DEPTH = 4
SQUARE = (32, 32)
RANDOM = [name for name in INITIALIZERS if name != "zeros"]


def draws(name, seed=0, depth=DEPTH):
    initializers = kernel_initializers(name, depth, "relu", seed)
    return [np.array(initializer(SQUARE)) for initializer in initializers]


@pytest.mark.parametrize("name", INITIALIZERS)
def test_one_for_each_hidden_layer_and_the_head(name):
    assert len(kernel_initializers(name, DEPTH, "relu", seed=0)) == DEPTH + 1


@pytest.mark.parametrize("name", RANDOM)
def test_kernels_of_a_network_are_unrelated(name):
    entries = np.array([kernel.ravel() for kernel in draws(name)])
    correlations = np.corrcoef(entries)[np.triu_indices(DEPTH + 1, k=1)]
    # Of 1024 independent entries, 1/32 is one standard deviation.
    assert np.abs(correlations).max() < 5 / 32


@pytest.mark.parametrize("name", INITIALIZERS)
def test_same_seed_same_kernels(name):
    np.testing.assert_array_equal(draws(name, seed=7), draws(name, seed=7))


@pytest.mark.parametrize("name", RANDOM)
def test_neighbouring_seeds_share_no_kernel(name):
    for one, other in itertools.product(draws(name, seed=0), draws(name, seed=1)):
        assert not np.array_equal(one, other)


def test_zeros_are_zero():
    assert not np.any(draws("zeros"))


def test_large_normal_has_standard_deviation_1():
    assert np.std(draws("large_normal")) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(
    ("name", "variance"),
    [("he_normal", 2 / 32), ("lecun_normal", 1 / 32), ("glorot_uniform", 1 / 32)],
)
def test_variance_is_the_published_one(name, variance):
    assert np.var(draws(name)) == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_scaled_depth_only_closes_branches(depth):
    first, *branches, head = kernel_initializers("scaled_depth", depth, "relu", 0)
    assert not isinstance(first, ScaledDepth)
    assert not isinstance(head, ScaledDepth)
    assert all(isinstance(branch, ScaledDepth) for branch in branches)
    assert [branch.depth for branch in branches] == [depth - 1] * (depth - 1)


def test_scaled_depth_is_he_over_the_square_root_of_the_branches():
    scaled, he = draws("scaled_depth"), draws("he_normal")
    factors = [1, *[(DEPTH - 1) ** -0.5] * (DEPTH - 1), 1]
    for kernel, plain, factor in zip(scaled, he, factors, strict=True):
        np.testing.assert_allclose(kernel, plain * factor, rtol=1e-5)


def test_dynamic_rescaling_knows_that_no_activation_precedes_the_first_kernel():
    first, *others = kernel_initializers("dynamic_rescaling", DEPTH, "relu", 0)
    names = [i.get_config()["activation"] for i in (first, *others)]
    assert names == ["linear", "relu", "relu", "relu", "relu"]
    assert all(isinstance(i, DynamicRescaling) for i in (first, *others))


def test_a_factor_multiplies_the_kernels():
    for one, three in zip(draws("he_normal"), draws("he_normal*3"), strict=True):
        np.testing.assert_allclose(three, 3 * one, rtol=1e-6)


def test_rescaling_undoes_the_factor_of_its_base():
    pairs = zip(draws("dynamic_rescaling"), draws("dynamic_rescaling*3"), strict=True)
    for one, three in pairs:
        np.testing.assert_allclose(three, one, rtol=1e-4)


def test_looks_linear_has_a_first_and_a_last_kernel():
    initializers = kernel_initializers("looks_linear", DEPTH, "relu", 0)
    assert all(isinstance(i, LooksLinear) for i in initializers)
    positions = [i.position for i in initializers]
    assert positions == ["first", *["hidden"] * (DEPTH - 1), "last"]


def test_every_initializer_of_keras_and_of_the_package_can_be_named(tmp_path):
    ours = ("scaled_orthogonal", "torch_uniform", "zero", "critical", "lsuv")
    for name in ("ones", "HeUniform", "truncated_normal", *ours):
        assert [draw.shape for draw in draws(name)] == [SQUARE] * (DEPTH + 1)


def test_an_initializer_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import keras\n"
        "class Mine(keras.initializers.RandomNormal):\n"
        "    pass\n"
        "def sevens(shape, dtype=None):\n"
        "    return keras.ops.full(shape, 7.0)\n"
        "half = keras.initializers.Constant(0.5)\n"
    )
    monkeypatch.chdir(tmp_path)
    kernels = draws("mine:Mine")
    assert not np.array_equal(kernels[0], kernels[1])
    assert (draws("mine:sevens")[0] == 7).all()
    assert (draws("mine:half*2")[0] == 1).all()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("xavier", "xavier"),
        ("nowhere:Mine", "nowhere"),
        ("keras_initkit:nothing", "nothing"),
        ("he_normal*-1", "must have a positive number"),
        ("he_normal*x", "must have a positive number"),
        ("he_normal*nan", "must have a positive number"),
    ],
)
def test_what_cannot_be_found_is_said(name, reason):
    with pytest.raises(ValueError, match=f"`initializers`.*{reason}") as e:
        kernel_initializers(name, DEPTH, "relu", 0)
    assert "\n" not in str(e.value)
