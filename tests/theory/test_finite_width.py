import math

import numpy as np
import pytest

from keras_initkit.theory.finite_width import finite_width_fluctuation


@pytest.mark.parametrize(
    ("activation", "function"),
    [("relu", lambda u: np.maximum(u, 0)), ("linear", lambda u: u)],
)
def test_random_networks_fluctuate_as_much(activation, function):
    widths, networks = [20, 40, 30, 50], 40_000
    rng = np.random.default_rng(0)
    mean_squares = np.ones(networks)
    for width in widths:
        # Given one layer, the next one's pre-activations are independent normal.
        normal = rng.normal(size=(networks, width))
        signal = function(normal * np.sqrt(mean_squares)[:, None])
        mean_squares = np.mean(signal**2, axis=1)
    measured = mean_squares.std() / mean_squares.mean()
    expected = finite_width_fluctuation(widths, activation)
    assert measured == pytest.approx(expected, rel=0.05)


def test_a_sixth_of_the_draws_have_less_than_a_quarter_of_the_signal():
    rng = np.random.default_rng(0)
    lengths = np.ones(10_000)
    for _ in range(20):
        lengths *= 2 * np.mean(np.maximum(rng.normal(size=(10_000, 100)), 0) ** 2, 1)
    assert np.mean(lengths < 1 / 4) == pytest.approx(1 / 6, abs=0.03)


@pytest.mark.parametrize(("activation", "kappa"), [("relu", 5), (None, 2), (abs, 2)])
def test_one_layer_adds_kappa_over_its_width(activation, kappa):
    fluctuation = finite_width_fluctuation([64], activation)
    assert fluctuation == pytest.approx(math.sqrt(kappa / 64))


def test_the_sum_of_inverse_widths_is_what_counts():
    shallow = finite_width_fluctuation([1000] * 10)
    assert shallow == pytest.approx(finite_width_fluctuation([2000] * 20), rel=1e-2)
    assert shallow == pytest.approx(math.sqrt(math.expm1(5 * 10 / 1000)), rel=1e-2)


@pytest.mark.parametrize("widths", [[], [0], [10, -1], [2.5], 7, "12"])
def test_widths_are_positive_integers(widths):
    with pytest.raises(ValueError, match=r"positive integers.*Received: widths="):
        finite_width_fluctuation(widths)


def test_more_than_a_float_holds_is_infinite():
    assert finite_width_fluctuation([1] * 2000) == math.inf


def test_widths_may_be_integers_of_numpy():
    widths = np.array([100, 50])
    assert finite_width_fluctuation(widths) == finite_width_fluctuation([100, 50])


@pytest.mark.parametrize(
    "activation",
    ["tanh", "gelu", "sigmoid", "relu6", "soft_shrink", "exponential", np.zeros_like],
)
def test_other_activations_fluctuate_with_their_variance(activation):
    with pytest.raises(ValueError, match=r"homogeneous.*Received: activation="):
        finite_width_fluctuation([100], activation)
