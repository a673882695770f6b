import struct

import numpy as np
import pytest
from tensorboard.data.provider import TensorDatum, TensorTimeSeries

from tensorboard_plugin_initkit.metadata import plugin_content
from tensorboard_plugin_initkit.profiles import ProfileReader, Profiles

KEY = "weight_variance"
LAYERS = ["net/first", "net/<b>"]
VALUES = {0: [1, 2], 10: [np.nan, np.inf], 20: [1 / 3, -np.inf], 30: [1e-45, 3e38]}
TAG, START, INTENDED = (f"initkit/{KEY}{end}" for end in ("", "/start", "/intended"))


class FakeProvider:
    """TensorBoard's data: the vectors of each run and tag, by step."""

    def __init__(self, runs, content=None):
        self.runs = runs
        self.content = plugin_content(LAYERS) if content is None else content

    def list_tensors(self, context, *, experiment_id, plugin_name):
        assert (context, experiment_id, plugin_name) == ("context", "id", "initkit")
        return {
            run: {
                tag: TensorTimeSeries(
                    max_step=max(vectors),
                    max_wall_time=0.0,
                    plugin_content=self.content,
                    description="",
                    display_name="",
                )
                for tag, vectors in tags.items()
            }
            for run, tags in self.runs.items()
        }

    def read_tensors(
        self, context, *, experiment_id, plugin_name, downsample, run_tag_filter
    ):
        assert (context, experiment_id, plugin_name) == ("context", "id", "initkit")
        return {
            run: {
                tag: [
                    TensorDatum(step, 0.0, np.array(vectors[step], "float32"))
                    for step in sorted(vectors)[-downsample:]
                ]
                for tag, vectors in self.runs[run].items()
                if tag in run_tag_filter.tags
            }
            for run in self.runs.keys() & run_tag_filter.runs
        }


def read(tags, most=1000):
    reader = ProfileReader(FakeProvider({"other": {}, "run": tags}), most)
    return reader.read("context", "id", "run", KEY, num_layers=2)


def runs(tags, content=None):
    provider = FakeProvider({"run": tags}, content)
    return ProfileReader(provider, 1000).runs("context", "id")


def stacked(*steps):
    return np.array([VALUES[step] for step in steps], "float32")


def test_bytes(unpack):
    profiles = Profiles(
        np.array([0, 2**40, 2**53]),
        np.array([0.1, np.nan]),
        np.array([[1, 2], [np.nan, np.inf], [-np.inf, 1e-45]]),
    )
    data = profiles.to_bytes()
    assert len(data) == 2 * 4 + 3 * 8 + 2 * 4 + 3 * 2 * 4
    assert struct.unpack_from("<II3d", data) == (3, 2, 0, 2**40, 2**53)
    steps, intended, values = unpack(data)
    assert steps == [0, 2**40, 2**53]
    np.testing.assert_array_equal(intended, np.array([0.1, np.nan], "float32"))
    np.testing.assert_array_equal(values, profiles.values.astype("float32"))


def test_bytes_of_nothing():
    empty = Profiles(np.zeros(0), np.zeros(0), np.zeros((0, 0)))
    assert empty.to_bytes() == bytes(8)


def test_values():
    profiles = read({TAG: VALUES})
    assert profiles.steps.tolist() == [0, 10, 20, 30]
    np.testing.assert_array_equal(profiles.values, stacked(0, 10, 20, 30))
    assert profiles.values.dtype == np.float32
    assert profiles.intended.shape == (2,)
    assert np.isnan(profiles.intended).all()


def test_intended():
    profiles = read({TAG: VALUES, INTENDED: {0: [0.1, np.nan]}})
    expected = np.array([0.1, np.nan], "float32")
    np.testing.assert_array_equal(profiles.intended, expected)


def test_the_start_goes_first_where_it_was_dropped():
    kept = {step: VALUES[step] for step in (20, 30)}
    profiles = read({TAG: kept, START: {0: VALUES[0]}})
    assert profiles.steps.tolist() == [0, 20, 30]
    np.testing.assert_array_equal(profiles.values, stacked(0, 20, 30))


def test_the_start_is_there_once_where_it_was_kept():
    assert read({TAG: VALUES, START: {0: VALUES[0]}}).steps.tolist() == [0, 10, 20, 30]


def test_only_the_start():
    profiles = read({START: {0: VALUES[0]}})
    assert profiles.steps.tolist() == [0]
    np.testing.assert_array_equal(profiles.values, stacked(0))


def test_nothing_is_there_any_more():
    profiles = read({})
    assert profiles.values.shape == (0, 2)
    assert profiles.steps.shape == (0,)


def test_profiles_of_another_network_are_left_out():
    mixed = {0: [1, 2, 3], **{step: VALUES[step] for step in (10, 20)}}
    tags = {TAG: mixed, START: {0: [1, 2, 3]}, INTENDED: {0: [1, 2, 3]}}
    profiles = read(tags)
    assert profiles.steps.tolist() == [10, 20]
    np.testing.assert_array_equal(profiles.values, stacked(10, 20))
    assert np.isnan(profiles.intended).all()


def test_steps_that_come_back_take_the_place_of_lost_ones():
    class Resumed(FakeProvider):
        def read_tensors(self, *arguments, **keywords):
            steps = [0, 10, 20, 30, 20, 30, 30, 40]
            vectors = np.arange(16.0).reshape(8, 2)
            data = [TensorDatum(s, 0.0, v) for s, v in zip(steps, vectors, strict=True)]
            intended = [TensorDatum(0, 0.0, np.full(2, v)) for v in (0.1, 0.2)]
            return {"run": {TAG: data, INTENDED: intended}}

    reader = ProfileReader(Resumed({"run": {}}), 1000)
    profiles = reader.read("context", "id", "run", KEY, num_layers=2)
    assert profiles.steps.tolist() == [0, 10, 20, 30, 40]
    assert profiles.values[:, 0].tolist() == [0, 2, 8, 12, 14]
    np.testing.assert_array_equal(profiles.intended, np.full(2, 0.2, "float32"))


def test_a_start_that_comes_back_takes_the_place_of_the_lost_one():
    class Begun(FakeProvider):
        def read_tensors(self, *arguments, **keywords):
            starts = [TensorDatum(0, 0.0, np.full(2, float(v))) for v in (1, 2)]
            return {
                "run": {START: starts, TAG: [TensorDatum(10, 0.0, np.full(2, 3.0))]}
            }

    reader = ProfileReader(Begun({"run": {}}), 1000)
    profiles = reader.read("context", "id", "run", KEY, num_layers=2)
    assert profiles.steps.tolist() == [0, 10]
    assert profiles.values[:, 0].tolist() == [2, 3]


def test_no_more_than_asked_for():
    assert read({TAG: VALUES}, most=2).steps.tolist() == [20, 30]


def test_runs():
    other = "initkit/gradient_mean"
    assert runs({TAG: VALUES, other: {40: [0, 0]}, START: {0: [0, 0]}}) == [
        {
            "name": "run",
            "layers": LAYERS,
            "statistics": ["gradient_mean", KEY],
            "last_step": 40,
        }
    ]


def test_runs_are_sorted_by_name():
    names = ["b", "a/2", "a", "a/10"]
    provider = FakeProvider({name: {TAG: VALUES} for name in names})
    found = ProfileReader(provider, 1000).runs("context", "id")
    assert [run["name"] for run in found] == ["a", "a/10", "a/2", "b"]


def test_a_run_without_a_step_yet():
    (run,) = runs({START: {0: VALUES[0]}, INTENDED: {0: VALUES[0]}})
    assert run == {"name": "run", "error": "No step was recorded yet."}


def test_a_run_of_a_newer_version():
    (run,) = runs({TAG: VALUES}, b'{"version": 2, "layers": ["a", "b"]}')
    assert run.keys() == {"name", "error"}
    assert "newer keras_initkit" in run["error"]
    assert run["error"].endswith("Received: version=2.")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\xff\xfe", b"null", b"[]", b"7", b"{}", b'{"version": 1}'),
        b'{"version": "x", "layers": []}',
        b'{"version": 1, "layers": 7}',
        b'{"version": 1, "layers": [7]}',
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 5000,
    ],
)
def test_a_run_with_broken_plugin_data(content):
    (run,) = runs({TAG: VALUES}, content)
    assert run.keys() == {"name", "error"}
    assert run["error"].startswith("The statistics cannot be read: ")


def test_a_tag_of_somebody_else_under_our_name():
    """It harms no other run."""
    found = runs({TAG: VALUES, "elsewhere/weight_mean": VALUES, "plain": VALUES})
    assert [run["name"] for run in found] == ["run"]
    assert KEY in found[0]["statistics"]
