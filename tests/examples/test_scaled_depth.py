import math

import pytest

from keras_initkit.experiments.study_command import load_study

CHANCE = 0.2  # Ten classes; the most frequent digit is 11 % of MNIST's test set.


def test_the_stream_doubles_at_every_block_of_he(findings):
    he = findings["He, 16 blocks"]
    assert he["formula"] == pytest.approx(2**16)
    # The formula is for the mean over draws. Ten seeds of either dataset: 13.3 to 16.8.
    assert math.log2(he["growth"]) == pytest.approx(16, abs=4)


def test_scaled_depth_keeps_the_stream_bounded(findings):
    scaled = findings["ScaledDepth 0.5, 16 blocks"]
    assert scaled["formula"] == pytest.approx((1 + 1 / 16) ** 16)
    assert scaled["formula"] < math.e
    # One draw of 128 units, not the mean: it deviates by about 2 / sqrt(128), 18 %.
    assert scaled["growth"] == pytest.approx(scaled["formula"], rel=0.5)


def test_a_branch_that_ends_in_relu_needs_the_whole_depth(findings):
    too_little = findings["ReLU last, ScaledDepth 0.5, 16 blocks"]
    enough = findings["ReLU last, ScaledDepth 1, 16 blocks"]
    assert too_little["growth"] > math.e**2
    assert too_little["growth"] == pytest.approx(too_little["formula"], rel=0.7)
    assert enough["growth"] < math.e
    assert enough["growth"] == pytest.approx(enough["formula"], rel=0.25)


@pytest.mark.parametrize("depth", [8, 32, 128])
def test_the_formulas_over_depth(depth):
    growth = load_study("scaled_depth").expected_growth
    assert growth(depth, "kernel", 0.0)[-1] == pytest.approx(2.0**depth)
    assert growth(depth, "kernel", 0.5)[-1] < math.e
    assert growth(depth, "relu", 1.0)[-1] < math.e


def test_only_a_scaled_network_trains(findings):
    assert findings["He, 16 blocks"]["test accuracy"] < CHANCE
    assert findings["ScaledDepth 0.5, 16 blocks"]["test accuracy"] > 0.7
    assert findings["ReLU last, ScaledDepth 1, 16 blocks"]["test accuracy"] > 0.7
