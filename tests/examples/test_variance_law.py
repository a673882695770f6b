import pytest

CASES = {
    # After ten layers.
    "equal, n Var(W) = 0.5": (2**-10, 2**-10),
    "equal, n Var(W) = 1.0": (1, 1),
    "equal, n Var(W) = 2.0": (2**10, 2**10),
    # 512 / 32 = 16. Half the width four times: 2 n_in / (n_in + n_out) = 4/3 forward,
    # 2/3 backward.
    "funnel, Var(W) = 1 / n_in": (1, 1 / 16),
    "funnel, Var(W) = 2 / (n_in + n_out)": ((4 / 3) ** 4, (2 / 3) ** 4),
    "funnel, Var(W) = 1 / n_out": (16, 1),
    # Back to 256: the next layer gains what one layer loses. The compromise has 8/5 and
    # 2/5 in turns, in either direction.
    "zigzag, Var(W) = 1 / n_in": (1, 1),
    "zigzag, Var(W) = 2 / (n_in + n_out)": (0.64**4, 0.64**4),
    "zigzag, Var(W) = 1 / n_out": (1, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_variances_are_as_the_law_says(findings, case):
    found, (forward, backward) = findings[case], CASES[case]
    assert found["forward, law"] == pytest.approx(forward)
    assert found["backward, law"] == pytest.approx(backward)
    interval = found["interval, +-"]
    assert interval < 0.35
    assert found["forward"] == pytest.approx(forward, rel=interval)
    assert found["backward"] == pytest.approx(backward, rel=interval)


def test_trained_networks_begin_as_the_law_says(findings):
    below, at, above = (findings[f"trained, n Var(W) = {f}"] for f in (0.5, 1.0, 2.0))
    # The same draw, each of ten kernels times the square root of 2.
    assert at["forward"] / below["forward"] == pytest.approx(2**10, rel=1e-3)
    assert above["forward"] / at["forward"] == pytest.approx(2**10, rel=1e-3)
    assert 0.2 < at["forward"] < 5  # one draw, of a network of finite width


def test_only_at_one_is_training_quick(findings):
    below, at, above = (findings[f"trained, n Var(W) = {f}"] for f in (0.5, 1.0, 2.0))
    assert at["train accuracy"] > 0.6
    assert below["train accuracy"] < 0.5
    assert above["train accuracy"] < 0.2
    assert not above["loss after"] < 100  # or NaN
