"""A TensorBoard event file, written and read without TensorFlow."""

import contextlib
import errno
import itertools
import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import google_crc32c
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING

# Sizes in the TFRecord format, in bytes.
LENGTH_SIZE, CRC_SIZE = 8, 4
# The time in the name of a file: seconds, with or without microseconds.
_TIME = re.compile(r"tfevents\.(\d{10})(?:\.(\d{6}))?\.")
_numbers = itertools.count()


class EventFile:
    """Appends events to a new file that TensorBoard finds in its directory.

    Each event is one unbuffered write. You can read it at once, and it survives if the
    process is killed. An event is written completely or not at all. When the cause of
    an error is gone, writing continues.

    Examples:

    >>> with EventFile("logs/run") as file:
    ...     file.add(Event(step=0, wall_time=time.time()))
    ...     file.add(Event(step=3, wall_time=time.time()))

    Args:
        directory: the directory of the file; it is made if it does not exist.

    Attributes:
        path: the file.

    Raises:
        OSError: if the directory or the file cannot be made.
    """

    def __init__(self, directory: str | PathLike[str]) -> None:
        Path(directory).mkdir(parents=True, exist_ok=True)
        self.path = Path(directory, _next_name(Path(directory)))
        self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115
        # Some file systems do not count links, so 0 means nothing there.
        self._counts_links = os.fstat(self._file.fileno()).st_nlink > 0
        self._size = 0
        try:
            self.add(Event(wall_time=time.time(), file_version="brain.Event:2"))
        except BaseException:
            self.close()
            raise

    def add(self, event: Event) -> None:
        """Writes an event.

        Raises:
            FileNotFoundError: if the file was removed, or another program made it
                shorter. Its content is lost, and further events could not be read.
            OSError: if the disk is full or the file system has gone.
        """
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        frame = b"".join((length, _masked_crc(length), data, _masked_crc(data)))
        self._check()
        try:
            self._write(frame)
        except BaseException as error:  # a user's interrupt is no OSError
            # The original error says more than that of a lost file system.
            with contextlib.suppress(OSError):
                self._drop_part()
            if isinstance(error, OSError):
                error.filename = str(self.path)
            raise

    def close(self) -> None:
        """Closes the file, if it is open."""
        self._file.close()

    def __enter__(self) -> "EventFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        """Checks that the file is still in a directory, and ends with a whole event."""
        status = os.fstat(self._file.fileno())
        if self._counts_links and not status.st_nlink:
            # The system would go on writing, and free it all when the file is closed.
            raise self._gone(os.strerror(errno.ENOENT))
        if status.st_size < self._size:
            # The system would fill the gap with zeros, which end every reading.
            raise self._gone("Another program has made the file shorter")
        if status.st_size > self._size:
            self._drop_part()

    def _gone(self, cause: str) -> FileNotFoundError:
        return FileNotFoundError(errno.ENOENT, cause, str(self.path))

    def _write(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:
            # A full disk writes only a part. The next write raises the reason.
            rest = rest[self._file.write(rest) :]
        self._size += len(frame)

    def _drop_part(self) -> None:
        """Drops a partial event, at which TensorBoard would stop for good."""
        self._file.seek(self._size)
        self._file.truncate()


def _next_name(directory: Path) -> str:
    """A name after all existing ones, because TensorBoard reads files in that order.

    It has the current time, or that of the newest file if the clock is behind.
    """
    microseconds = int(time.time() * 1e6)
    for path in directory.glob("*tfevents*"):
        if found := _TIME.search(path.name):
            # A name with whole seconds sorts after all others in its second.
            newest = int(found[1] + (found[2] or "999999"))
            microseconds = max(microseconds, newest + 1)
    seconds, rest = divmod(microseconds, 10**6)
    return (
        f"events.out.tfevents.{seconds:010d}.{rest:06d}.{socket.gethostname()}."
        f"{os.getpid()}.{next(_numbers)}"
    )


def read_events(path: str | PathLike[str]) -> Iterator[Event]:
    """The events of a file, up to the first one that is damaged or cannot be read.

    Examples:

    >>> with EventFile("logs/run") as file:
    ...     file.add(Event(step=3, wall_time=time.time()))
    >>> [event.step for event in read_events(file.path)]
    [0, 3]
    """
    with contextlib.suppress(OSError), open(path, "rb") as file:
        yield from events_in(file)


def events_in(file: BinaryIO) -> Iterator[Event]:
    """The events of an open file, up to the first one that is damaged."""
    end = os.fstat(file.fileno()).st_size
    with contextlib.suppress(DecodeError):
        while len(head := file.read(LENGTH_SIZE + CRC_SIZE)) == LENGTH_SIZE + CRC_SIZE:
            length, crc = head[:LENGTH_SIZE], head[LENGTH_SIZE:]
            (size,) = struct.unpack("<Q", length)
            # A file may claim more bytes than there is memory.
            if crc != _masked_crc(length) or size > end - file.tell():
                return
            data = file.read(size)
            if file.read(CRC_SIZE) != _masked_crc(data):
                return
            yield Event.FromString(data)


def text_value(
    tag: str, text: str, metadata: SummaryMetadata | None = None
) -> Summary.Value:
    """A string to read back, which TensorBoard does not show."""
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
    tensor.tensor_shape.SetInParent()  # rank 0, not an unknown rank
    return Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


def texts(events: Iterable[Event], tag: str) -> Iterator[tuple[int, str]]:
    """The step and the text of each `text_value` with this tag."""
    for event in events:
        for value in event.summary.value:
            if value.tag == tag:
                # Another program's value may have no string.
                for text in value.tensor.string_val[:1]:
                    yield event.step, text.decode(errors="replace")


def _masked_crc(data: bytes) -> bytes:
    """The checksum of the TFRecord format: a CRC-32C, rotated and shifted."""
    crc = google_crc32c.value(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)
