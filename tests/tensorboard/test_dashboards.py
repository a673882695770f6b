"""The data that a real TensorBoard serves to its dashboards, over HTTP."""

import functools
import json
import math
import time
import urllib.parse

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from keras_initkit.tensorboard.custom_scalars import write_layout
from keras_initkit.tensorboard.depth_profile import depth_profile_value
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.hparams import write_session_end, write_session_start
from keras_initkit.tensorboard.layer_heatmap import layer_heatmap, write_layer_heatmap

KEY = "gradient_variance"
LAYERS = ("first", "second", "last")
STEPS = np.array([0, 7])
VALUES = np.array([[1e-10, 1e-4, 0], [np.nan, np.inf, 1]])
ACCURACIES = {"a": 0.5, "b": 0.75, "diverged": math.nan, "d": 0.25}


def write_trial(log_dir, name, accuracy):
    with EventFile(log_dir / name) as file:
        hparams = {"initializer": name, "depth": 10, "residual": False}
        write_session_start(file, hparams, ["initializer"], ["accuracy", "loss"])
        write_session_end(file, 7, {"accuracy": accuracy, "loss": math.inf})
    with EventFile(log_dir / name / "layer_stats") as file:
        scalar = Summary.Value(tag="another_scalar", simple_value=1)
        file.add(Event(summary=Summary(value=[scalar])))


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory):
    log_dir = tmp_path_factory.mktemp("logs")
    for name, accuracy in ACCURACIES.items():
        write_trial(log_dir, name, accuracy)
    with EventFile(log_dir / "run") as file:
        write_layout(file, [KEY, "weight_mean"], [KEY])
        for record, step in enumerate(STEPS):
            value = depth_profile_value(KEY, VALUES[record], with_metadata=record == 0)
            event = Event(step=step, wall_time=time.time())
            event.summary.value.append(value)
            file.add(event)
            shown = slice(record + 1)
            write_layer_heatmap(file, KEY, LAYERS, STEPS[shown], VALUES[shown])
    return log_dir


@pytest.fixture(scope="module", params=["true", "false"])
def get(log_dir, request, tensorboard_server, plugin_data, wait_until):
    """Asks TensorBoard for a route, in one process for each loader."""
    with tensorboard_server(log_dir, "--load_fast", request.param) as url:
        get = functools.partial(plugin_data, url)
        wait_until(lambda: {"run", *ACCURACIES} <= loaded(get))
        yield get


def loaded(get):
    """The runs whose last event is available."""
    runs = {
        run
        for run, tags in get("images/tags").items()
        if len(get("images/images", run=run, tag=next(iter(tags)), sample=0)) == 2
    }
    groups = session_groups(get)
    ended = "STATUS_SUCCESS"
    return runs | {g["name"] for g in groups if g["sessions"][0]["status"] == ended}


def session_groups(get, **column):
    body = {
        "startIndex": 0,
        "sliceSize": 100,
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS"],
        "colParams": [column] if column else [],
    }
    answer = get("hparams/session_groups", request=json.dumps(body))
    return answer.get("sessionGroups", [])


def test_custom_scalars(get):
    layout = get("custom_scalars/layout")
    over_depth, every_layer = layout["category"]
    assert [chart["title"] for chart in over_depth["chart"]] == [
        f"log10_{KEY}",
        "weight_mean",
    ]
    [lines] = every_layer["chart"]
    assert lines["multiline"]["tag"] == [f"{KEY}/.*"]


def test_hparams_has_a_row_for_each_run(get):
    groups = {group["name"]: group for group in session_groups(get)}
    assert list(groups) == ["a", "b", "d", "diverged"]
    for name, group in groups.items():
        assert group["hparams"] == {"initializer": name, "depth": 10, "residual": False}
    metrics = {
        name: {m["name"]["tag"]: m["value"] for m in group.get("metricValues", [])}
        for name, group in groups.items()
    }
    assert metrics == {
        "a": {"accuracy": 0.5},
        "b": {"accuracy": 0.75},
        "d": {"accuracy": 0.25},
        "diverged": {},
    }


def test_hparams_has_no_columns_but_those_asked_for(get):
    experiment = get("hparams/experiment", request="{}")
    # TensorBoard puts the shown ones first.
    names = [info["name"] for info in experiment["hparamInfos"]]
    assert names == ["initializer", "depth", "residual"]
    metrics = [info["name"]["tag"] for info in experiment["metricInfos"]]
    assert metrics == ["accuracy", "loss"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [("ORDER_DESC", ["b", "a", "d"]), ("ORDER_ASC", ["d", "a", "b"])],
)
def test_hparams_are_sorted_with_what_is_not_finite_behind(get, order, expected):
    groups = session_groups(get, metric={"tag": "accuracy"}, order=order)
    assert [group["name"] for group in groups] == [*expected, "diverged"]


def test_images(get):
    tag = f"layer_heatmap/{KEY}"
    images = get("images/images", run="run", tag=tag, sample=0)
    assert [image["step"] for image in images] == STEPS.tolist()
    for record, image in enumerate(images):
        query = dict(urllib.parse.parse_qsl(image["query"]))
        png = get("images/individualImage", **query)
        shown = slice(record + 1)
        assert png == layer_heatmap(KEY, LAYERS, STEPS[shown], VALUES[shown])


def test_depth_profile(get):
    tag = f"{KEY}_profile_over_depth/ridges"
    assert "1e-16" in get("histograms/tags")["run"][tag]["description"]
    points = get("histograms/histograms", run="run", tag=tag)
    assert [step for _, step, _ in points] == STEPS.tolist()
    heights = [[height for _, _, height in bins] for *_, bins in points]
    np.testing.assert_allclose(heights, [[6, 12, 0], [0, 17, 16]], atol=1e-12)
    edges = [[bins[:2] for bins in profile] for *_, profile in points]
    assert edges == [[[-0.5, 0.5], [0.5, 1.5], [1.5, 2.5]]] * 2
