"""Pictures for the Images dashboard, written without TensorFlow."""

import struct
import time

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.image.metadata import create_summary_metadata

from keras_initkit.tensorboard.event_file import EventFile

# The position after the signature, and the length and name of the first chunk.
PNG_SIZE = slice(16, 24)


def write_image(file: EventFile, tag: str, step: int, png: bytes) -> None:
    """Writes a picture under a tag.

    Examples:

    >>> png = layer_heatmap("gradient_variance", "a", np.array([0]), np.ones((1, 1)))
    >>> with EventFile("logs/run") as file:
    ...     write_image(file, "gradients", 0, png)

    Args:
        file: where the event goes.
        tag: what TensorBoard calls it.
        step: the training step that it shows.
        png: a PNG file.

    Raises:
        OSError: if the disk is full, or the file or its file system has gone.
    """
    sizes = [str(size).encode() for size in struct.unpack(">II", png[PNG_SIZE])]
    tensor = TensorProto(
        dtype=DT_STRING,
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=3)]),
        string_val=[*sizes, png],
    )
    metadata = create_summary_metadata(None, None)
    value = Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    summary = Summary(value=[value])
    file.add(Event(wall_time=time.time(), step=step, summary=summary))
