"""The layout of the Custom Scalars dashboard: statistics over depth, as bands."""

import time
from collections.abc import Sequence

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MarginChartContent,
    MultilineChartContent,
)
from tensorboard.plugins.custom_scalar.metadata import (
    CONFIG_SUMMARY_TAG,
    create_summary_metadata,
)

from keras_initkit.tensorboard.event_file import EventFile
from tensorboard_plugin_initkit.metadata import summary_name, summary_tags
from tensorboard_plugin_initkit.scales import scale


def write_layout(
    file: EventFile, keys: Sequence[str], layer_keys: Sequence[str]
) -> None:
    """Writes how Custom Scalars arranges the scalars of a run.

    The category "over depth" has a chart for each statistic, or for its log10 if its
    axis in our tab is logarithmic. It shows the median over the layers as a line, in a
    band from the 10th to the 90th percentile. The category "every layer" has a chart
    with a line for each layer. TensorBoard merges the categories of all runs by their
    titles.

    Examples:

    >>> with EventFile("logs/run") as file:
    ...     write_layout(file, ["weight_mean", "weight_variance"], ["weight_variance"])

    Args:
        file: where the event goes.
        keys: names of the statistics, in the order of the charts.
        layer_keys: the keys with a scalar for each layer.

    Raises:
        OSError: if the disk is full, or the file or its file system has gone.
    """
    layout = Layout(category=[Category(title="over depth", chart=map(_band, keys))])
    if layer_keys:
        layout.category.add(title="every layer", chart=map(_lines, layer_keys))
    tensor = TensorProto(dtype=DT_STRING, string_val=[layout.SerializeToString()])
    tensor.tensor_shape.SetInParent()  # rank 0, not an unknown rank
    value = Summary.Value(
        tag=CONFIG_SUMMARY_TAG, tensor=tensor, metadata=create_summary_metadata()
    )
    file.add(Event(wall_time=time.time(), summary=Summary(value=[value])))


def _band(key: str) -> Chart:
    logarithmic = scale(key).logarithmic
    median, low, high = summary_tags(key, logarithmic)
    series = MarginChartContent.Series(value=median, lower=low, upper=high)
    title = summary_name(key, logarithmic)
    return Chart(title=title, margin=MarginChartContent(series=[series]))


def _lines(key: str) -> Chart:
    # TensorBoard's frontend matches this regular expression with the start of tags.
    return Chart(title=key, multiline=MultilineChartContent(tag=[f"{key}/.*"]))
