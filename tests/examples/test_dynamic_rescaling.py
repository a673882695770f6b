import pytest

pytestmark = pytest.mark.slow  # the study takes twenty seconds


def test_a_wrong_scale_loses_the_signal(findings):
    nothing = findings["nothing"]
    # Each of nine layers behind the first makes it 0.3^2 times what it was.
    assert nothing["lowest variance at step 0"] < 10 * 0.09**9
    assert nothing["rescalings"] == 0


def test_dynamic_rescaling_starts_in_the_band(findings):
    rescaled = findings["DynamicRescaling"]
    # Its inputs are not quite independent normal ones, and ten layers add that up.
    assert 0.1 < rescaled["lowest variance at step 0"] < 2
    assert rescaled["rescalings"] == 0


def test_the_callback_puts_the_start_right(findings):
    mended = findings["callback"]
    # He's kernels make it about twice the mean square of the inputs, which is 1.
    assert 0.5 < mended["lowest variance at step 0"] < 4
    assert mended["rescalings"] == 10


def test_the_right_start_trains_and_factors_by_hand_come_late(findings):
    accuracy = {name: row["test accuracy"] for name, row in findings.items()}
    assert accuracy["DynamicRescaling"] > accuracy["nothing"] + 0.2
    assert accuracy["callback"] > accuracy["nothing"] + 0.2
    assert accuracy["nothing"] < accuracy["by hand"] < accuracy["DynamicRescaling"]
    assert findings["by hand"]["rescalings"] > 10
