"""Turns counts into the histograms of TensorBoard's own tabs."""

import time
from collections.abc import Sequence

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE
from tensorboard.plugins.histogram.metadata import create_summary_metadata

from keras_initkit.tensorboard.event_file import EventFile
from tensorboard_plugin_initkit.metadata import histogram_tag

SMALL = 1000


def histogram_value(
    tag: str, edges: np.ndarray, counts: np.ndarray, with_metadata: bool
) -> Summary.Value:
    """A histogram as the tensor that TensorBoard reads.

    The tensor has the shape (kept, 3): left edge, right edge and count of each bin from
    the first to the last that is not empty; (0, 3) if all are empty. Bins nearer to 0
    than a thousandth of the farthest edge become one, because TensorBoard divides the
    whole into 30. The dtype is float64, because float32 counts only to 2^24.

    Examples:

    >>> value = histogram_value("a", np.arange(5), np.array([0, 2, 1, 0]), True)
    >>> from tensorboard.util import tensor_util
    >>> tensor_util.make_ndarray(value.tensor)
    array([[1., 2., 2.],
           [2., 3., 1.]])

    Args:
        tag: what TensorBoard calls it.
        edges: shape (bins + 1,), finite and ascending.
        counts: shape (bins,), the number of values in each bin.
        with_metadata: True for the first value of a tag. It tells TensorBoard that the
            tag is a histogram.
    """
    occupied = np.flatnonzero(counts)
    kept = slice(occupied[0], occupied[-1] + 1) if len(occupied) else slice(0)
    rows = np.transpose([edges[:-1], edges[1:], counts])[kept]
    metadata = create_summary_metadata(None, None) if with_metadata else None
    tensor = bins_tensor(_with_one_bin_around_0(rows))
    return Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


def bins_tensor(rows: np.ndarray) -> TensorProto:
    """The bins of a histogram as a float64 tensor.

    Args:
        rows: shape (bins, 3): left edge, right edge and count of each bin.
    """
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in rows.shape])
    content = rows.astype("<f8").tobytes()
    return TensorProto(dtype=DT_DOUBLE, tensor_shape=shape, tensor_content=content)


def _with_one_bin_around_0(rows: np.ndarray) -> np.ndarray:
    distance = np.abs(rows[:, :2]).max(axis=1)
    small = np.flatnonzero(distance * SMALL < distance.max(initial=0))
    if not len(small):
        return rows
    left, right, count = rows[small].T
    middle = [[left[0], right[-1], count.sum()]]
    return np.concatenate([rows[: small[0]], middle, rows[small[-1] + 1 :]])


class HistogramWriter:
    """Writes histograms of a model's layers into an event file.

    The tabs Histograms and Distributions show them as
    `<source>_histogram/<number>_<layer>`, such as `weight_histogram/003_dense_3`.

    Args:
        file: where the events go.
        sources: the measured tensors ("weight", "gradient", "pre_activation"), in the
            order of the counts' second axis.
        layers: names of the layers, in the order of the third.
        edges: shape (bins + 1,), finite and ascending.
    """

    def __init__(
        self,
        file: EventFile,
        sources: Sequence[str],
        layers: Sequence[str],
        edges: np.ndarray,
    ) -> None:
        self._file = file
        self._edges = edges
        self._tags = [
            histogram_tag(source, number, layer, len(layers))
            for source in sources
            for number, layer in enumerate(layers)
        ]
        self._known: set[str] = set()

    def write(self, steps: np.ndarray, counts: np.ndarray) -> None:
        """Writes an event for each record.

        Args:
            steps: shape (records,).
            counts: shape (records, sources, layers, bins). A layer whose counts for a
                source are all NaN has no such histogram.

        Raises:
            OSError: if the disk is full, or the file or its file system has gone.
        """
        bins = len(self._edges) - 1
        flat = counts.reshape(len(steps), len(self._tags), bins)
        for step, histograms in zip(steps, flat, strict=True):
            self._write_record(int(step), histograms)

    def _write_record(self, step: int, histograms: np.ndarray) -> None:
        measured = ~np.isnan(histograms).all(axis=1)
        values = [
            histogram_value(tag, self._edges, counts, tag not in self._known)
            for tag, counts, here in zip(self._tags, histograms, measured, strict=True)
            if here
        ]
        if not values:
            return
        summary = Summary(value=values)
        self._file.add(Event(wall_time=time.time(), step=step, summary=summary))
        self._known.update(value.tag for value in values)
