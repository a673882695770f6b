import pytest

pytestmark = pytest.mark.slow  # the study takes twenty seconds


def test_a_wrong_scale_loses_the_signal(findings):
    nothing = findings["nothing"]
    # Each of the nine layers after the first multiplies it by 0.3^2.
    assert nothing["lowest variance at step 0"] < 10 * 0.09**9
    assert nothing["rescalings"] == 0


def test_dynamic_rescaling_starts_in_the_band(findings):
    rescaled = findings["DynamicRescaling"]
    # Its inputs are not quite independent normal, which adds up over ten layers.
    assert 0.1 < rescaled["lowest variance at step 0"] < 2
    assert rescaled["rescalings"] == 0


def test_the_callback_puts_the_first_batch_right(findings):
    # Each of the ten kernels gets He's scale once.
    assert 0.1 < findings["callback"]["lowest variance at step 0"] < 2
    assert findings["callback"]["rescalings"] == 10


def test_the_right_start_trains_and_factors_by_hand_come_late(findings):
    accuracy = {name: row["test accuracy"] for name, row in findings.items()}
    assert accuracy["DynamicRescaling"] > accuracy["nothing"] + 0.2
    assert accuracy["callback"] > accuracy["nothing"] + 0.2
    assert accuracy["nothing"] < accuracy["by hand"] < accuracy["DynamicRescaling"]
    assert findings["by hand"]["rescalings"] > 10
