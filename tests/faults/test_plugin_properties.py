"""The tab's routes with any request, and with runs from any writer."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing import (
    data_provider,
    plugin_event_multiplexer,
)
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.util.tensor_util import make_tensor_proto
from werkzeug.test import Client

from keras_initkit.tensorboard.event_file import EventFile
from tensorboard_plugin_initkit.metadata import FINDINGS_DATA_TAG, plugin_content
from tensorboard_plugin_initkit.plugin import POLICY, InitkitPlugin

TAG = "initkit/weight_mean"
GOOD = plugin_content(["a", "b"])
SENTENCE = re.compile(r"[A-Z].*(\.|Received: .*)", re.DOTALL)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "layers", "problem", "since"]),
            parts,
            max_size=3,
        )
    ),
    max_leaves=8,
)
CONTENTS = st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode())
TENSORS = st.one_of(
    st.builds(
        lambda dtype, shape, content, numbers: TensorProto(
            dtype=dtype,
            tensor_shape={"dim": [{"size": size} for size in shape]},
            tensor_content=content,
            float_val=numbers,
        ),
        st.integers(0, 120),
        st.lists(st.sampled_from([0, 1, 2, 3, -1, 2**62]), max_size=3),
        st.binary(max_size=12),
        st.lists(st.floats(width=32), max_size=3),
    ),
    CONTENTS.map(make_tensor_proto),
)


def write(run, tag, tensor, content):
    metadata = {
        "plugin_data": {"plugin_name": "initkit", "content": content},
        "data_class": DATA_CLASS_TENSOR,
    }
    value = {"tag": tag, "tensor": tensor, "metadata": metadata}
    with EventFile(run) as file:
        file.add(Event(step=1, wall_time=1.0, summary={"value": [value]}))


def clients_of(logs):
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logs))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(logs))
    plugin = InitkitPlugin(TBContext(data_provider=provider))
    return {route: Client(app) for route, app in plugin.get_plugin_apps().items()}


def ask(client, method="GET", **query):
    # TensorBoard adds these before it asks a plugin.
    answer = client.open("/", method=method, query_string=query)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.status_code in (200, 400, 404, 405)
    if answer.status_code != 200 and method != "HEAD":
        assert SENTENCE.fullmatch(answer.text)
    return answer


@given(CONTENTS, TENSORS, TENSORS)
def test_no_run_hides_another(content, vector, findings):
    with tempfile.TemporaryDirectory() as path:
        logs = Path(path)
        write(logs / "bad", TAG, vector, content)
        write(logs / "bad", FINDINGS_DATA_TAG, findings, b"")
        write(logs / "odd", TAG, vector, GOOD)
        write(logs / "well", TAG, make_tensor_proto([1.0, 2.0]), GOOD)
        clients = clients_of(logs)
    runs = {run["name"]: run for run in ask(clients["/runs"]).json["runs"]}
    assert runs.keys() == {"bad", "odd", "well"}
    assert runs["well"]["layers"] == ["a", "b"]
    assert ("layers" in runs["bad"]) or SENTENCE.fullmatch(runs["bad"]["error"])
    for run in ("bad", "odd"):
        ask(clients["/profiles"], run=run, statistic="weight_mean")
    answer = ask(clients["/profiles"], run="well", statistic="weight_mean")
    assert answer.status_code == 200


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    write(logs / "well", TAG, make_tensor_proto([1.0, 2.0]), GOOD)
    return clients_of(logs)


NAMES = st.text(max_size=20) | st.sampled_from(["well", "weight_mean", "../well"])


@given(
    st.sampled_from(["/runs", "/profiles", "/index.js"]),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE"]),
    st.dictionaries(st.sampled_from(["run", "statistic", "x"]), NAMES),
)
def test_any_request_has_an_answer(clients, route, method, query):
    status = ask(clients[route], method, **query).status_code
    assert (status == 405) == (method not in ("GET", "HEAD"))
