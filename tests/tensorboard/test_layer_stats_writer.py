import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit.stats.history import Records
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter
from tensorboard_plugin_initkit.metadata import parse_plugin_content

KEYS = ("weight_mean", "weight_variance", "gradient_variance")
LAYERS = ("net/first", "net/<img onerror=x>")
STEPS = np.array([0, 1, 50])
VALUES = np.arange(18.0).reshape(3, 3, 2) / 7
VALUES[2, 2] = [np.nan, np.inf]


@pytest.fixture
def log_dir(tmp_path):
    with EventFile(tmp_path / "run") as file:
        writer = LayerStatsWriter(file, KEYS, LAYERS, "number | layer\n--|--\n0 | a")
        writer.write(Records(STEPS[:2], VALUES[:2]))
        writer.write(Records(STEPS[2:], VALUES[2:]))
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
        assert parse_plugin_content(metadata.plugin_data.content) == list(LAYERS)


def test_scalars_in_the_order_of_the_layers(accumulator):
    assert sorted(accumulator.Tags()["scalars"]) == [
        "gradient_variance/000_net/first",
        "gradient_variance/001_net/<img onerror=x>",
        "weight_variance/000_net/first",
        "weight_variance/001_net/<img onerror=x>",
    ]
    events = accumulator.Scalars("gradient_variance/000_net/first")
    assert [event.step for event in events] == STEPS.tolist()
    np.testing.assert_allclose([e.value for e in events], VALUES[:, 2, 0], rtol=1e-7)


def test_the_names_of_the_layers_are_written_once(tmp_path):
    layers = [f"layer_{i}" for i in range(100)]
    keys = ["weight_mean", "weight_l2_norm"]  # no scalars
    with EventFile(tmp_path) as file:
        writer = LayerStatsWriter(file, keys, layers, "")
        writer.write(Records(np.array([0]), np.zeros((1, 2, 100))))
        size = file.path.stat().st_size
        writer.write(Records(np.array([1]), np.zeros((1, 2, 100))))
        grown = file.path.stat().st_size - size
    # 4 bytes a value, and under 120 for the frame, the time and the two tags.
    assert 800 < grown < 920


@pytest.mark.parametrize("load_fast", ["true", "false"])
def test_tensorboard_serves_them(log_dir, load_fast):
    process = subprocess.Popen(
        [
            sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir),
            "--port", "0", "--host", "127.0.0.1", "--load_fast", load_fast,
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        lines = iter(process.stderr.readline, "")
        url = next(m[0] for line in lines if (m := re.search(r"http://\S+", line)))

        def get(route, **query):
            path = f"{url}data/plugin/{route}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(path, timeout=10) as response:
                return json.load(response)

        deadline = time.monotonic() + 30
        while "run" not in get("scalars/tags") and time.monotonic() < deadline:
            time.sleep(0.2)
        tag = "gradient_variance/001_net/<img onerror=x>"
        assert tag in get("scalars/tags")["run"]
        points = get("scalars/scalars", run="run", tag=tag)
        assert [step for _, step, _ in points] == STEPS.tolist()
        np.testing.assert_allclose([v for *_, v in points[:2]], VALUES[:2, 2, 1])
        (table,) = get("text/text", run="run", tag="layers")
        assert "<td>0</td>" in table["text"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
