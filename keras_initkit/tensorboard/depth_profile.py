"""A statistic over depth, as a ridge for each step in the Histograms dashboard."""

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.metadata import create_summary_metadata

from keras_initkit.tensorboard.histograms import bins_tensor
from tensorboard_plugin_initkit.scales import scale


def depth_profile_value(
    key: str, values: np.ndarray, with_metadata: bool
) -> Summary.Value:
    """The profile of a statistic at one step, as the tensor of a histogram.

    Its tag is `<key>_profile_over_depth/ridges`. Layer i is the bin from i - 0.5 to
    i + 0.5. The bin's count is the layer's height above the floor, from
    `depth_profile`. So the dashboard shows the layers from left to right, and the steps
    from back to front.

    Args:
        key: the name of a statistic on a logarithmic scale.
        values: shape (layers,), its numbers from the first layer to the last.
        with_metadata: True for the first value of a tag. It tells TensorBoard that the
            tag is a histogram, and describes it.

    Raises:
        ValueError: if the statistic has no logarithmic scale.
    """
    heights = depth_profile(key, values)
    layers = np.arange(len(values))
    rows = np.transpose([layers - 0.5, layers + 0.5, heights])
    metadata = create_summary_metadata(None, _description(key))
    return Summary.Value(
        tag=f"{key}_profile_over_depth/ridges",
        tensor=bins_tensor(rows),
        metadata=metadata if with_metadata else None,
    )


def depth_profile(key: str, values: np.ndarray) -> np.ndarray:
    """The decades of each layer's value above the floor of the key's scale.

    It is 0 at the floor and below, and for NaN. An infinite value is one decade above
    the top of the scale and above the highest finite value.

    Examples:

    >>> depth_profile("gradient_variance", np.array([0, 1e-14, 1, np.inf, np.nan]))
    array([ 0.,  2., 16., 17.,  0.])

    Args:
        key: the name of a statistic on a logarithmic scale.
        values: shape (layers,).

    Returns:
        float64, shape (layers,), finite and not negative.

    Raises:
        ValueError: if the statistic has no logarithmic scale.
    """
    axis = scale(key)
    if not axis.logarithmic or axis.low is None or axis.high is None:
        raise ValueError(
            f"`key` must name a statistic on a logarithmic scale. Received: key={key!r}"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(values, dtype="float64") - axis.low
    finite = heights[np.isfinite(heights)]
    above = max(axis.high - axis.low, finite.max(initial=0)) + 1
    return np.nan_to_num(heights, nan=0, posinf=above, neginf=0).clip(min=0)


def _description(key: str) -> str:
    return (
        f"**{key} over depth: a profile, not a histogram of values.** Each ridge "
        "is a training step. The layers run from left to right, from input to output: "
        "layer *i* is at *i*, counted from 0. "
        f"The height is the number of decades above 1e{scale(key).low:g}. "
        "It is 0 if the value is smaller or NaN."
    )
