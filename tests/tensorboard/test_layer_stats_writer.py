import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit.stats.history import Records
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter
from keras_initkit.tensorboard.thinning import is_kept
from tensorboard_plugin_initkit.metadata import parse_plugin_content, summary_tags

KEYS = ("weight_mean", "weight_variance", "gradient_variance")
LAYERS = ("net/first", "net/<img onerror=x>")
STEPS = np.array([0, 1, 50])
RIDGES = "weight_variance_profile_over_depth/ridges"
VALUES = np.arange(18.0).reshape(3, 3, 2) / 7
VALUES[2, 2] = [np.nan, np.inf]
RECORDS = Records(
    steps=STEPS,
    values=VALUES,
    skipped=np.zeros(3, bool),
    losses=np.zeros(3),
    learning_rates=np.zeros(3),
)


@pytest.fixture
def log_dir(tmp_path):
    with EventFile(tmp_path / "run") as file:
        writer = LayerStatsWriter(file, KEYS, LAYERS, "number | layer\n--|--\n0 | a")
        for part in (slice(2), slice(2, None)):
            writer.write(Records(*(array[part] for array in RECORDS)))
    return tmp_path


@pytest.fixture
def accumulator(log_dir):
    accumulator = EventAccumulator(
        str(log_dir / "run"), size_guidance={"tensors": 0, "scalars": 0}
    )
    accumulator.Reload()
    return accumulator


def test_vectors(accumulator):
    for row, key in enumerate(KEYS):
        events = accumulator.Tensors(f"initkit/{key}")
        assert [event.step for event in events] == STEPS.tolist()
        vectors = np.stack([make_ndarray(event.tensor_proto) for event in events])
        assert vectors.dtype == np.float32
        np.testing.assert_array_equal(vectors, VALUES[:, row].astype("float32"))
        metadata = accumulator.SummaryMetadata(f"initkit/{key}")
        assert metadata.plugin_data.plugin_name == "initkit"
        names = (
            list(LAYERS) if key == min(KEYS) else []
        )  # once, because there may be many
        assert parse_plugin_content(metadata.plugin_data.content) == names


def test_scalars_in_the_order_of_the_layers(accumulator):
    tags = sorted(accumulator.Tags()["scalars"])
    assert [tag for tag in tags if not tag.startswith("all_layers/")] == [
        "gradient_variance/000_net/first",
        "gradient_variance/001_net/<img onerror=x>",
        "training/learning_rate",
        "training/loss",
        "weight_variance/000_net/first",
        "weight_variance/001_net/<img onerror=x>",
    ]
    events = accumulator.Scalars("gradient_variance/000_net/first")
    assert [event.step for event in events] == STEPS.tolist()
    np.testing.assert_allclose([e.value for e in events], VALUES[:, 2, 0], rtol=1e-7)


def test_percentiles_over_the_layers(accumulator):
    for row, key in enumerate(KEYS):
        is_log10 = key != "weight_mean"
        values = np.log10(VALUES[:2, row]) if is_log10 else VALUES[:2, row]
        expected = np.nanpercentile(values, [50, 10, 90], axis=1)
        for tag, numbers in zip(summary_tags(key, is_log10), expected, strict=True):
            events = accumulator.Scalars(tag)
            assert [event.step for event in events] == STEPS.tolist()
            np.testing.assert_allclose([e.value for e in events[:2]], numbers, 1e-6)


def test_percentiles_leave_out_what_was_never_measured(tmp_path):
    values = np.arange(18.0).reshape(3, 1, 6)
    values[:, 0, 2] = np.nan  # like the gradient of a variable without one
    values[2, 0, 4] = np.nan  # like an exploding one
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, ["gradient_mean"], list("abcdef"), "")
        writer.write(
            Records(np.arange(3), values, np.zeros(3, bool), *np.zeros((2, 3)))
        )
    accumulator = EventAccumulator(str(tmp_path)).Reload()
    median, *_ = summary_tags("gradient_mean", False)
    points = [event.value for event in accumulator.Scalars(median)]
    expected = [*np.nanmedian(values[:2, 0], axis=1), np.nan]
    np.testing.assert_array_equal(points, expected)


def test_the_first_record_has_a_tag_of_its_own(accumulator):
    for row, key in enumerate(KEYS):
        [event] = accumulator.Tensors(f"initkit/{key}/start")
        assert event.step == STEPS[0]
        vector = make_ndarray(event.tensor_proto)
        np.testing.assert_array_equal(vector, VALUES[0, row].astype("float32"))


def test_profiles_over_depth(accumulator):
    events = accumulator.Tensors(RIDGES)
    assert [event.step for event in events] == STEPS.tolist()
    left, right, height = make_ndarray(events[1].tensor_proto).T
    assert (left.tolist(), right.tolist()) == ([-0.5, 0.5], [0.5, 1.5])
    # Decades above 1e-6, where the colors of weight_variance start.
    np.testing.assert_allclose(height, np.log10(VALUES[1, 1]) + 6)


def test_losses_and_learning_rates_are_written_from_the_first_known_one_on(tmp_path):
    losses = np.array([np.nan, 0.5, np.nan, np.inf])
    rates = np.array([0.5, 0.25, 0.125, 0])
    values = np.ones((4, 1, 2))
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, ["weight_mean"], LAYERS, "")
        writer.write(Records(np.arange(4), values, np.zeros(4, bool), losses, rates))
        writer.write_epoch(4, {"loss": 0.25, "val_accuracy": 0.75})
    accumulator = EventAccumulator(str(tmp_path)).Reload()
    found = accumulator.Scalars("training/loss")
    assert [event.step for event in found] == [1, 2, 3]
    np.testing.assert_array_equal([event.value for event in found], losses[1:])
    found = accumulator.Scalars("training/learning_rate")
    assert [event.value for event in found] == rates.tolist()
    for name, value in (("loss", 0.25), ("val_accuracy", 0.75)):
        [event] = accumulator.Scalars(f"epoch/{name}")
        assert (event.step, event.value) == (4, value)


def test_what_was_intended(tmp_path):
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, KEYS, LAYERS, "")
        writer.write_intended("weight_variance", np.array([0.1, np.nan]))
    accumulator = EventAccumulator(str(tmp_path)).Reload()
    tag = "initkit/weight_variance/intended"
    [event] = accumulator.Tensors(tag)
    vector = make_ndarray(event.tensor_proto)
    np.testing.assert_array_equal(vector, np.array([0.1, np.nan], "float32"))
    content = accumulator.SummaryMetadata(tag).plugin_data.content
    assert parse_plugin_content(content) == []


def test_a_file_of_100_000_layers_stays_usable(tmp_path):
    """Names once, numbers in vectors: 10 bytes per layer, statistic and record."""
    layers = [f"block/dense_{number}" for number in range(100_000)]
    keys = ["weight_variance", *(f"weight_{i}" for i in range(9))]
    count = 3
    values = np.ones((count, len(keys), len(layers)))
    zeros = np.zeros(count)
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, keys, layers, "")
        is_skipped = zeros.astype(bool)
        writer.write(Records(np.arange(count), values, is_skipped, zeros, zeros))
    assert file.path.stat().st_size < 10 * values.size
    accumulator = EventAccumulator(str(tmp_path), {"tensors": 0}).Reload()
    # The loss and the learning rate belong to all layers.
    assert len(accumulator.Tags()["scalars"]) == 3 * len(keys) + 2
    sizes = [
        len(metadata.plugin_data.content)
        for metadata in accumulator.summary_metadata.values()
        if metadata.plugin_data.plugin_name == "initkit"
    ]
    assert sum(size > 100 for size in sizes) == 2  # its vectors, and the first of them


def test_of_many_records_all_have_vectors_and_few_have_scalars(tmp_path):
    count = 3000
    records = Records(
        *(np.arange(count), np.ones((count, 1, 2)), np.zeros(count, bool)),
        *np.zeros((2, count)),
    )
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, ["weight_variance"], LAYERS, "")
        writer.write(records)
    accumulator = EventAccumulator(str(tmp_path), {"tensors": 0, "scalars": 0}).Reload()
    steps = {
        tag: [event.step for event in accumulator.Tensors(tag)]
        for tag in ("initkit/weight_variance", RIDGES)
    }
    scalars = accumulator.Scalars("weight_variance/000_net/first")
    assert steps["initkit/weight_variance"] == list(range(count))
    kept = [step for step in range(count) if is_kept(step, 256)]
    assert [event.step for event in scalars] == kept
    kept = [step for step in range(count) if is_kept(step, 32)]
    assert steps[RIDGES] == kept


def test_what_is_beyond_float32_becomes_infinite(tmp_path):
    values = np.array([[[1e300, -1e39]]])
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, ["weight_variance"], LAYERS, "")
        writer.write(
            Records(np.array([0]), values, np.zeros(1, bool), *np.zeros((2, 1)))
        )
    accumulator = EventAccumulator(str(tmp_path)).Reload()
    [event] = accumulator.Tensors("initkit/weight_variance")
    assert make_ndarray(event.tensor_proto).tolist() == [np.inf, -np.inf]
    [scalar] = accumulator.Scalars("weight_variance/000_net/first")
    assert scalar.value == np.inf


def test_the_names_of_the_layers_are_written_once(tmp_path):
    layers = [f"layer_{i}" for i in range(100)]
    keys = ["weight_mean", "weight_l2_norm"]  # no scalars for each layer
    records = Records(
        steps=np.array([0]),
        values=np.zeros((1, 2, 100)),
        skipped=np.array([False]),
        losses=np.zeros(1),
        learning_rates=np.zeros(1),
    )
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, keys, layers, "")
        writer.write(records)
        size = file.path.stat().st_size
        writer.write(records)
        grown = file.path.stat().st_size - size
    # 4 bytes per value, under 120 for the frame, the time and two tags, and under 50
    # for the loss, the learning rate and each of three percentiles of two statistics.
    assert 800 < grown < 920 + 8 * 50


def test_interval(tmp_path):
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, KEYS, LAYERS, "")
        writer.write_interval(0, 1)
        writer.write_interval(20, 50)
        writer.write(RECORDS)  # waiting steps
    accumulator = EventAccumulator(str(tmp_path)).Reload()
    points = [(e.step, e.value) for e in accumulator.Scalars("recording/interval")]
    assert points == [(0, 1), (20, 50)]
    scalars = accumulator.Scalars("weight_variance/000_net/first")
    assert [e.step for e in scalars] == STEPS.tolist()
