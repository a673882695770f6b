import math

import pytest


def test_zeros_never_leave_the_start(findings):
    zeros = findings["zeros"]
    assert zeros["loss before"] == pytest.approx(math.log(2), abs=1e-6)
    assert zeros["loss after"] == pytest.approx(math.log(2), abs=1e-6)
    assert zeros["train accuracy"] == 0.5  # the classes are equally frequent
    assert zeros["identical units"] == 1


def test_large_weights_begin_very_high_and_learn_slowly(findings):
    large, he = findings["normal x 10"], findings["He"]
    assert large["loss before"] > 100 * math.log(2)
    assert large["loss after"] > 10 * he["loss after"]
    assert large["train accuracy"] < 0.99


def test_he_learns(findings):
    assert findings["He"]["train accuracy"] >= 0.99
    assert findings["He"]["identical units"] == 0
