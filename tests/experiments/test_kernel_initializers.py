import itertools

import numpy as np
import pytest

from keras_initkit import DynamicRescaling, ScaledDepth
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
