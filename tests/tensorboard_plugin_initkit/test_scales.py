import re
from pathlib import Path

import pytest

from keras_initkit.stats.statistics import Statistics
from tensorboard_plugin_initkit.scales import scale

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
# The range of every documented statistic.
RANGES = dict(
    re.findall(
        r"^\| `(\w+)` \|.*\| (any|>= 0|0 to 1) \| (?:yes )?\|$",
        DOCUMENTED,
        re.MULTILINE,
    )
)
COUNTS = {"weight_nonfinite_count", "gradient_nonfinite_count"}
KEYS = sorted(RANGES)


def test_every_statistic_that_is_recorded_is_documented():
    assert set(Statistics("all").keys) == set(RANGES)


@pytest.mark.parametrize("key", KEYS)
def test_axis_by_range(key):
    found = scale(key)
    if RANGES[key] == "0 to 1":
        assert (found.logarithmic, found.low, found.high) == (False, 0, 1)
    elif RANGES[key] == "any" or key in COUNTS:
        # A mean has no logarithm. Neither does a count of 0.
        assert not found.logarithmic
    else:
        assert found.logarithmic
        assert found.low < found.high


def test_a_statistic_of_the_users_own_has_the_plain_numbers():
    assert scale("weight_of_my_own") == (False, None, None, False)
