import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit.tensorboard.custom_scalars import write_layout
from keras_initkit.tensorboard.event_file import EventFile


def layout(directory, keys, layer_keys):
    with EventFile(directory) as file:
        write_layout(file, keys, layer_keys)
    reader = EventAccumulator(str(directory)).Reload()
    tag = "custom_scalars__config__"
    assert reader.summary_metadata[tag].plugin_data.plugin_name == "custom_scalars"
    [event] = reader.Tensors(tag)
    return Layout.FromString(make_ndarray(event.tensor_proto).item())


def test_a_band_for_each_statistic(tmp_path):
    over_depth, _ = layout(tmp_path, ["b", "a"], ["a"]).category
    assert over_depth.title == "over depth"
    assert [chart.title for chart in over_depth.chart] == ["b", "a"]
    [series] = over_depth.chart[1].margin.series
    assert (series.lower, series.value, series.upper) == (
        "all_layers/a/10th_percentile",
        "all_layers/a/median",
        "all_layers/a/90th_percentile",
    )


def test_a_band_of_what_lies_decades_apart_is_of_its_logarithm(tmp_path):
    over_depth, _ = layout(tmp_path, ["update_ratio"], ["a"]).category
    [chart] = over_depth.chart
    assert chart.title == "log10_update_ratio"
    [series] = chart.margin.series
    assert series.value == "all_layers/log10_update_ratio/median"


def test_a_line_for_each_layer_of_those_that_have_scalars(tmp_path):
    _, every_layer = layout(tmp_path, ["b", "a"], ["a"]).category
    assert every_layer.title == "every layer"
    [chart] = every_layer.chart
    assert chart.title == "a"
    assert chart.multiline.tag == ["a/.*"]


def test_without_layers_there_is_no_empty_category(tmp_path):
    [over_depth] = layout(tmp_path, ["a"], []).category
    assert over_depth.title == "over depth"


def test_it_is_the_summary_that_tensorboard_itself_writes(tmp_path):
    summary = pytest.importorskip("tensorboard.plugins.custom_scalar.summary")
    with EventFile(tmp_path) as file:
        write_layout(file, ["a"], ["a"])
    reader = EventAccumulator(str(tmp_path)).Reload()
    [ours] = reader.Tensors("custom_scalars__config__")
    expected = Layout.FromString(make_ndarray(ours.tensor_proto).item())
    [theirs] = summary.pb(expected).value
    assert ours.tensor_proto.SerializeToString() == theirs.tensor.SerializeToString()
