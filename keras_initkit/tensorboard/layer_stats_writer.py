"""Records become the events that TensorBoard and our tab show."""

import time
from collections.abc import Iterator, Sequence

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
    shows. A text table of the layers goes first, under `layers`.

    Args:
        file: where the events go.
        keys: names of the statistics, in the order of the records' second axis.
        layers: names of the layers, in the order of the third.
        table: what is known of the layers, in Markdown.

    Raises:
        OSError: if the disk is full or the file system has gone.
    """

    def __init__(
        self, file: EventFile, keys: Sequence[str], layers: Sequence[str], table: str
    ) -> None:
        self._file = file
        self._vectors = [_vector_header(key, layers) for key in keys]
        self._scalars = [
            (
                row,
                [
                    scalar_tag(key, i, name, len(layers))
                    for i, name in enumerate(layers)
                ],
            )
            for row, key in enumerate(keys)
            if key in SCALAR_KEYS
        ]
        self._add(0, text_pb(LAYER_TABLE_TAG, table))

    def write(self, records: Records) -> None:
        """Writes an event for each record.

        Raises:
            OSError: if the disk is full or the file system has gone.
        """
        for step, values in zip(records.steps, records.values, strict=True):
            self._add(step, Summary(value=self._values(values)))

    def _add(self, step: int, summary: Summary) -> None:
        self._file.add(Event(wall_time=time.time(), step=int(step), summary=summary))

    def _values(self, values: np.ndarray) -> Iterator[Summary.Value]:
        for header, vector in zip(self._vectors, values.astype("<f4"), strict=True):
            value = Summary.Value()
            value.CopyFrom(header)
            value.tensor.tensor_content = vector.tobytes()
            yield value
            header.ClearField("metadata")  # TensorBoard keeps the first it reads
        for row, tags in self._scalars:
            for tag, number in zip(tags, values[row].tolist(), strict=True):
                yield Summary.Value(tag=tag, simple_value=number)


def _vector_header(key: str, layers: Sequence[str]) -> Summary.Value:
    """A summary value that lacks its numbers only."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(layers))])
    metadata = SummaryMetadata(
        display_name=key,
        plugin_data=SummaryMetadata.PluginData(
            plugin_name=PLUGIN_NAME, content=plugin_content(layers)
        ),
        data_class=DATA_CLASS_TENSOR,
    )
    return Summary.Value(
        tag=vector_tag(key),
        metadata=metadata,
        tensor=TensorProto(dtype=DT_FLOAT, tensor_shape=shape),
    )
