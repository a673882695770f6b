import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_initkit.tensorboard.event_file import EventFile, read_events
from keras_initkit.tensorboard.marks import Mark, read_marks, write_mark

MARKS = [Mark(0, "ab"), Mark(7, "cd"), Mark(2**40, "ef")]


@pytest.fixture
def run(tmp_path):
    for part in (MARKS[:2], MARKS[2:]):  # a resumed training: two files
        with EventFile(tmp_path) as file:
            for mark in part:
                write_mark(file, mark)
    return tmp_path


def test_what_was_written_is_read_in_this_order(run):
    assert read_marks(run) == MARKS


def test_tensorboard_reads_the_file_and_shows_nothing(run):
    accumulator = EventAccumulator(str(run)).Reload()
    assert accumulator.Tags()["tensors"] == ["recording/weights"]
    assert accumulator.summary_metadata == {}  # without a plugin


@pytest.mark.parametrize("damage", ["cut", "flipped", "length"])
def test_a_damaged_file_is_read_up_to_there(damage, run):
    first, _ = sorted(run.iterdir())
    data = bytearray(first.read_bytes())
    (size,) = np.frombuffer(data[:8], "<u8")  # after the header, two marks follow
    place = {"cut": len(data) - 3, "flipped": len(data) - 6, "length": size + 16}
    if damage == "cut":
        del data[place[damage] :]
    else:
        data[place[damage]] ^= 1
    first.write_bytes(data)
    kept = [] if damage == "length" else MARKS[:1]
    assert read_marks(run) == [*kept, MARKS[2]]


def test_no_file_has_no_events(tmp_path):
    assert list(read_events(tmp_path / "none")) == []
