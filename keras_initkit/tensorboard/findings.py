"""The findings of a training in its event file: text, and JSON to read back."""

import json
import time
from os import PathLike
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, SummaryMetadata
from tensorboard.plugins.text.summary_v2 import text_pb

from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.diagnosis.finding import Finding
from keras_initkit.tensorboard.event_file import (
    EventFile,
    events_in,
    text_value,
    texts,
)
from tensorboard_plugin_initkit.metadata import (
    FINDINGS_DATA_TAG,
    FINDINGS_TAG,
    PLUGIN_NAME,
    parse_findings,
)


def write_diagnosis(file: EventFile, step: int, diagnosis: Diagnosis) -> None:
    """Writes all findings so far, which replace those before.

    Raises:
        OSError: if it cannot be written.
    """
    summary = text_pb(FINDINGS_TAG, diagnosis.to_markdown())
    content = json.dumps([finding.to_dict() for finding in diagnosis])
    metadata = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME),
        data_class=DATA_CLASS_TENSOR,  # otherwise TensorBoard does not list it
    )
    summary.value.append(text_value(FINDINGS_DATA_TAG, content, metadata))
    file.add(Event(wall_time=time.time(), step=step, summary=summary))


def read_findings(run: str | PathLike[str]) -> list[Finding]:
    """The latest findings in the directory of a run.

    Args:
        run: a directory with event files.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if its findings are malformed.
    """
    found: list[Finding] = []
    for path in sorted(Path(run).glob("*tfevents*")):
        with open(path, "rb") as file:
            for _, content in texts(events_in(file), FINDINGS_DATA_TAG):
                found = [Finding.from_dict(one) for one in parse_findings(content)]
    return found
