"""Measured costs and their consequences, with a clock set by hand."""

import pytest

from keras_initkit.stats import overhead
from keras_initkit.stats.overhead import MIN_LAPS, NUM_TRACED, Cost, Overhead


class Steps:
    """Stands in for a session with steps of a given time."""

    def __init__(self, monkeypatch):
        self.num_rows = 0
        self.now = 0.0
        monkeypatch.setattr(overhead.time, "perf_counter", lambda: self.now)

    def wait(self):
        pass

    def take(self, seconds, is_recorded):
        self.now += seconds
        self.num_rows += is_recorded


@pytest.fixture
def steps(monkeypatch):
    return Steps(monkeypatch)


def laps(overhead, steps, seconds, is_recorded, count):
    """The results of the laps, in order."""
    results = []
    for _ in range(count):
        steps.take(seconds, is_recorded)
        results.append(overhead.lap())
    return results


NUM_LAPS = NUM_TRACED + MIN_LAPS


def test_the_cost_is_the_difference_of_the_medians(steps):
    overhead = Overhead(steps, 0.02)
    overhead.lap()
    assert laps(overhead, steps, 0.5, True, NUM_LAPS) == [None] * NUM_LAPS
    *before, cost = laps(overhead, steps, 0.25, False, NUM_LAPS)
    assert before == [None] * (NUM_LAPS - 1)
    assert cost == pytest.approx(Cost(step=0.25, record=0.25))


def test_tracing_and_a_few_slow_steps_do_not_count(steps):
    overhead = Overhead(steps, 0.02)
    overhead.lap()
    for is_recorded, seconds in ((True, 0.3), (False, 0.2)):
        laps(overhead, steps, 60.0, is_recorded, NUM_TRACED)
        laps(overhead, steps, 5.0, is_recorded, 3)
        (*_, cost) = laps(overhead, steps, seconds, is_recorded, MIN_LAPS - 3)
    assert cost == pytest.approx(Cost(step=0.2, record=0.1))


def test_what_lies_between_two_epochs_does_not_count(steps):
    overhead = Overhead(steps, 0.02)
    overhead.lap()
    laps(overhead, steps, 0.3, True, NUM_LAPS)
    cost = None
    while cost is None:
        overhead.pause()
        steps.now += 100.0  # validation
        overhead.lap()
        (cost,) = laps(overhead, steps, 0.2, False, 1)
    assert cost == pytest.approx(Cost(step=0.2, record=0.1))


@pytest.mark.parametrize(
    ("cost", "interval"),
    [
        # 1 ms in 50 steps of 1 ms is 2 %.
        (Cost(step=1e-3, record=1e-3), 50),
        (Cost(step=1e-3, record=4e-3), 200),
        (Cost(step=1e-3, record=1.01e-3), 51),
        (Cost(step=1.0, record=1e-3), 1),
    ],
)
def test_the_interval_keeps_to_the_share(cost, interval, steps):
    assert Overhead(steps, 0.02).interval_for(cost) == interval
