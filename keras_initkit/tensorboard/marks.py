"""Marks in a run, by which a resumed training finds it."""

import time
from pathlib import Path
from typing import NamedTuple

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from keras_initkit.tensorboard.event_file import (
    EventFile,
    read_events,
    text_value,
    texts,
)

TAG = "recording/weights"


class Mark(NamedTuple):
    """The state of a training.

    Attributes:
        step: the number of its next step.
        weights: the fingerprint of its weights.
    """

    step: int
    weights: str


def write_mark(file: EventFile, mark: Mark) -> None:
    """Writes a mark, which TensorBoard does not show.

    Raises:
        OSError: if the disk is full, or the file or its file system has gone.
    """
    summary = Summary(value=[text_value(TAG, mark.weights)])
    file.add(Event(wall_time=time.time(), step=mark.step, summary=summary))


def read_marks(run: Path) -> list[Mark]:
    """The marks of a run, oldest first. A damaged file gives those before the damage.

    Args:
        run: the directory of the run.
    """
    return [
        Mark(*found)
        for path in sorted(run.glob("*tfevents*"))
        for found in texts(read_events(path), TAG)
    ]
