"""Turns records into the events that TensorBoard and our tab show."""

import itertools
import time
from collections.abc import Mapping, Sequence

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
from keras_initkit.tensorboard.custom_scalars import write_layout
from keras_initkit.tensorboard.depth_profile import depth_profile_value
from keras_initkit.tensorboard.depth_summary import depth_summary
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.thinning import is_kept
from tensorboard_plugin_initkit.metadata import (
    INTERVAL_TAG,
    LAYER_TABLE_TAG,
    LEARNING_RATE_TAG,
    LOSS_TAG,
    PLUGIN_NAME,
    epoch_tag,
    intended_tag,
    naming_key,
    plugin_content,
    scalar_tag,
    start_tag,
    summary_tags,
    vector_tag,
)
from tensorboard_plugin_initkit.scales import scale

# The statistics with a scalar for each layer, for a TensorBoard without our tab.
LAYER_KEYS = ("weight_variance", "gradient_variance")
# TensorBoard keeps 1000 values of a scalar. About as many of 10,000 are written.
# More would only take up its memory, some 370 bytes each.
MAX_SCALARS, MAX_PROFILES = 256, 32
# Layers of a larger network have no scalars of their own, for the same reason.
MAX_LAYERS = 1000


class LayerStatsWriter:
    """Writes the statistics of a model's layers into an event file.

    The event of each step holds one float32 vector over the layers for every statistic,
    `initkit/<statistic>`. The first vector is also `initkit/<statistic>/start`.

    Any TensorBoard shows these scalars: weight and gradient variance of each layer, as
    `<statistic>/<number>_<layer>`, unless there are more than `MAX_LAYERS`; and the
    median, the 10th and the 90th percentile of every statistic over the layers, as
    `all_layers/<statistic>/...`, or `all_layers/log10_<statistic>/...` if its axis in
    our tab is logarithmic. It shows the profiles of weight and gradient variance over
    depth as histograms, `<statistic>_profile_over_depth/ridges`. The first
    `MAX_SCALARS` records have scalars and the first `MAX_PROFILES` have profiles, and
    then ever fewer, because TensorBoard keeps no more.

    The loss and the learning rate of each record, if known, are `training/loss` and
    `training/learning_rate`. Losses and metrics of each epoch are `epoch/...`. A text
    table of the layers, `layers`, and the layout of Custom Scalars come first. The
    interval between the recorded steps is the scalar `recording/interval`.

    Args:
        file: where the events go.
        keys: names of the statistics, in the order of the records' second axis.
        layers: names of the layers, in the order of the third.
        table: a description of the layers, in Markdown.

    Raises:
        OSError: if the disk is full, or the file or its file system has gone.
    """

    def __init__(
        self,
        file: EventFile,
        keys: Sequence[str],
        layers: Sequence[str],
        table: str,
    ) -> None:
        self._file = file
        self._layer_keys = [key for key in keys if key in LAYER_KEYS]
        self._layer_rows = [keys.index(key) for key in self._layer_keys]
        self._scalar_rows = self._layer_rows if len(layers) <= MAX_LAYERS else []
        layer_tags = [
            scalar_tag(keys[row], number, layer, len(layers))
            for row in self._scalar_rows
            for number, layer in enumerate(layers)
        ]
        logarithmic = [scale(key).logarithmic for key in keys]
        self._logarithmic = np.flatnonzero(logarithmic)
        summaries = zip(*map(summary_tags, keys, logarithmic), strict=True)
        self._vector_tags = [vector_tag(key) for key in keys]
        self._start_tags = [start_tag(key) for key in keys]
        self._scalar_tags = [*layer_tags, *itertools.chain.from_iterable(summaries)]
        naming = naming_key(keys)
        self._metadata = [
            _metadata(key, layers if key == naming else ()) for key in keys
        ]
        self._num_written = 0
        self._measured: np.ndarray | None = None  # in the first record
        self._known: set[str] = set()  # tags of the whole network with a number so far
        file.add(Event(wall_time=time.time(), summary=text_pb(LAYER_TABLE_TAG, table)))
        write_layout(file, keys, [keys[row] for row in self._scalar_rows])

    def write(self, records: Records) -> None:
        """Writes an event for each record.

        Raises:
            OSError: if the disk is full, or the file or its file system has gone.
        """
        for step, row, _, loss, rate in zip(*records, strict=True):
            summary = Summary(value=self._vectors(row))
            if is_kept(self._num_written, MAX_SCALARS):
                summary.value.extend(self._scalars(row))
                summary.value.extend(self._of_network(LOSS_TAG, loss))
                summary.value.extend(self._of_network(LEARNING_RATE_TAG, rate))
            if is_kept(self._num_written, MAX_PROFILES):
                summary.value.extend(self._profiles(row))
            event = Event(wall_time=time.time(), step=int(step), summary=summary)
            self._file.add(event)
            self._num_written += 1

    def write_intended(self, key: str, values: np.ndarray) -> None:
        """Writes a statistic of the layers as their initializers intend it.

        Args:
            key: its name; the tag is `initkit/<key>/intended`.
            values: shape (layers,); NaN if unknown.

        Raises:
            OSError: if the disk is full, or the file or its file system has gone.
        """
        value = _vector(intended_tag(key), values, _metadata(key, ()))
        self._file.add(Event(wall_time=time.time(), summary=Summary(value=[value])))

    def write_interval(self, step: int, interval: int) -> None:
        """Writes the number of steps between two records from this step on.

        Raises:
            OSError: if the disk is full, or the file or its file system has gone.
        """
        summary = Summary(value=[_scalar(INTERVAL_TAG, interval)])
        self._file.add(Event(wall_time=time.time(), step=step, summary=summary))

    def write_epoch(self, step: int, logs: Mapping[str, float]) -> None:
        """Writes the losses and metrics of an epoch that ends with this step.

        Raises:
            OSError: if the disk is full, or the file or its file system has gone.
        """
        values = [_scalar(epoch_tag(name), number) for name, number in logs.items()]
        summary = Summary(value=values)
        self._file.add(Event(wall_time=time.time(), step=step, summary=summary))

    def _of_network(self, tag: str, number: float) -> list[Summary.Value]:
        # NaN means unknown until there has been a number.
        if not np.isnan(number):
            self._known.add(tag)
        return [_scalar(tag, number)] if tag in self._known else []

    def _vectors(self, values: np.ndarray) -> list[Summary.Value]:
        if self._num_written:
            pairs = zip(self._vector_tags, values, strict=True)
            return [_vector(tag, numbers) for tag, numbers in pairs]
        # TensorBoard learns about a tag from its first event.
        return [
            _vector(tag, numbers, metadata)
            for tags in (self._vector_tags, self._start_tags)
            for tag, numbers, metadata in zip(tags, values, self._metadata, strict=True)
        ]

    def _scalars(self, values: np.ndarray) -> list[Summary.Value]:
        of_layers = values[self._scalar_rows].ravel()
        of_depth = self._over_depth(values).ravel()
        numbers = np.concatenate([of_layers, of_depth]).tolist()
        pairs = zip(self._scalar_tags, numbers, strict=True)
        return [_scalar(tag, number) for tag, number in pairs]

    def _over_depth(self, values: np.ndarray) -> np.ndarray:
        """Percentiles; NaN if a layer has become NaN since the first record."""
        if self._measured is None:
            self._measured = ~np.isnan(values)
        shown = values.copy()
        with np.errstate(divide="ignore", invalid="ignore"):  # log10 of 0 and NaN
            shown[self._logarithmic] = np.log10(values[self._logarithmic])
        summary = depth_summary(shown)
        summary[:, (np.isnan(values) & self._measured).any(axis=1)] = np.nan
        return summary

    def _profiles(self, values: np.ndarray) -> list[Summary.Value]:
        is_first = not self._num_written
        return [
            depth_profile_value(key, values[row], with_metadata=is_first)
            for key, row in zip(self._layer_keys, self._layer_rows, strict=True)
        ]


def _scalar(tag: str, number: float) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=number)


def _vector(
    tag: str, numbers: np.ndarray, metadata: SummaryMetadata | None = None
) -> Summary.Value:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(numbers))])
    with np.errstate(over="ignore"):  # values beyond float32 become infinite
        content = numbers.astype("<f4").tobytes()
    tensor = TensorProto(dtype=DT_FLOAT, tensor_shape=shape, tensor_content=content)
    return Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


def _metadata(key: str, layers: Sequence[str]) -> SummaryMetadata:
    plugin_data = SummaryMetadata.PluginData(
        plugin_name=PLUGIN_NAME, content=plugin_content(layers)
    )
    return SummaryMetadata(
        display_name=key, plugin_data=plugin_data, data_class=DATA_CLASS_TENSOR
    )
