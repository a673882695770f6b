import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_initkit.experiments.run_directory import fresh_run_directory
from keras_initkit.tensorboard.runs import new_run, runs_with_events

TOGETHER = 16


def test_runs_are_numbered_from_the_second_on(tmp_path):
    made = [new_run(tmp_path / "logs", "net") for _ in range(3)]
    assert made == [tmp_path / "logs" / name for name in ("net", "net_2", "net_3")]


@pytest.mark.parametrize("make", [lambda d: new_run(d, "net"), fresh_run_directory])
def test_no_two_that_begin_at_once_get_the_same_one(tmp_path, make):
    barrier = threading.Barrier(TOGETHER)

    def make_together(_):
        barrier.wait()
        return make(tmp_path / "logs")

    with ThreadPoolExecutor(TOGETHER) as pool:
        made = list(pool.map(make_together, range(TOGETHER)))
    assert len(set(made)) == TOGETHER
    assert set(made) == set((tmp_path / "logs").iterdir())


def test_a_run_without_events_hides_none_behind_it(tmp_path):
    runs = [new_run(tmp_path, "net") for _ in range(3)]
    for run in (runs[0], runs[2]):
        (run / "events.out.tfevents.1").touch()
    assert runs_with_events(tmp_path, "net") == [runs[0], runs[2]]


def test_a_link_to_nowhere_is_an_error(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="link"):
        new_run(tmp_path / "link", "net")
