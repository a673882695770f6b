"""Records become the events that TensorBoard and our tab show."""

import time
from collections.abc import Sequence

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import (
    DATA_CLASS_TENSOR,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.text.summary_v2 import text_pb

from keras_initkit.stats.history import Records
from keras_initkit.tensorboard.event_file import EventFile
from tensorboard_plugin_initkit.metadata import (
    INTERVAL_TAG,
    LAYER_TABLE_TAG,
    PLUGIN_NAME,
    plugin_content,
    scalar_tag,
    vector_tag,
)

SCALAR_KEYS = ("weight_variance", "gradient_variance")


class LayerStatsWriter:
    """Writes the statistics of a model's layers into an event file.

    An event for each step holds, for every statistic, one float32 vector over the
    layers under `initkit/<statistic>`, and for weight and gradient variance also one
    scalar for each layer under `<statistic>/<number>_<layer>`, which any TensorBoard
    shows. A text table of the layers goes first, under `layers`. The interval between
    the recorded steps is a scalar of the run, under `recording/interval`.

    Args:
        file: where the events go.
        keys: names of the statistics, in the order of the records' second axis.
        layers: names of the layers, in the order of the third.
        table: what is known of the layers, in Markdown.

    Raises:
        OSError: if the disk is full, or the file or its file system has gone.
    """

    def __init__(
        self, file: EventFile, keys: Sequence[str], layers: Sequence[str], table: str
    ) -> None:
        self._file = file
        self._metadata = [_metadata(key, layers) for key in keys]
        self._scalar_rows = [i for i, key in enumerate(keys) if key in SCALAR_KEYS]
        scalars = [
            _scalar(scalar_tag(keys[row], number, layer, len(layers)))
            for row in self._scalar_rows
            for number, layer in enumerate(layers)
        ]
        vectors = [_vector(vector_tag(key), len(layers)) for key in keys]
        self._template = _Template(vectors + scalars)
        file.add(Event(wall_time=time.time(), summary=text_pb(LAYER_TABLE_TAG, table)))

    def write(self, records: Records) -> None:
        """Writes an event for each record.

        Raises:
            OSError: if the disk is full, or the file or its file system has gone.
        """
        for step, values in zip(records.steps, records.values, strict=True):
            numbers = np.concatenate([values, values[self._scalar_rows]])
            head = Event(wall_time=time.time(), step=int(step)).SerializeToString()
            # Two serialized messages, one behind the other, are one message.
            event = head + self._template.filled(numbers)
            self._file.add_serialized(
                self._with_metadata(event) if self._metadata else event
            )
            self._metadata = []

    def write_interval(self, step: int, interval: int) -> None:
        """Writes how many steps there are between two records from this step on.

        Raises:
            OSError: if the disk is full, or the file or its file system has gone.
        """
        summary = Summary(value=[_scalar(INTERVAL_TAG, interval)])
        self._file.add(Event(wall_time=time.time(), step=step, summary=summary))

    def _with_metadata(self, event: bytes) -> bytes:
        """TensorBoard learns what a tag is from the first event that has it."""
        message = Event.FromString(event)
        for value, metadata in zip(message.summary.value, self._metadata, strict=False):
            value.metadata.CopyFrom(metadata)
        return message.SerializeToString()


class _Template:
    """A serialized event in which only the numbers are still to be filled in.

    To build every event anew costs a microsecond for each of its scalars, which is two
    in a hundred of the training step of a deep, narrow network.

    Args:
        values: their numbers, float32 zeros, are the last that is serialized of each.
    """

    def __init__(self, values: Sequence[Summary.Value]) -> None:
        parts = [Summary(value=[value]).SerializeToString() for value in values]
        summary = Summary.FromString(b"".join(parts))
        event = Event(summary=summary).SerializeToString()
        self._bytes = np.frombuffer(event, np.uint8)
        ends = len(event) - sum(map(len, parts)) + np.cumsum([len(p) for p in parts])
        sizes = [len(value.tensor.tensor_content) or 4 for value in values]
        self._places = np.concatenate(
            [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        )

    def filled(self, numbers: np.ndarray) -> bytes:
        """The event with these numbers, as many as there are zeros."""
        event = self._bytes.copy()
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            event[self._places] = numbers.astype("<f4").ravel().view(np.uint8)
        return event.tobytes()


def _scalar(tag: str, number: float = 0) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=number)


def _vector(tag: str, size: int) -> Summary.Value:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size)])
    tensor = TensorProto(
        dtype=DT_FLOAT, tensor_shape=shape, tensor_content=bytes(4 * size)
    )
    return Summary.Value(tag=tag, tensor=tensor)


def _metadata(key: str, layers: Sequence[str]) -> SummaryMetadata:
    plugin_data = SummaryMetadata.PluginData(
        plugin_name=PLUGIN_NAME, content=plugin_content(layers)
    )
    return SummaryMetadata(
        display_name=key, plugin_data=plugin_data, data_class=DATA_CLASS_TENSOR
    )
