import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.distribution.compressor import compress_histogram
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.histograms import HistogramWriter, histogram_value
from tensorboard_plugin_initkit.metadata import histogram_tag

EDGES = np.array([-2.0, -1.0, 0.0, 1.0, 4.0])
SOURCES = ("weight", "pre_activation")
LAYERS = ("first", "lstm")
STEPS = np.array([0, 7])
COUNTS = np.array([[0.0, 5, 0, 2], [1, 2, 3, 4]])
UNMEASURED = np.full(4, np.nan)


def write(directory, *chunks):
    """Writes chunks of (steps, counts), and returns them as TensorBoard reads them."""
    with EventFile(directory) as file:
        writer = HistogramWriter(file, SOURCES, LAYERS, EDGES)
        for steps, counts in chunks:
            writer.write(steps, counts)
    accumulator = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    return accumulator.Reload()


def rows(edges, counts):
    return make_ndarray(histogram_value("a", edges, np.array(counts), False).tensor)


def test_histogram_is_the_one_that_tensorboard_itself_writes():
    numbers = np.array([-2.0, -1.5, 0.0, 0.1, 0.2, 2.0])
    (theirs,) = histogram_pb("a", numbers, buckets=4).value
    counts, edges = np.histogram(numbers, bins=4)
    ours = histogram_value("a", edges, counts, with_metadata=True)
    assert (ours.tag, ours.metadata) == (theirs.tag, theirs.metadata)
    assert ours.tensor.dtype == theirs.tensor.dtype
    np.testing.assert_array_equal(
        make_ndarray(ours.tensor), make_ndarray(theirs.tensor)
    )


def test_empty_bins_are_kept_between_the_others_only():
    assert rows(EDGES, [0, 5, 0, 2]).tolist() == [[-1, 0, 5], [0, 1, 0], [1, 4, 2]]
    assert rows(EDGES, [3, 0, 0, 0]).tolist() == [[-2, -1, 3]]


def test_bins_that_cannot_be_seen_are_one():
    edges = np.array([-2, -1, -1e-3, -1e-4, 1e-4, 1e-3, 1.0, 2.0])
    assert rows(edges, [1, 2, 3, 4, 5, 6, 7]).tolist() == [
        [-2, -1, 1],
        [-1, -1e-3, 2],
        [-1e-3, 1e-3, 12],
        [1e-3, 1, 6],
        [1, 2, 7],
    ]
    # If everything is small, nothing is.
    assert len(rows(edges, [0, 0, 3, 4, 5, 0, 0])) == 3


def test_an_empty_histogram_is_one_without_bins():
    empty = rows(EDGES, [0, 0, 0, 0])
    assert empty.shape == (0, 3)
    # The numbers of the Distributions tab.
    assert {value for _, value in compress_histogram(empty)} == {0}


def test_counts_are_exact_beyond_float32():
    assert rows(EDGES, [2**24 + 1, 0, 0, 0])[0, 2] == 16_777_217


@pytest.mark.parametrize(
    ("num_layers", "expected"),
    [(4, "weight_histogram/003_dense_3"), (1001, "weight_histogram/0003_dense_3")],
)
def test_tag(num_layers, expected):
    assert histogram_tag("weight", 3, "dense_3", num_layers) == expected


def test_a_layer_without_numbers_has_no_histogram(tmp_path):
    counts = np.array([[COUNTS, [COUNTS[0], UNMEASURED]]] * 2)
    accumulator = write(tmp_path, (STEPS[:1], counts[:1]), (STEPS[1:], counts[1:]))
    assert accumulator.Tags()["tensors"] == [
        "weight_histogram/000_first",
        "weight_histogram/001_lstm",
        "pre_activation_histogram/000_first",
    ]
    for tag in accumulator.Tags()["tensors"]:
        metadata = accumulator.SummaryMetadata(tag)
        assert metadata.plugin_data.plugin_name == "histograms"
    events = accumulator.Tensors("weight_histogram/001_lstm")
    assert [event.step for event in events] == STEPS.tolist()
    for event in events:
        expected = np.transpose([EDGES[:-1], EDGES[1:], COUNTS[1]])
        np.testing.assert_array_equal(make_ndarray(event.tensor_proto), expected)


def test_a_layer_that_is_measured_later_only(tmp_path):
    counts = np.array([[[COUNTS[0], UNMEASURED]] * 2, [COUNTS] * 2])
    accumulator = write(tmp_path, (STEPS, counts))
    tag = "weight_histogram/001_lstm"
    assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "histograms"
    assert [event.step for event in accumulator.Tensors(tag)] == [7]


def test_metadata_is_written_once_and_again_when_the_disk_was_full(
    tmp_path, monkeypatch
):
    counts = np.array([[COUNTS] * 2])
    with EventFile(tmp_path) as file:
        written = []
        monkeypatch.setattr(file, "add", written.append)
        writer = HistogramWriter(file, SOURCES, LAYERS, EDGES)

        def full(event):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as disk:
            disk.setattr(file, "add", full)
            with pytest.raises(OSError, match="No space"):
                writer.write(STEPS[:1], counts)
        writer.write(STEPS[:1], counts)
        writer.write(STEPS[1:], counts)
    for event, described in zip(written, [True, False], strict=True):
        assert [v.HasField("metadata") for v in event.summary.value] == [described] * 4


def test_no_records(tmp_path):
    accumulator = write(tmp_path, (STEPS[:0], np.empty((0, 2, 2, 4))))
    assert accumulator.Tags()["tensors"] == []
