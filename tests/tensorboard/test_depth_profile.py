import numpy as np
import pytest
from tensorboard.plugins.histogram import metadata
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit.tensorboard.depth_profile import depth_profile, depth_profile_value

KEY = "gradient_variance"  # on a scale from 1e-16 to 1


def test_a_bin_for_each_layer():
    value = depth_profile_value(KEY, np.array([1e-10, 1e-4, 0]), with_metadata=True)
    assert value.tag == "gradient_variance_profile_over_depth/ridges"
    np.testing.assert_allclose(
        make_ndarray(value.tensor),
        [[-0.5, 0.5, 6], [0.5, 1.5, 12], [1.5, 2.5, 0]],
        atol=1e-12,
    )


def test_description_names_the_floor():
    value = depth_profile_value(KEY, np.ones(1), with_metadata=True)
    assert value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME
    assert "1e-16" in value.metadata.summary_description
    value = depth_profile_value(KEY, np.ones(1), with_metadata=False)
    assert not value.HasField("metadata")


def test_decades_above_the_floor():
    values = np.array([1, 1e-16, 1e-17, 0, np.nan, 1e3])
    expected = [16, 0, 0, 0, 0, 19]
    np.testing.assert_allclose(depth_profile(KEY, values), expected, atol=1e-12)


@pytest.mark.parametrize(("highest", "expected"), [(1e-3, 17), (1.0, 17), (1e4, 21)])
def test_infinity_is_a_decade_above_all_else(highest, expected):
    heights = depth_profile(KEY, np.array([np.inf, highest]))
    assert heights[0] == pytest.approx(expected)


@pytest.mark.parametrize("key", ["dead_fraction", "weight_mean", "weight_my_own"])
def test_a_statistic_without_a_logarithmic_scale(key):
    with pytest.raises(ValueError, match=rf"logarithmic scale\. Received: key='{key}'"):
        depth_profile(key, np.ones(3))
