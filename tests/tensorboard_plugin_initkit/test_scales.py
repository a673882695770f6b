import json
import math
import re
from pathlib import Path

import pytest

from keras_initkit.stats.statistics import Statistics
from tensorboard_plugin_initkit.scales import scale, scale_as_dict

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
# Of every statistic that is documented, its range.
RANGES = dict(
    re.findall(
        r"^\| `(\w+)` \|.*\| (any|>= 0|0 to 1) \| (?:yes )?\|$",
        DOCUMENTED,
        re.MULTILINE,
    )
)
COUNTS = {"weight_nonfinite_count", "gradient_nonfinite_count"}
KEYS = sorted(RANGES)
WITH_BAND = [key for key in KEYS if scale(key).band]


def contains(band, value, around=1.0):
    factor = 1 if band.around is None else around
    return factor * band.low <= value <= factor * band.high


def test_every_statistic_that_is_recorded_is_documented():
    assert set(Statistics("all").keys) == set(RANGES)


@pytest.mark.parametrize("key", KEYS)
def test_axis_by_range(key):
    found = scale(key)
    if RANGES[key] == "0 to 1":
        assert (found.logarithmic, found.low, found.high) == (False, 0, 1)
    elif RANGES[key] == "any" or key in COUNTS:
        # A mean has no logarithm, nor has a count where nothing is wrong.
        assert not found.logarithmic
    else:
        assert found.logarithmic
        assert found.low < found.high


@pytest.mark.parametrize("key", KEYS)
def test_as_json(key):
    found = scale(key)
    again = json.loads(json.dumps(scale_as_dict(key), allow_nan=False))
    assert again == {
        "logarithmic": found.logarithmic,
        "low": found.low,
        "high": found.high,
        "band": found.band and found.band._asdict(),
    }


def test_a_statistic_of_the_users_own_has_the_plain_numbers():
    assert scale("weight_of_my_own") == (False, None, None, None)


@pytest.mark.parametrize("key", WITH_BAND)
def test_what_a_band_is_around_lies_in_it(key):
    band = scale(key).band
    if band.around is not None:
        assert scale(key).logarithmic  # so that a factor is a distance
        assert contains(band, 1e-7, around=1e-7)
        assert band.low < 1 < band.high
    assert band.low < band.high
    assert band.source


@pytest.mark.parametrize("key", WITH_BAND)
def test_a_band_that_is_the_same_everywhere_lies_on_the_axis(key):
    logarithmic, low, high, band = scale(key)
    if band.around is None:
        ends = [math.log10(e) if logarithmic else e for e in (band.low, band.high)]
        assert low <= ends[0] < ends[1] <= high


def test_only_weights_have_a_band_around_what_was_intended():
    around = {key for key in WITH_BAND if scale(key).band.around == "intended"}
    assert around == {"weight_variance"}


def test_healthy_is_healthy():
    # Karpathy's rule of thumb: updates of a thousandth of the weights.
    assert contains(scale("update_ratio").band, 1e-3)
    # He et al. (2015): half of the inputs of ReLU are negative, but hardly ever all of
    # a batch.
    assert contains(scale("dead_fraction").band, 0)
    # Ten layers that each take a tenth of the variance: the first of them.
    assert contains(scale("gradient_variance").band, 0.9**10)
    # The variance of 64 x 64 He-normal draws deviates by a few in a hundred.
    assert contains(scale("weight_variance").band, 0.033, around=2 / 64)


def test_ill_is_ill():
    assert not contains(scale("update_ratio").band, 1e-9)
    assert not contains(scale("update_ratio").band, 1.0)
    assert not contains(scale("dead_fraction").band, 0.9)
    # Ten layers of half the deviation that He et al. derived: the signal of the last.
    assert not contains(scale("activation_variance").band, 0.25**10)
    assert not contains(scale("pre_activation_variance").band, 0.25**10)
    assert not contains(scale("gradient_variance").band, 0.25**10)
    # RandomNormal's deviation of 0.05, where He et al. have 1 / 32 for 2048 inputs.
    assert not contains(scale("weight_variance").band, 0.05**2, around=2 / 2048)
