"""The factors of kernels, computed from given facts."""

import math

import numpy as np
import pytest

from keras_initkit.diagnosis.facts import LayerFacts, NetworkFacts
from keras_initkit.diagnosis.rescalings import of_jumps, of_start
from keras_initkit.diagnosis.start import suspicions

MEAN_SQUARES = {"relu": 0.5, "tanh": 0.394, "linear": 1.0}


def layer(name, power, activation="relu"):
    return LayerFacts(
        name=name,
        units=64,
        power=power,
        activation=activation,
        mean_square=MEAN_SQUARES[activation],
        input_mean_square=1.0,
        z_variance=1.0,
    )


def start(*layers, **facts):
    network = NetworkFacts(layers=layers, output=layers[-1].name, **facts)
    return {e.layer: e for e in of_start(network, suspicions(network))}


HEAD = layer("head", 1.0, "linear")


@pytest.mark.parametrize("power", [200.0, 20.0, 0.1, 2e-3])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_wrong_kernel_gets_the_power_that_keeps_the_signal(activation, power):
    healthy = 1 / MEAN_SQUARES[activation]
    found = start(
        layer("a", healthy, activation),
        layer("b", power * healthy, activation),
        layer("c", healthy, activation),
        HEAD,
    )
    [event] = found.values()
    assert (event.step, event.layer) == (0, "b")
    assert event.factor**2 * power == pytest.approx(1)
    problem = "weights_too_large" if power > 1 else "weights_too_small"
    assert problem in event.reason


def test_a_head_may_be_small_and_not_large():
    assert start(layer("a", 2.0), layer("head", 1e-4, "linear")) == {}
    assert list(start(layer("a", 2.0), layer("head", 100.0, "linear"))) == ["head"]


def test_a_wide_head_gets_glorots_scale_where_others_are_too_large():
    wide = layer("head", 9 * 0.28, "linear")._replace(fan_in=128.0, units=784)
    found = start(layer("a", 18.0), layer("b", 18.0), wide)
    assert found["head"].factor ** 2 * wide.power == pytest.approx(
        2 * 128 / (128 + 784)
    )
    assert start(layer("a", 2.0), layer("b", 2.0), wide) == {}


def test_kernels_that_close_branches_are_judged_by_their_own_scale():
    def blocks(factor):
        inner = [layer(f"inner_{n}", 2 * factor) for n in range(8)]
        closing = [layer(f"closing_{n}", factor / 8, "linear") for n in range(8)]
        return start(*inner, *closing, HEAD, is_residual=True)

    assert blocks(1.0) == {}
    found = blocks(9.0)
    assert len(found) == 16
    assert all(event.factor == pytest.approx(1 / 3) for event in found.values())


def test_a_kernel_of_zeros_is_left_alone():
    found = start(layer("a", 0.0), layer("b", 200.0), HEAD)
    assert list(found) == ["b"]


@pytest.mark.parametrize("power", [0.5, 2.0, 5.0])
def test_usual_scales_are_left_alone(power):
    assert start(layer("a", power), layer("b", power), HEAD) == {}


def test_the_branches_of_a_residual_network_share_the_power():
    branches = [
        of_branch
        for n in range(4)
        for of_branch in (layer(f"in_{n}", 200.0), layer(f"out_{n}", 100.0, "linear"))
    ]
    found = start(*branches, HEAD, is_residual=True)
    for n in range(4):
        assert 200 * found[f"in_{n}"].factor ** 2 == pytest.approx(2)
        assert 100 * found[f"out_{n}"].factor ** 2 == pytest.approx(1 / 4)


# -- jumps -----------------------------------------------------------------------------


def jumps(*norms):
    records = [(10 * n, np.array([8.0, norm])) for n, norm in enumerate(norms)]
    return of_jumps(["still", "moved"], records)


@pytest.mark.parametrize("factor", [10.0, 3.0, 0.3, 0.1])
def test_a_jump_is_taken_back(factor):
    [event] = jumps(8.0, 8.0, 8.0 * factor)
    assert (event.step, event.layer) == (21, "moved")
    assert event.factor == pytest.approx(1 / factor)
    assert "8" in event.reason


@pytest.mark.parametrize(
    "norms",
    [
        (8.0, 8.0, 8.0 * 1.5),  # factors that users multiply weights by
        (8.0, 8.0, 8.0 / 2.4),
        (1e-3, 0.1, 8.0),  # grows as fast as before
        (8.0, 0.1, 8.0),
        (0.0, 0.0, 8.0),
        (8.0, 8.0, 0.0),
        (8.0, 8.0, math.nan),
        (8.0, 8.0, math.inf),
        (8.0, math.nan, 8.0),
    ],
)
def test_other_changes_are_no_jumps(norms):
    assert jumps(*norms) == []
