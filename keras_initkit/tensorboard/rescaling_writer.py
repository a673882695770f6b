"""Turns rescalings into the events that TensorBoard shows."""

import time

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb

from keras_initkit.markdown import escaped
from keras_initkit.tensorboard.event_file import EventFile

TEXT_TAG = "rescaling"
FACTOR_TAG = "rescale_factor"


def write_rescaling(
    file: EventFile, step: int, layer: str, factor: float, reason: str
) -> None:
    """Writes a scalar `rescale_factor/<layer>` and a line of text, `rescaling`.

    Args:
        file: where the events go.
        step: the first step with the new kernel.
        layer: the name of the layer.
        factor: the factor of its kernel.
        reason: why, in words.

    Raises:
        OSError: if the disk is full, or the file or its file system has gone.
    """
    scalar = Summary.Value(tag=f"{FACTOR_TAG}/{layer}", simple_value=factor)
    text = text_pb(TEXT_TAG, f"{escaped(layer)} times {factor:.4g}: {escaped(reason)}")
    for summary in (Summary(value=[scalar]), text):
        file.add(Event(wall_time=time.time(), step=step, summary=summary))
