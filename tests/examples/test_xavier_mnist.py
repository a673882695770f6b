import math

import pytest

LN_10 = math.log(10)


def test_zeros_learn_nothing_but_the_most_frequent_digit(findings):
    zeros = findings["zeros"]
    assert zeros["loss before"] == pytest.approx(LN_10, abs=1e-5)
    assert zeros["loss after"] == pytest.approx(LN_10, abs=0.02)
    assert zeros["test accuracy"] < 0.12  # the most frequent digit, 1, is 11.35 %
    assert zeros["spread 1"] == zeros["spread 5"] == 0


@pytest.mark.parametrize(("name", "variance"), [("uniform", 1 / 3), ("normal", 1)])
def test_weights_blind_to_the_width_begin_flat_and_above_a_blind_guess(
    findings, name, variance
):
    large = findings[name]
    assert large["loss before"] > 2 * LN_10
    # Layer 5 sees 100 inputs near 1 in size: z ~ N(0, q), a little less than 100 times
    # the weights' variance, and tanh is flat beyond |z| = artanh(0.995).
    deviation = 10 * math.sqrt(variance) * large["spread 5"]
    share = math.erfc(math.atanh(0.995) / deviation / math.sqrt(2))
    assert large["flat 5"] == pytest.approx(share, abs=0.05)
    assert large["flat 1"] > 0.4
    assert large["flat 5"] > 0.5


def test_xavier_reads_the_digits(findings):
    xavier = findings["Xavier"]
    assert xavier["loss before"] == pytest.approx(LN_10, rel=0.1)
    assert xavier["test accuracy"] > 0.8
    assert xavier["flat 5"] < 0.01
    # Weights of variance 1 / n shrink tanh's outputs slowly, not by a constant factor.
    assert 0.25 < xavier["spread 5"] / xavier["spread 1"] < 1


def test_the_larger_the_weights_the_worse(findings):
    accuracy = {name: row["test accuracy"] for name, row in findings.items()}
    # Ten seeds of either dataset: 0.30 to 0.58, and 0.12 to 0.41.
    assert accuracy["Xavier"] > accuracy["uniform"] + 0.2
    assert accuracy["uniform"] > accuracy["normal"] + 0.05
