"""The findings of a training in its event file: a text, and JSON to read back."""

import json
import time
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.text.summary_v2 import text_pb

from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.diagnosis.finding import Finding
from keras_initkit.tensorboard.event_file import EventFile
from tensorboard_plugin_initkit.metadata import (
    FINDINGS_DATA_TAG,
    FINDINGS_TAG,
    PLUGIN_NAME,
)


def write_diagnosis(file: EventFile, step: int, diagnosis: Diagnosis) -> None:
    """Writes all findings so far, which take the place of those before.

    Raises:
        OSError: if it cannot be written.
    """
    summary = text_pb(FINDINGS_TAG, diagnosis.to_markdown())
    content = json.dumps([finding.to_dict() for finding in diagnosis]).encode()
    metadata = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME)
    )
    tensor = TensorProto(dtype=DT_STRING, string_val=[content])
    value = Summary.Value(tag=FINDINGS_DATA_TAG, tensor=tensor, metadata=metadata)
    summary.value.append(value)
    file.add(Event(wall_time=time.time(), step=step, summary=summary))


def read_findings(run: str | PathLike[str]) -> list[Finding]:
    """The last findings that were written in the directory of a run.

    Args:
        run: a directory with event files.

    Raises:
        OSError: if a file cannot be read.
    """
    found: list[Finding] = []
    for path in sorted(Path(run).glob("*tfevents*")):
        for content in _contents(path):
            found = [Finding.from_dict(attributes) for attributes in content]
    return found


def _contents(path: Path) -> Iterator[list[dict]]:
    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.tag == FINDINGS_DATA_TAG:
                yield json.loads(value.tensor.string_val[0])
