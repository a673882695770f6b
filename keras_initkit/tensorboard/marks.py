"""Marks in a run, by which a training that goes on finds it again."""

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
    """Where a training was.

    Attributes:
        step: the number of its next step.
        weights: what tells its weights from those of any other.
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
    """The marks of a run, oldest first; of a file that is damaged, those before that.

    Args:
        run: directory of the run.
    """
    return [
        Mark(*found)
        for path in sorted(run.glob("*tfevents*"))
        for found in texts(read_events(path), TAG)
    ]
