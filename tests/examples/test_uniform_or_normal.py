import math

import numpy as np
import pytest

from keras_initkit.experiments.study_command import load_study

DEPTHS = (2, 10)
N = 256  # size of the kernel that is shown


def test_entries_have_the_kurtosis_of_their_distribution(findings):
    # A truncated normal draws from the normal density within +-2.
    density, within = math.exp(-2) / math.sqrt(2 * math.pi), math.erf(2 / math.sqrt(2))
    second = 1 - 4 * density / within
    fourth = 3 * second - 16 * density / within
    expected = {
        "normal": 3,
        "uniform": 9 / 5,
        "truncated": fourth / second**2,
        "orthogonal": 3 * N / (N + 2),  # of a coordinate on the sphere
    }
    for name, kurtosis in expected.items():
        found = findings[f"one kernel, {name}"]["kurtosis"]
        assert found == pytest.approx(kurtosis, rel=0.03)


@pytest.mark.parametrize("name", ["normal", "uniform", "truncated"])
def test_largest_singular_value_depends_on_the_variance_only(findings, name):
    # Bai and Yin (1993): (1 + sqrt(units / inputs)) sqrt(inputs * variance).
    found = findings[f"one kernel, {name}"]["largest singular value"]
    assert found == pytest.approx(2, rel=0.04)


def test_orthogonal_kernels_change_no_length(findings):
    found = findings["one kernel, orthogonal"]["largest singular value"]
    assert found == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("depth", DEPTHS)
def test_shapes_differ_by_less_than_seeds(findings, depth):
    rows = [
        findings[f"{depth} layers, {n}"] for n in ("normal", "uniform", "truncated")
    ]
    means = [row["test accuracy"] for row in rows]
    # Ten seeds of either dataset: 0.07 to 1.37 of it.
    assert max(means) - min(means) < 2 * max(row["sd of seeds"] for row in rows)
    # If shapes make no difference, p is uniform from 0 to 1, and below 0.001 with one
    # seed in a thousand. Ten seeds of either dataset: 0.0012 to 0.98.
    assert findings[f"{depth} layers, first three"]["p"] > 1e-4


def test_orthogonal_is_better_where_the_network_is_deep(findings):
    deep, shallow = (findings[f"{d} layers, orthogonal"] for d in (10, 2))
    # Ten seeds of either dataset: 2.8 to 7.4 of it.
    assert deep["over normal"] > 2 * deep["+- (95 %)"]
    # Ten seeds of either dataset: 0.001 to 0.013; in the deep network 0.048 to 0.089.
    assert abs(shallow["over normal"]) < 0.03
    assert deep["over normal"] > 2 * shallow["over normal"]


def test_p_value_is_exact_for_two_groups_that_do_not_overlap():
    # Of the 70 ways to assign 8 numbers, 2 set the means as far apart.
    groups = np.array([[0.0, 0.1, 0.2, 0.3], [1.0, 1.1, 1.2, 1.3]])
    p = load_study("uniform_or_normal").p_value(groups, 0)
    assert p == pytest.approx(2 / 70, abs=0.006)


def test_p_value_of_equal_groups_is_1():
    groups = np.array([[0.1, 0.2, 0.3]] * 3)
    assert load_study("uniform_or_normal").p_value(groups, 0) == 1
