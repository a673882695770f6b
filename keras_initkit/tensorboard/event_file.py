"""A TensorBoard event file, written without TensorFlow."""

import errno
import itertools
import os
import socket
import struct
import time
from os import PathLike
from pathlib import Path

import google_crc32c
from tensorboard.compat.proto.event_pb2 import Event

_numbers = itertools.count()


class EventFile:
    """Appends events to a new file that TensorBoard finds in its directory.

    Each event is one unbuffered write: what was added can be read at once, and is
    there after the process has been killed.

    Example:

    >>> with EventFile("logs/run") as file:
    ...     file.add(Event(step=0, wall_time=time.time(), summary=summary))

    Args:
        directory: it is made if it is not there.

    Attributes:
        path: the file.

    Raises:
        OSError: if the directory or the file cannot be made.
    """

    def __init__(self, directory: str | PathLike[str]) -> None:
        Path(directory).mkdir(parents=True, exist_ok=True)
        # The order of the names is the order in which TensorBoard reads the files.
        name = (
            f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}."
            f"{os.getpid()}.{next(_numbers)}"
        )
        self.path = Path(directory, name)
        self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115
        self._size = 0
        self.add(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, event: Event) -> None:
        """Writes an event.

        Raises:
            OSError: if the disk is full or the file system has gone.
        """
        self.add_serialized(event.SerializeToString())

    def add_serialized(self, data: bytes) -> None:
        """Writes an event that is serialized already.

        Raises:
            OSError: if the disk is full or the file system has gone.
        """
        length = struct.pack("<Q", len(data))
        frame = b"".join((length, _masked_crc(length), data, _masked_crc(data)))
        if self._file.write(frame) < len(frame):
            # TensorBoard would stop for good at an event that is there in part.
            self._file.seek(self._size)
            self._file.truncate()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._size += len(frame)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> "EventFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _masked_crc(data: bytes) -> bytes:
    """The checksum of the TFRecord format: a CRC-32C, rotated and shifted."""
    crc = google_crc32c.value(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)
