import pytest


def test_equal_weights_stay_equal_and_end_in_the_saddle(findings):
    equal = findings["two equal weights"]
    assert equal["largest difference"] == 0
    # w^2 is nearest to -1 at w = 0, where the loss is (0 + 1)^2.
    assert equal["loss after"] == pytest.approx(1, abs=1e-6)


def test_unequal_weights_reach_a_negative_product(findings):
    assert findings["two unequal weights"]["loss after"] < 1e-12


@pytest.mark.parametrize("run", ["one constant", "one constant a layer"])
def test_a_layer_that_begins_with_one_constant_stays_one_unit(findings, run):
    assert findings[run]["identical units, fewest"] == 1  # at every step, every layer
    # A straight line right of the inner circle, half as large, cuts off a third of the
    # outer one: 2/3 right is the most that one unit can do, except for noise.
    assert 0.5 < findings[run]["train accuracy"] < 0.69


def test_sixteen_equal_units_are_one(findings):
    sixteen, single = findings["one constant a layer"], findings["one unit a layer"]
    for column in ("loss before", "loss after", "train accuracy"):
        assert sixteen[column] == pytest.approx(single[column], rel=1e-3)
    assert sixteen["loss after"] < 0.9 * sixteen["loss before"]  # it does train
    assert sixteen["largest gap to one unit"] < 1e-3


@pytest.mark.parametrize("run", ["one constant a unit", "random (He)"])
def test_units_that_differ_learn_the_circles(findings, run):
    assert findings[run]["identical units, most"] == 0
    assert findings[run]["train accuracy"] > 0.97
