"""The answers of our plugin in a real TensorBoard, over HTTP."""

import http.client
import json
import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import (
    DATA_CLASS_TENSOR,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.util.tensor_util import make_tensor_proto

from keras_initkit.diagnosis.finding import CRITICAL, Finding
from keras_initkit.tensorboard.event_file import EventFile
from tensorboard_plugin_initkit.metadata import (
    FINDINGS_DATA_TAG,
    histogram_tag,
    plugin_content,
    vector_tag,
)
from tensorboard_plugin_initkit.plugin import PAGE
from tensorboard_plugin_initkit.scales import scale


def float_tensor(shape, **values):
    return TensorProto(dtype=DT_FLOAT, tensor_shape=shape, **values)


KEY = "gradient_variance"
HOSTILE_RUN = "<img src=x onerror=window.pwned=1>&run=a%2Fb\"'+ü 層"
HOSTILE_KEY = "weight_ä<b>&statistic=x%00\"'"
HOSTILE_LAYERS = ["net/first", "<script>alert(1)</script>", '"\\\n', "ü 層"]
MANY = 1500
SAMPLES = 1000  # which TensorBoard keeps
REUSED = ("reused, from the first step", "reused, from the next step")
TOO_DEEP = "[" * 100_000 + "]" * 100_000
BAD_FINDINGS = {
    "bad/findings: a number": make_tensor_proto(1.5),
    "bad/findings: not JSON": make_tensor_proto("["),
    "bad/findings: not ours": make_tensor_proto('[{"problem": "<b>"}]'),
    "bad/findings: too deep": make_tensor_proto(TOO_DEEP),
    "bad/findings: two": make_tensor_proto(["[]", "[]"]),
}
EDGES = np.array([-8.0, -2.0, 0.0, 2.0, 8.0])
COUNTS = np.zeros((3, 2, 4))
COUNTS[:, 0] = [0, 5, 0, 2]
COUNTS[1, 0] = 0
COUNTS[:, 1] = [1, 2, 3, 2**53]
BAD_HISTOGRAMS = {
    "bad/histogram: NaN": make_tensor_proto([[0.0, 1.0, np.nan]]),
    "bad/histogram: flat": make_tensor_proto([1.0, 2.0, 3.0]),
    "bad/histogram: words": make_tensor_proto([["a", "b", "c"]]),
}
TWO = TensorShapeProto(dim=[TensorShapeProto.Dim(size=2)])
VAST = TensorShapeProto(dim=[TensorShapeProto.Dim(size=2**62)])
BAD_VECTORS = {
    "bad/vector: too long": float_tensor(TWO, tensor_content=bytes(12)),
    "bad/vector: too short": float_tensor(TWO, tensor_content=bytes(7)),
    "bad/vector: unknown type": TensorProto(dtype=99, tensor_shape=TWO),
    "bad/vector: vast": float_tensor(VAST, float_val=[1]),
    "bad/vector: words": make_tensor_proto(["a", "b"]),
}
BAD_RUNS = ("bad/content: too deep", *BAD_FINDINGS)
NAMES = (
    *BAD_RUNS,
    *BAD_HISTOGRAMS,
    *BAD_VECTORS,
    "intended",
    "many",
    "many with start",
    "newer",
    *REUSED,
    "strange",
)
SENTENCE = re.compile(r"[A-Z].*\.|[A-Z].* Received: .*")


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode()


def strange_values():
    values = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    values[1] = [np.nan, np.inf, -np.inf, -0.0]
    values[3] = [1e-45, 3.4e38, 1 / 3, 0]
    return values


STRANGE = {KEY: strange_values(), HOSTILE_KEY: strange_values() / 2}
LONG = {KEY: np.arange(2.0 * MANY, dtype="float32").reshape(MANY, 2)}
INTENDED = np.array([0.5, np.nan], "float32")
FINDING = Finding(
    *("dead_units", ("a",), 2, CRITICAL, "100 % <b>", "none is alive", 'x = "ü"', "us"),
    consequences=("vanishing_gradient",),
)


def write_tensor(directory, tag, tensor, content=b"", plugin="initkit"):
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    metadata = SummaryMetadata(plugin_data=data, data_class=DATA_CLASS_TENSOR)
    value = Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    with EventFile(directory) as file:
        file.add(Event(wall_time=1.0, step=9, summary=Summary(value=[value])))


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory, write_run):
    log_dir = tmp_path_factory.mktemp("logs")
    steps = [0, 1, 2, 50, 2**40]
    write_run(log_dir / "strange" / HOSTILE_RUN, steps, HOSTILE_LAYERS, STRANGE)
    many = range(0, 10 * MANY, 10)
    write_run(log_dir / "many", many, ["a", "b"], LONG, findings=[])
    write_run(log_dir / "many with start", many, ["a", "b"], LONG, start=True)
    first = {key: values[:3] for key, values in LONG.items()}
    intended = {KEY: INTENDED}
    write_run(
        *(log_dir / "intended", range(3), ["a", "b"], first),
        intended=intended,
        findings=[FINDING],
        scalars={"training/loss": [2, np.inf, np.nan], "epoch/acc": [0.25, 0.5, 0.75]},
        histograms={"weight": (EDGES, COUNTS)},
    )
    newer = b'{"version": 2, "layers": ["a", "b"]}'
    write_run(log_dir / "newer", range(3), ["a", "b"], first, content=newer)
    deep = f'{{"version": 1, "layers": {TOO_DEEP}}}'.encode()
    write_run(log_dir / BAD_RUNS[0], range(3), ["a", "b"], first, content=deep)
    for name, tensor in BAD_FINDINGS.items():
        write_run(log_dir / name, range(3), ["a", "b"], first)
        write_tensor(log_dir / name, FINDINGS_DATA_TAG, tensor)
    for name, tensor in BAD_HISTOGRAMS.items():
        write_run(log_dir / name, range(3), ["a", "b"], first)
        tag = histogram_tag("gradient", 0, "a", 2)
        write_tensor(log_dir / name, tag, tensor, plugin="histograms")
    for name, tensor in BAD_VECTORS.items():
        write_tensor(log_dir / name, vector_tag(KEY), tensor, plugin_content("ab"))
    for name, begin in zip(REUSED, (0, 3), strict=True):
        write_run(log_dir / name, range(3), ["a", "b"], first, start=True)
        steps = range(begin, begin + 5)
        write_run(log_dir / name, steps, HOSTILE_LAYERS, STRANGE, start=True)
    return log_dir


@pytest.fixture(scope="module", params=["true", "false"])
def ask(log_dir, request, tensorboard_server, wait_until):
    """Asks TensorBoard for one of our routes, in one process for each loader."""
    flags = ["--load_fast", request.param]
    if request.param == "false":
        flags += ["--path_prefix", "/some/prefix"]
    with tensorboard_server(log_dir, *flags) as url:
        host, prefix = urlsplit(url).netloc, urlsplit(url).path

        def ask(route, method="GET", **query):
            connection = http.client.HTTPConnection(host, timeout=10)
            query = f"?{urlencode(query)}" if query else ""
            connection.request(method, f"{prefix}data/plugin/initkit/{route}{query}")
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
            connection.close()
            return answer

        def is_loaded():
            # Every run is complete.
            runs = json.loads(ask("runs").body)["runs"]
            last = {run["name"]: run.get("last_step") for run in runs}
            return len(runs) == len(NAMES) and {
                last["many"],
                last["many with start"],
            } == {10 * (MANY - 1)}

        wait_until(is_loaded)
        yield ask


@pytest.fixture
def profiles(ask, unpack):
    def profiles(run, statistic=KEY):
        answer = ask("profiles", run=run, statistic=statistic)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/octet-stream"
        return unpack(answer.body)

    return profiles


def assert_is_sentence(answer, status):
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    assert SENTENCE.fullmatch(answer.text)


def test_runs(ask):
    answer = ask("runs")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    content = json.loads(answer.body)
    runs = {run["name"]: run for run in content["runs"]}
    assert list(runs) == [*NAMES[:-1], f"strange/{HOSTILE_RUN}"]
    assert runs[f"strange/{HOSTILE_RUN}"] == {
        "name": f"strange/{HOSTILE_RUN}",
        "layers": HOSTILE_LAYERS,
        "statistics": sorted([KEY, HOSTILE_KEY]),
        "last_step": 2**40,
        "findings": None,
        "histograms": None,
        "loss": None,
        "learning_rate": None,
        "metrics": None,
    }
    assert runs["many"]["last_step"] == 10 * (MANY - 1)
    assert runs["many"]["findings"] == []
    assert runs["intended"]["findings"] == [FINDING.to_dict()]
    assert runs["intended"]["loss"] == {
        "steps": [0, 1, 2],
        "values": [2, "Infinity", "NaN"],  # as TensorBoard writes them in JSON
    }
    assert runs["intended"]["histograms"] == ["weight"]
    assert runs["intended"]["metrics"] == {"acc": 0.75}
    assert runs["newer"].keys() >= {"name", "error"}
    assert "layers" not in runs["newer"]
    assert runs["newer"]["error"].endswith("Received: version=2.")
    known = {key: scale(key)._asdict() for key in (KEY, HOSTILE_KEY)}
    assert content["statistics"] == known


@pytest.mark.parametrize("run", BAD_RUNS)
def test_one_bad_run_is_one_line_in_the_list(ask, run):
    runs = {found["name"]: found for found in json.loads(ask("runs").body)["runs"]}
    assert SENTENCE.fullmatch(runs[run]["error"])
    assert len(runs[run]["error"]) < 300


@pytest.mark.parametrize("run", BAD_VECTORS)
def test_malformed_vectors_are_answered_with_a_sentence(ask, run):
    answer = ask("profiles", run=run, statistic=KEY)
    assert_is_sentence(answer, 400)
    assert answer.text.startswith("The statistics cannot be read: ")


@pytest.mark.parametrize("key", STRANGE)
def test_profiles_are_what_was_written(profiles, key):
    steps, intended, values = profiles(f"strange/{HOSTILE_RUN}", key)
    assert steps == [0, 1, 2, 50, 2**40]
    np.testing.assert_array_equal(values, STRANGE[key])
    np.testing.assert_array_equal(np.signbit(values), np.signbit(STRANGE[key]))
    assert np.isnan(intended).all()


def test_intended(profiles):
    steps, intended, values = profiles("intended")
    assert steps == [0, 1, 2]
    np.testing.assert_array_equal(intended, INTENDED)
    np.testing.assert_array_equal(values, LONG[KEY][:3])


def test_of_many_steps_a_thousand_are_kept(profiles):
    steps, _, values = profiles("many")
    assert len(steps) == len(set(steps)) == SAMPLES
    assert steps == sorted(steps)
    assert steps[-1] == 10 * (MANY - 1)
    rows = np.array(steps, int) // 10
    np.testing.assert_array_equal(values, LONG[KEY][rows])


def test_of_many_steps_the_first_is_kept(profiles):
    steps, _, values = profiles("many with start")
    assert steps[0] == 0
    assert steps[-1] == 10 * (MANY - 1)
    assert len(steps) == len(set(steps))
    # One more if TensorBoard had dropped the first.
    assert len(steps) in (SAMPLES, SAMPLES + 1)
    rows = np.array(steps, int) // 10
    np.testing.assert_array_equal(values, LONG[KEY][rows])


@pytest.mark.parametrize("run", REUSED)
def test_a_directory_that_is_used_again_for_another_network(ask, unpack, run):
    """The tab shows the parts that fit together, or a reason."""
    runs = {found["name"]: found for found in json.loads(ask("runs").body)["runs"]}
    answer = ask("profiles", run=run, statistic=KEY)
    if answer.status != 200:
        assert_is_sentence(answer, 400)
        assert "error" in runs[run] or "two networks" in answer.text
        return
    assert "error" not in runs[run]
    steps, _, values = unpack(answer.body)
    assert values.shape == (len(steps), len(runs[run]["layers"]))
    written = LONG if runs[run]["layers"] == ["a", "b"] else STRANGE
    offset = 3 if run == REUSED[1] and written is STRANGE else 0
    rows = np.array(steps, int) - offset
    np.testing.assert_array_equal(values, written[KEY][rows])


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"run": "many"},
        {"statistic": KEY},
        {"run": "many", "statistic": ""},
        {"run": "many", "statistic": "weight_mean"},
        {"run": "many", "statistic": f"{KEY}/start"},
        {"run": "many", "statistic": "../../../etc/passwd"},
        {"run": "many", "statistic": "<script>"},
        {"run": "newer", "statistic": KEY},
    ],
)
def test_wrong_parameters(ask, query):
    answer = ask("profiles", **query)
    assert_is_sentence(answer, 400)
    if query.get("run") != "newer" and len(query) < 2:
        assert "`run`" in answer.text
        assert "`statistic`" in answer.text


def test_histograms_are_what_was_written(ask):
    query = {"run": "intended", "source": "weight"}
    answer = ask("histograms", layer="a", **query)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    # From the first bin that is not empty to the last; none where all are.
    bins = [[-2, 0, 5], [0, 2, 0], [2, 8, 2]]
    found = {"steps": [0, 1, 2], "bins": [bins, [], bins]}
    assert json.loads(answer.body) == found
    all_bins = np.transpose([EDGES[:-1], EDGES[1:], COUNTS[0, 1]]).tolist()
    answer = ask("histograms", layer="b", **query)
    assert json.loads(answer.body)["bins"] == 3 * [all_bins]


@pytest.mark.parametrize("run", BAD_HISTOGRAMS)
def test_malformed_histograms_are_answered_with_a_sentence(ask, run):
    answer = ask("histograms", run=run, source="gradient", layer="a")
    assert_is_sentence(answer, 400)
    assert answer.text.startswith("The statistics cannot be read: ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": None},
        {"layer": None},
        {"source": "gradient"},
        {"source": ""},
        {"layer": "c"},
        {"layer": "../a"},
        {"run": "newer"},
    ],
)
def test_wrong_parameters_of_histograms(ask, wrong):
    query = {"run": "intended", "source": "weight", "layer": "a", **wrong}
    query = {name: value for name, value in query.items() if value is not None}
    answer = ask("histograms", **query)
    assert_is_sentence(answer, 400)
    if "run" not in wrong:
        assert f"`{next(iter(wrong))}`" in answer.text


@pytest.mark.parametrize("run", ["", "none", "..", "many/", "strange", "<script>"])
def test_unknown_runs(ask, run):
    assert_is_sentence(ask("profiles", run=run, statistic=KEY), 404)
    assert_is_sentence(ask("histograms", run=run, source="weight", layer="a"), 404)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "route", ["runs", "profiles", "histograms", "index.js", "style.css"]
)
def test_no_answer_can_be_misused_as_a_page(ask, route, method):
    policy = ask(route, method).headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'", "sandbox"} <= set(policy)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("route", ["runs", "profiles", "histograms", "index.js"])
def test_only_reading(ask, route, method):
    assert_is_sentence(ask(route, method), 405)


def test_every_file_of_the_page_is_served():
    page = resources.files("tensorboard_plugin_initkit") / "page"
    assert {file.name for file in page.iterdir()} == set(PAGE)
    types = {".js": "text/javascript", ".css": "text/css"}
    assert {name: types[Path(name).suffix] for name in PAGE} == PAGE


@pytest.mark.parametrize("name", PAGE)
def test_page(ask, name):
    answer = ask(name)
    assert answer.status == 200
    # A browser that does not guess types rejects a module of another type.
    assert answer.headers["Content-Type"] == f"{PAGE[name]}; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = resources.files("tensorboard_plugin_initkit") / "page"
    assert answer.body == (page / name).read_bytes()


@pytest.mark.parametrize(
    "route",
    [
        "plugin.py",
        "metadata.py",
        "page/index.js",
        "page",
        "page/",
        "..%2fplugin.py",
        "..%2Fplugin.py",
        "../plugin.py",
        "page/../plugin.py",
        "page%2f..%2fplugin.py",
        "%2e%2e/plugin.py",
        "..%5cplugin.py",
        "....//plugin.py",
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "index.js%00.py",
        "INDEX.JS",
        "__init__.py",
        quote("<script>alert(1)</script>"),
    ],
)
def test_nothing_else_is_served(ask, route):
    answer = ask(route)
    assert answer.status == 404
    assert answer.headers.get_content_type() == "text/plain"
