import contextlib
import errno
import io
import itertools
import os
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import (
    LegacyEventFileLoader,
)
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from keras_initkit.tensorboard import event_file
from keras_initkit.tensorboard.event_file import EventFile


def event(step, value=0.0):
    summary = Summary(value=[Summary.Value(tag="a", simple_value=value)])
    return Event(step=step, wall_time=1.5, summary=summary)


def read(path):
    """TensorBoard's own reader, which checks both checksums of every event."""
    return list(LegacyEventFileLoader(str(path)).Load())


def test_tensorboard_reads_what_was_written(tmp_path):
    with EventFile(tmp_path / "new" / "run") as file:
        file.add(event(3, 0.25))
        file.add(event(2**40, -1.0))
    header, *events = read(file.path)
    assert header.file_version == "brain.Event:2"
    assert [e.step for e in events] == [3, 2**40]
    assert [e.summary.value[0].simple_value for e in events] == [0.25, -1.0]
    assert file.path.name.startswith("events.out.tfevents.")


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path):
    with EventFile(tmp_path) as file:
        file.add(event(1))
    data = bytearray(file.path.read_bytes())
    data[-6] ^= 1
    file.path.write_bytes(data)
    assert [e.step for e in read(file.path)] == [0]  # the header only


def test_published_checksum():
    """RFC 3720, B.4: the CRC-32C of 32 bytes of zeros is 8a9136aa."""
    from keras_initkit.tensorboard.event_file import _masked_crc

    rotated = ((0x8A9136AA >> 15) | (0x8A9136AA << 17)) & 0xFFFFFFFF
    expected = struct.pack("<I", (rotated + 0xA282EAD8) % 2**32)
    assert _masked_crc(bytes(32)) == expected


def test_an_event_can_be_read_before_the_file_is_closed(tmp_path):
    file = EventFile(tmp_path)
    file.add(event(7))
    assert [e.step for e in read(file.path)] == [0, 7]
    file.close()


# -- faults ----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, mounted for one process and gone with it."""
    script = 'mount -t tmpfs -o size=64k none "$0" && echo mounted && exec cat'
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare")
    with subprocess.Popen(
        [*namespace, "sh", "-c", script, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        if not process.stdout.readline():
            pytest.skip("mounting is not allowed")
        yield Path(f"/proc/{process.pid}/root{tmp_path}")
        process.stdin.close()


def fill(path):
    with open(path, "wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def add_all(file, steps):
    for step in steps:
        file.add(event(step))


def test_writing_goes_on_in_the_same_file_after_the_disk_was_full(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(32 * 1024))
    with EventFile(small_disk) as file:
        watching = LegacyEventFileLoader(str(file.path))
        steps = itertools.count(1)
        with pytest.raises(OSError, match=re.escape(str(file.path))) as error:
            add_all(file, steps)
        step = next(steps) - 1
        assert error.value.errno == errno.ENOSPC
        before = [e.step for e in watching.Load()]
        assert before == [*range(step)]  # 0 is the header
        assert len(before) > 500
        with pytest.raises(OSError, match="No space left on device"):
            file.add(event(0))
        ballast.unlink()
        file.add(event(step))
        file.add(event(step + 1))
    assert [e.step for e in watching.Load()] == [step, step + 1]
    assert [e.step for e in read(file.path)] == [*range(step + 2)]


def test_a_full_disk_from_the_beginning(small_disk):
    fill(small_disk / "ballast")
    opened = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match=r"No space left on device: .*tfevents") as error:
        EventFile(small_disk)
    assert os.listdir("/proc/self/fd") == opened
    assert error.value.errno == errno.ENOSPC


def test_an_event_for_which_there_is_no_room_leaves_no_part_behind(tmp_path):
    with EventFile(tmp_path) as file:
        file.add(event(1))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        room = file.path.stat().st_size + 10
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match=re.escape(str(file.path))) as error:
                file.add(event(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert error.value.errno == errno.EFBIG
        file.add(event(3))
    assert [e.step for e in read(file.path)] == [0, 1, 3]


class FaultyFile(io.FileIO):
    """Raises each of its faults once: in the middle of a write, and while undoing it.

    They are attributes of the class; None means no fault.
    """

    at_write = at_truncate = None

    def write(self, data):
        fault, FaultyFile.at_write = FaultyFile.at_write, None
        written = super().write(data[:-2] if fault else data)
        if fault:
            raise fault
        return written

    def truncate(self, size=None):
        fault, FaultyFile.at_truncate = FaultyFile.at_truncate, None
        if fault:
            raise fault
        return super().truncate(size)


@pytest.mark.parametrize("at_truncate", [None, OSError(errno.EIO, "again")])
@pytest.mark.parametrize(
    "at_write", [KeyboardInterrupt("by the user"), OSError(errno.EIO, "by the device")]
)
def test_a_fault_in_the_middle_of_an_event(
    tmp_path, monkeypatch, at_write, at_truncate
):
    def open_faulty(path, mode, buffering):
        return FaultyFile(path, mode.replace("b", ""))

    monkeypatch.setattr(event_file, "open", open_faulty, raising=False)
    monkeypatch.setattr(FaultyFile, "at_write", None)
    monkeypatch.setattr(FaultyFile, "at_truncate", None)
    with EventFile(tmp_path) as file:
        file.add(event(1))
        size = file.path.stat().st_size
        FaultyFile.at_write, FaultyFile.at_truncate = at_write, at_truncate
        with pytest.raises(type(at_write), match="by the"):
            file.add(event(2**40))  # longer than the event after it
        assert (file.path.stat().st_size == size) == (at_truncate is None)
        file.add(event(3))
    assert [e.step for e in read(file.path)] == [0, 1, 3]
    frame = 8 + 4 + len(event(3).SerializeToString()) + 4
    assert file.path.stat().st_size == size + frame


@pytest.fixture
def alarm_interrupts():
    """The alarm signal acts like the user's Ctrl-C."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm_interrupts")
def test_an_interrupt_at_any_time_does_no_harm_to_other_events(tmp_path):
    added = []
    with EventFile(tmp_path) as file:
        for step in range(1, 2001):
            # From before the write to after it, in microseconds.
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (step % 50 + 1))
                file.add(event(step))
                signal.setitimer(signal.ITIMER_REAL, 0)
                added.append(step)
        file.add(event(2001))
    written = [e.step for e in read(file.path)]
    assert 0 < len(added) < 2000
    assert {0, 2001, *added} <= set(written)
    assert written == sorted(set(written))


def test_a_directory_that_is_removed_in_the_middle_of_a_run(tmp_path):
    with EventFile(tmp_path / "run") as file:
        file.add(event(1))
        shutil.rmtree(tmp_path / "run")
        for _ in range(2):
            with pytest.raises(FileNotFoundError, match=re.escape(str(file.path))):
                file.add(event(2))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kept", [0, 20])
def test_a_file_that_another_program_makes_shorter_is_gone(tmp_path, kept):
    """A write after its end would leave zeros before it, which end all reading."""
    with EventFile(tmp_path) as file:
        file.add(event(1))
        os.truncate(file.path, kept)
        for _ in range(2):
            with pytest.raises(FileNotFoundError, match=r"shorter.*tfevents"):
                file.add(event(2))
    assert file.path.stat().st_size == kept


def test_a_directory_that_is_moved_in_the_middle_of_a_run(tmp_path):
    with EventFile(tmp_path / "run") as file:
        (tmp_path / "run").rename(tmp_path / "better_name")
        file.add(event(1))
    moved = tmp_path / "better_name" / file.path.name
    assert [e.step for e in read(moved)] == [0, 1]


def test_a_file_system_that_counts_no_links(tmp_path, monkeypatch):
    fstat = os.fstat

    def without_links(descriptor):
        status = list(fstat(descriptor))
        status[stat.ST_NLINK] = 0
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", without_links)
    with EventFile(tmp_path) as file:
        file.add(event(1))
    assert [e.step for e in read(file.path)] == [0, 1]


def test_closing_twice(tmp_path):
    file = EventFile(tmp_path)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.add(event(1))


# -- the directory ---------------------------------------------------------------------


def test_files_of_one_directory_sort_in_the_order_of_their_making(tmp_path):
    paths = []
    for _ in range(12):
        with EventFile(tmp_path) as file:
            paths.append(file.path)
    assert len(set(paths)) == 12
    assert sorted(paths) == paths


@pytest.mark.parametrize("back", [0, 1e-6, 60, 1e9])
def test_a_clock_that_steps_back_hides_no_file(tmp_path, monkeypatch, back):
    """TensorBoard would read a later file first, and treat its steps as lost."""
    now = time.time()
    for number in range(3):
        moment = now - number * back
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        with EventFile(tmp_path) as file:
            file.add(event(number))
    accumulator = EventAccumulator(str(tmp_path)).Reload()
    assert [e.step for e in accumulator.Scalars("a")] == [0, 1, 2]


@pytest.mark.parametrize("other", ["1999999999.z.1.2.v2", "1999999999.123456.z.1.2"])
def test_a_file_comes_behind_another_program_s_that_has_a_later_time(tmp_path, other):
    (tmp_path / f"events.out.tfevents.{other}").touch()
    with EventFile(tmp_path) as file:
        assert max(tmp_path.iterdir()) == file.path


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        EventFile(tmp_path / "file" / "run")
