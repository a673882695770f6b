import pytest

from keras_initkit.stats.schedule import Schedule


def selected(schedule, steps, **times):
    return [step for step in range(steps) if schedule.selects(step, **times)]


def test_the_first_steps_and_then_one_in_update_freq():
    assert selected(Schedule(50, 3), 160) == [0, 1, 2, 50, 100, 150]


def test_another_interval_leaves_the_first_steps():
    assert selected(Schedule(5, 3), 25, interval=10) == [0, 1, 2, 10, 20]
    assert selected(Schedule("epoch", 0), 9, interval=2, epoch_start=7) == [7]


def test_batch_is_every_step():
    assert selected(Schedule("batch", 0), 5) == [0, 1, 2, 3, 4]


def test_auto_is_one_in_fifty_or_fewer():
    schedule = Schedule("auto", 2)
    assert schedule.is_auto
    assert selected(schedule, 160) == [0, 1, 50, 100, 150]
    assert selected(schedule, 160, interval=70) == [0, 1, 70, 140]
    assert not Schedule(50, 2).is_auto
    assert not Schedule("epoch").is_auto


def test_epoch_is_its_first_step():
    assert selected(Schedule("epoch", 2), 30, epoch_start=10) == [0, 1, 10]


@pytest.mark.parametrize("update_freq", [0, -1, 2.0, True, None, "step"])
def test_bad_update_freq(update_freq):
    with pytest.raises(ValueError, match=f"Received: update_freq={update_freq!r}"):
        Schedule(update_freq, 20)


@pytest.mark.parametrize("warmup_steps", [-1, 1.5, None, True])
def test_bad_warmup_steps(warmup_steps):
    with pytest.raises(ValueError, match=f"Received: warmup_steps={warmup_steps!r}"):
        Schedule(50, warmup_steps)
