"""Event files of any content, with any damage, under any sequence of faults."""

import contextlib
import errno
import os
import shutil
import struct
import tempfile
import time
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_file_loader import (
    LegacyEventFileLoader,
)
from tensorboard.compat.proto.event_pb2 import Event

from keras_initkit.tensorboard import event_file
from keras_initkit.tensorboard.event_file import EventFile, read_events
from keras_initkit.tensorboard.findings import read_findings
from keras_initkit.tensorboard.marks import read_marks
from tensorboard_plugin_initkit.metadata import FINDINGS_DATA_TAG

EVENTS = st.lists(
    st.builds(
        lambda step, tag, text: Event(
            step=step, summary={"value": [{"tag": tag, "tensor": {"string_val": text}}]}
        ),
        st.integers(-(2**63), 2**63 - 1),
        st.sampled_from(["recording/weights", FINDINGS_DATA_TAG, "a"]),
        st.lists(st.binary(max_size=50), max_size=2),
    ),
    max_size=6,
)
FAULTS = ["add", "add", "add", "truncate", "remove", "full", "clock back", "reopen"]


@contextlib.contextmanager
def directory():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path, "run")


def write(run, events):
    with EventFile(run) as file:
        for event in events:
            file.add(event)
    return file.path


def frame(data):
    length = struct.pack("<Q", len(data))
    crc = event_file._masked_crc
    return length + crc(length) + data + crc(data)


@given(EVENTS)
def test_any_events_are_read_as_they_were_written(events):
    with directory() as run:
        path = write(run, events)
        assert list(read_events(path))[1:] == events
        assert list(LegacyEventFileLoader(str(path)).Load())[1:] == events


@given(EVENTS, st.data())
def test_a_damaged_file_is_read_up_to_the_damage(events, data):
    with directory() as run:
        path = write(run, events)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] ^= data.draw(st.integers(1, 255))
        else:
            del content[place:]
        whole = list(read_events(path))
        path.write_bytes(content)
        found = list(read_events(path))
        assert found == whole[: len(found)]
        assert len(found) < len(whole)
        _read_all(run)


@given(st.lists(st.binary(max_size=60), max_size=5), st.binary(max_size=40))
def test_a_file_of_any_bytes_raises_nothing(parts, rest):
    with directory() as run:
        run.mkdir()
        (run / "events.out.tfevents.1").write_bytes(b"".join(map(frame, parts)) + rest)
        _read_all(run)


@given(st.integers(0, 2**64 - 1))
def test_a_record_that_promises_any_length_takes_no_memory(length):
    with directory() as run:
        run.mkdir()
        head = struct.pack("<Q", length)
        path = run / "events.out.tfevents.1"
        path.write_bytes(head + event_file._masked_crc(head) + b"short")
        assert list(read_events(path)) == []


@given(st.lists(st.sampled_from(FAULTS), max_size=30))
def test_after_any_faults_a_run_has_all_since_it_was_last_written_anew(faults):
    """A writer that starts again if its file is gone, like `LayerStatsCallback`."""
    now, kept = time.time(), []
    with directory() as run, contextlib.ExitStack() as stack:
        clock = stack.enter_context(mock.patch("time.time", side_effect=lambda: now))
        assert clock() == now
        file = EventFile(run)
        for step, fault in enumerate(faults, 1):
            if fault == "truncate":
                os.truncate(file.path, file.path.stat().st_size // 2)
            elif fault == "remove":
                shutil.rmtree(run)
            elif fault == "clock back":
                now -= 60
            if fault in ("reopen", "clock back"):
                file.close()
                file = EventFile(run)
            if fault == "full":
                full = OSError(errno.ENOSPC, "No space left on device")
                with mock.patch.object(file, "_write", side_effect=full):
                    assert not _added(file, step)
            elif _added(file, step):
                kept.append(step)
            else:
                file.close()
                file, kept = EventFile(run), [step]
                assert _added(file, step)
        file.close()
        found = [
            event.step
            for path in sorted(run.glob("*tfevents*"))
            for event in read_events(path)
            if event.step
        ]
    assert found[len(found) - len(kept) :] == kept
    assert found == sorted(found)


def _added(file, step):
    try:
        file.add(Event(step=step))
    except OSError:
        return False
    return True


def _read_all(run):
    read_marks(run)
    with contextlib.suppress(ValueError):  # malformed findings
        read_findings(run)
