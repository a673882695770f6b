"""The data that a real TensorBoard serves for a run, over HTTP."""

import functools

import numpy as np
import pytest

from keras_initkit.stats.history import Records
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.histograms import HistogramWriter
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter

KEYS = ("weight_mean", "gradient_variance")
LAYERS = ("net/first", "net/<img onerror=x>")
STEPS = np.array([0, 1, 50])
VALUES = np.arange(12.0).reshape(3, 2, 2) / 7
VALUES[2, 1] = [np.nan, np.inf]
RECORDS = Records(
    steps=STEPS,
    values=VALUES,
    skipped=np.zeros(3, bool),
    losses=np.zeros(3),
    learning_rates=np.zeros(3),
)
SOURCES = ("weight", "gradient")
EDGES = np.array([-1.0, -0.1, 0.0, 0.1, 1.0])
COUNTS = np.arange(48.0).reshape(3, 2, 2, 4)
COUNTS[1, 1, 1] = 0


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory):
    log_dir = tmp_path_factory.mktemp("logs")
    with EventFile(log_dir / "run") as file:
        writer = LayerStatsWriter(file, KEYS, LAYERS, "number | layer\n--|--\n0 | a")
        writer.write_interval(0, 1)
        writer.write(RECORDS)
        HistogramWriter(file, SOURCES, LAYERS, EDGES).write(STEPS, COUNTS)
    return log_dir


@pytest.fixture(scope="module", params=["true", "false"])
def get(log_dir, request, tensorboard_server, plugin_data, wait_until):
    """Asks TensorBoard for a route, in one process for each loader."""
    with tensorboard_server(log_dir, "--load_fast", request.param) as url:
        get = functools.partial(plugin_data, url)
        wait_until(lambda: "run" in get("scalars/tags"))
        yield get


def test_scalars(get):
    tag = "gradient_variance/001_net/<img onerror=x>"
    assert tag in get("scalars/tags")["run"]
    points = get("scalars/scalars", run="run", tag=tag)
    assert [step for _, step, _ in points] == STEPS.tolist()
    np.testing.assert_allclose([v for *_, v in points[:2]], VALUES[:2, 1, 1])


def test_interval(get):
    points = get("scalars/scalars", run="run", tag="recording/interval")
    assert [point[1:] for point in points] == [[0, 1]]


def test_table(get):
    (table,) = get("text/text", run="run", tag="layers")
    assert "<td>0</td>" in table["text"]


def test_histograms(get):
    tags = sorted(tag for tag in get("histograms/tags")["run"] if "_histogram" in tag)
    assert tags == [
        "gradient_histogram/000_net/first",
        "gradient_histogram/001_net/<img onerror=x>",
        "weight_histogram/000_net/first",
        "weight_histogram/001_net/<img onerror=x>",
    ]
    points = get("histograms/histograms", run="run", tag=tags[1])
    assert [step for _, step, _ in points] == STEPS.tolist()
    first, empty, last = (bins for *_, bins in points)
    assert empty == []
    for bins, counts in ((first, COUNTS[0, 1, 1]), (last, COUNTS[2, 1, 1])):
        expected = np.transpose([EDGES[:-1], EDGES[1:], counts])
        np.testing.assert_array_equal(bins, expected)


def test_distributions(get):
    tag = "weight_histogram/000_net/first"
    _, step, percentiles = get("distributions/distributions", run="run", tag=tag)[0]
    assert step == 0
    # Counts of 0, 1, 2 and 3: the median is the right edge of the first three bins.
    assert dict(percentiles)[5000] == EDGES[3]
    assert dict(percentiles)[10000] == EDGES[4]
