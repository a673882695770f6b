"""The claims of the lessons, on real trainings without a browser."""

import math

import numpy as np
import pytest

from keras_initkit.experiments.play.bench import Bench
from keras_initkit.experiments.play.digits import histogram
from keras_initkit.experiments.play.plane import equal_units
from keras_initkit.experiments.play.scenes import all_scenes, chosen
from keras_initkit.stats.measures import duplicate_fraction
from keras_initkit.theory import variance_map

SCENES = all_scenes()


@pytest.fixture(scope="module")
def bench():
    """One session for all tests, as for a page: networks get new weights in place."""
    bench = Bench()
    yield bench
    bench.close()


def trained(bench, steps, name, **values):
    """The frame after this many steps."""
    bench.choose(*chosen(SCENES, name, values))
    for _ in range(steps):
        assert bench.advance()
    return bench.frame()


def test_zeros_stay_equal_beside_he_which_learns(bench):
    frame = trained(
        *(bench, 150, "plane"),
        dataset="circles",
        initializer="zeros",
        starts="two",
        initializer_b="he_normal",
    )
    zeros, he = frame["runs"]
    assert frame["step"] == 150
    assert zeros["equal"] == [[[0, 1, 2, 3, 4, 5]]] * 2
    assert zeros["findings"][0]["problem"] == "symmetric_units"
    first, middle, last = zeros["lesson"]
    assert "stay equal" in first
    assert "close to that of guessing" in middle
    assert 'Try kernel_initializer="he_normal" in' in last
    assert zeros["curve"][-1][1] == pytest.approx(math.log(2), abs=1e-3)
    assert he["equal"] == [[], []]
    assert he["findings"] == []
    assert "The cost falls" in he["lesson"][1]
    assert he["curve"][-1][1] < 0.2 < zeros["curve"][-1][1]
    assert he["accuracy"] > 0.9
    # Neither network classifies like the other.
    assert set(he["region"]) == {0, 1} != set(zeros["region"])


def test_what_is_drawn_anew_begins_and_trains_as_at_first(bench):
    values = {"dataset": "moons", "initializer": "glorot_uniform"}
    first = trained(bench, 5, "plane", **values)
    trained(bench, 3, "plane", initializer="constant")
    again = trained(bench, 5, "plane", **values)
    np.testing.assert_equal(again, first)


def test_a_scale_changes_the_size_of_a_draw_and_nothing_else(bench):
    one, three = (
        trained(bench, 0, "plane", scale=scale)["runs"][0]["weights"]
        for scale in (1.0, 3.0)
    )
    for kernel, larger in zip(one, three, strict=True):
        np.testing.assert_allclose(3 * kernel, larger, rtol=1e-6)


def test_a_rate_and_a_seed_need_no_other_network(bench):
    trained(bench, 0, "plane")
    before = bench._runs[0]
    low = trained(bench, 1, "plane", rate=1e-4)["runs"][0]["weights"]
    high = trained(bench, 1, "plane", rate=1.0)["runs"][0]["weights"]
    start = trained(bench, 0, "plane")["runs"][0]["weights"]
    # Adam's first step is as long as the learning rate.
    assert np.abs(low[0] - start[0]).max() == pytest.approx(1e-4, rel=0.01)
    assert np.abs(high[0] - start[0]).max() == pytest.approx(1.0, rel=0.01)
    other = trained(bench, 0, "plane", seed=1)["runs"][0]["weights"]
    assert not np.allclose(other[0], start[0])
    assert bench._runs[0] is before


def test_a_start_that_is_not_for_the_network_is_refused_and_another_follows(bench):
    with pytest.raises(ValueError, match="even number of units"):
        trained(bench, 0, "plane", units=5, initializer="looks_linear")
    assert trained(bench, 0, "plane")["step"] == 0


@pytest.mark.parametrize(
    ("variance", "verb"), [(2.25, "explodes"), (0.25, "vanishes"), (1.0, "arrives")]
)
def test_depth_multiplies_what_theory_says(bench, variance, verb):
    frame = trained(bench, 0, "depth", variance=variance)
    (run,) = frame["runs"]
    for key in ("signal", "gradient"):
        measured, theory = run[key]["measured"], run[key]["theory"]
        # Weights of a linear network: each layer multiplies by n Var(W).
        rate = variance if key == "signal" else 1 / variance
        np.testing.assert_allclose(theory[1:] / theory[:-1], rate)
        # A layer of 100 units is off by some tenths, and 20 layers by their root.
        off = np.abs(np.log(measured / theory))
        assert off.max() < 3 * math.sqrt(20 * 2 / 100)
    assert f"The signal {verb}" in run["lesson"][0]
    assert f"The gradient {verb}" in run["lesson"][1]


def test_theory_of_depth_is_the_variance_map(bench):
    (run,) = trained(bench, 0, "depth", activation="tanh", layers=4)["runs"]
    theory = run["signal"]["theory"]
    np.testing.assert_allclose(
        theory[1:], variance_map("tanh", 1.0, 0.0, theory[:-1]), rtol=1e-6
    )
    np.testing.assert_allclose(run["signal"]["measured"], theory, rtol=0.2)
    gradient = run["gradient"]
    np.testing.assert_allclose(gradient["measured"], gradient["theory"], rtol=0.4)


def test_digits_are_read_by_he_and_by_nothing_that_is_too_large(bench):
    frame = trained(
        *(bench, 42, "digits"),
        starts="two",
        initializer_b="too_large",
    )
    digits = SCENES["digits"].still({})["digits"]
    he, large = frame["runs"]
    assert np.mean(he["predicted"] == digits) > 0.8
    assert np.mean(large["predicted"] == digits) < 0.5
    assert large["findings"]
    assert "guessing" in he["lesson"][1]
    for layer in he["layers"]:
        assert layer["low"] == 0
        assert 0.2 < layer["zeros"] < 0.9  # ReLU
        assert layer["gradient"] > 0


def test_equal_units_are_as_many_as_the_measure_counts():
    rng = np.random.default_rng(0)
    kernel, gradient = rng.normal(size=(2, 4, 7)).astype("float32")
    kernel[:, 3] = kernel[:, 1]
    gradient[:, 3] = gradient[:, 1]
    kernel[:, 5] = kernel[:, 6]  # but their gradients differ
    assert equal_units(kernel, gradient) == [[1, 3]]
    assert float(duplicate_fraction(kernel, gradient)) == pytest.approx(2 / 7)
    kernel[0, 0] = np.nan
    assert equal_units(kernel, gradient) == []


def test_a_histogram_counts_what_is_finite_and_not_0():
    found = histogram(np.array([0.0, 0.0, 1.0, 2.0], "float32"))
    assert found["counts"].sum() == 2
    assert (found["zeros"], found["low"], found["high"]) == (0.5, 0, 2)
    broken = histogram(np.full(3, np.nan, "float32"))
    assert broken["counts"].sum() == 0
    assert math.isnan(broken["high"])
