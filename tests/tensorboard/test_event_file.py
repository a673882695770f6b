import os
import re
import resource
import struct
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_file_loader import (
    LegacyEventFileLoader,
)
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from keras_initkit.tensorboard.event_file import EventFile


def event(step, value=0.0):
    summary = Summary(value=[Summary.Value(tag="a", simple_value=value)])
    return Event(step=step, wall_time=1.5, summary=summary)


def read(path):
    """TensorBoard's own reader; it checks both checksums of every event."""
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


def test_an_event_for_which_there_is_no_room_leaves_no_part_behind(tmp_path):
    with EventFile(tmp_path) as file:
        file.add(event(1))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        room = file.path.stat().st_size + 10
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match=re.escape(str(file.path))):
                file.add(event(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        file.add(event(3))
    assert [e.step for e in read(file.path)] == [0, 1, 3]


def test_files_of_one_directory_sort_in_the_order_of_their_making(tmp_path):
    paths = []
    for _ in range(12):
        with EventFile(tmp_path) as file:
            paths.append(file.path)
    assert len(set(paths)) == 12
    assert sorted(paths) == paths


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        EventFile(tmp_path / "file" / "run")


def test_the_writers_import_neither_keras_nor_tensorflow():
    code = (
        "from keras_initkit.tensorboard.event_file import EventFile;"
        "from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter;"
        "import tempfile; file = EventFile(tempfile.mkdtemp());"
        "LayerStatsWriter(file, ['weight_mean'], ['a'], 'table'); file.close();"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    # The package's __init__ imports keras, so that its parts are reached without it.
    stub = (
        "import sys, types; p = types.ModuleType('keras_initkit');"
        f"p.__path__ = [{os.path.dirname(sys.modules['keras_initkit'].__file__)!r}];"
        "sys.modules['keras_initkit'] = p;"
    )
    subprocess.run([sys.executable, "-c", stub + code], check=True)
