"""Laps of a simulated machine, whose costs are known."""

import random

import pytest

from keras_initkit.stats.overhead import Overhead
from keras_initkit.stats.schedule import Schedule

STEP = 0.01  # seconds


class Machine:
    """Trains and records; a step takes `STEP` seconds and a record `record` more."""

    def __init__(self, schedule, record, noise=None):
        self.schedule = schedule
        self.record = record
        self.noise = noise or (lambda: 1)
        self.time = 100.0
        self.step = 0
        self.records = 0

    def run(self, overhead, laps):
        overhead.start(self.step, self.time)
        for _ in range(laps):
            is_recorded = self.schedule.selects(self.step, overhead.interval)
            self.records += is_recorded
            self.time += (STEP + self.record * is_recorded) * self.noise()
            self.step += 1
            overhead.lap(self.time)
            if overhead.is_due:
                overhead.update(self.step)


def learned(update_freq, record, laps=2000, warmup_steps=20, **machine):
    schedule = Schedule(update_freq, warmup_steps)
    overhead = Overhead(schedule, 0.02)
    Machine(schedule, record, **machine).run(overhead, laps)
    return overhead


# A record of r steps takes 2 % of the time of 50 r steps.
COSTS = pytest.mark.parametrize(
    ("update_freq", "record", "interval"),
    [
        (1, 0.011 * STEP, 1),
        (1, 0.19 * STEP, 10),
        (1, 0.99 * STEP, 50),
        (1, 3.99 * STEP, 200),
        (50, 0.19 * STEP, 50),
        (50, 3.99 * STEP, 200),
    ],
)


@COSTS
@pytest.mark.parametrize("warmup_steps", [0, 20, 100])
def test_known_costs_give_the_known_interval(
    update_freq, record, interval, warmup_steps
):
    overhead = learned(update_freq, record, warmup_steps=warmup_steps)
    assert overhead.interval == interval
    assert overhead.cost.step == pytest.approx(STEP)
    assert overhead.cost.record == pytest.approx(record)


@COSTS
def test_noise_of_a_tenth(update_freq, record, interval):
    for seed in range(10):
        draw = random.Random(seed)
        overhead = learned(
            update_freq, record, noise=lambda draw=draw: draw.lognormvariate(0, 0.1)
        )
        # The median of ten laps is within 4 % of a step, which is 2 intervals.
        assert interval / 1.5 - 4 <= overhead.interval <= 1.5 * interval + 4
        assert overhead.interval >= update_freq


def test_a_few_very_slow_laps_change_nothing():
    for seed in range(10):
        draw = random.Random(seed)
        overhead = learned(
            1, 0.99 * STEP, noise=lambda draw=draw: 100 if draw.random() < 0.02 else 1
        )
        assert overhead.interval == 50


def test_in_the_long_run_no_more_than_asked_for():
    for record in (0.001, 0.003, 0.01, 0.1, 1.0):
        schedule = Schedule(1, 20)
        overhead, machine = Overhead(schedule, 0.05), Machine(schedule, record)
        machine.run(overhead, 1000)
        begin, records = machine.time, machine.records
        machine.run(overhead, 20_000)
        share = (machine.records - records) * record / (machine.time - begin)
        # An interval is kept while it is within a quarter of the one it should be.
        assert share <= 0.05 * 1.25


def test_less_overhead_more_steps_between():
    schedule = Schedule(1, 20)
    for max_overhead, interval in ((0.5, 2), (0.1, 10), (0.01, 99)):
        overhead = Overhead(schedule, max_overhead)
        Machine(schedule, 0.985 * STEP).run(overhead, 2000)
        assert overhead.interval == interval


def test_one_step_in_two_at_most_until_the_cost_is_known():
    assert Overhead(Schedule(1), 0.02).interval == 2
    assert Overhead(Schedule(50), 0.02).interval == 50
    overhead = learned(1, STEP, laps=15)
    assert (overhead.interval, overhead.cost) == (2, None)


def test_what_lies_before_a_start_or_a_resume_is_no_lap():
    schedule = Schedule(1, 0)
    overhead, machine = Overhead(schedule, 0.02), Machine(schedule, 0.99 * STEP)
    for _ in range(1000):
        machine.run(overhead, 1)
        machine.time += 7  # the end of an epoch: then `run` calls `start`
        machine.run(overhead, 2)
        machine.time += 7  # rows are read
        overhead.resume(machine.time)
    assert overhead.interval == 50


@pytest.mark.parametrize("update_freq", [1, 3])
def test_accumulated_steps_give_the_interval_that_was_asked_for(update_freq):
    schedule = Schedule(update_freq, 0)
    overhead, machine = Overhead(schedule, 0.02), Machine(schedule, 10 * STEP)
    machine.run(overhead, 2000)
    assert overhead.interval == 500
    # Its steps were not updates: the number of the next one is smaller than expected.
    assert overhead.update(machine.step // 4)
    assert overhead.interval == update_freq
    assert not overhead.update(machine.step // 4)
    # Then there is nothing to count laps with until the next start.
    for _ in range(1000):
        overhead.lap(machine.time)
    assert not overhead.is_due


def test_update_says_whether_the_interval_has_changed():
    schedule = Schedule(1, 0)
    overhead = Overhead(schedule, 0.02)
    overhead.start(0, 0.0)
    time, changes = 0.0, []
    for step in range(3000):
        before = overhead.interval
        time += STEP + 0.99 * STEP * schedule.selects(step, before)
        overhead.lap(time)
        if overhead.is_due:
            assert overhead.update(step + 1) == (overhead.interval != before)
            changes.append(overhead.interval)
    assert changes[-1] == 50


@pytest.mark.parametrize(
    "max_overhead", [0, -0.1, float("nan"), True, False, "0.02", None, [0.02]]
)
def test_bad_max_overhead(max_overhead):
    with pytest.raises(ValueError, match="Argument `max_overhead`") as error:
        Overhead(Schedule(1), max_overhead)
    assert str(error.value).endswith(f"Received: max_overhead={max_overhead!r}")
