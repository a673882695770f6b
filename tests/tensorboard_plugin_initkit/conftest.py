"""Runs in event files, and the plugin's answers about them."""

import struct
import time

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from tensorboard.util.tensor_util import make_tensor_proto

from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.findings import write_diagnosis
from keras_initkit.tensorboard.histograms import HistogramWriter
from tensorboard_plugin_initkit import metadata


@pytest.fixture(scope="session")
def write_run():
    """A function that writes statistics under our tags, without Keras.

    `statistics` has the values of each key, of shape (steps, layers). With `start`, the
    first of them also has its own tag. `intended` has a vector for some of the keys.
    `content` replaces the content that our writer would write. `findings` is a list of
    `Finding`; None writes none. `scalars` has the value of each tag at each step, and
    `histograms` the edges of each source and its counts, of shape (steps, layers,
    bins).
    """

    def write(
        directory,
        steps,
        layers,
        statistics,
        start=False,
        intended=None,
        content=None,
        findings=None,
        scalars=None,
        histograms=None,
    ):
        if content is None:
            content = metadata.plugin_content(layers)
        with EventFile(directory) as file:
            first = steps[0]
            for key, vector in (intended or {}).items():
                _add(file, first, {metadata.intended_tag(key): vector}, content)
            if start:
                vectors = {metadata.start_tag(k): v[0] for k, v in statistics.items()}
                _add(file, first, vectors, content)
            for i, step in enumerate(steps):
                vectors = {metadata.vector_tag(k): v[i] for k, v in statistics.items()}
                _add(file, step, vectors, content)
                _add_scalars(file, step, {t: v[i] for t, v in (scalars or {}).items()})
            for source, (edges, counts) in (histograms or {}).items():
                writer = HistogramWriter(file, [source], layers, edges)
                writer.write(np.array(steps), counts[:, None])
            if findings is not None:
                write_diagnosis(file, steps[-1], Diagnosis(findings))

    return write


def _add(file, step, vectors, content):
    summary = Summary()
    for tag, vector in vectors.items():
        tensor = make_tensor_proto(np.asarray(vector, "float32"))
        value = summary.value.add(tag=tag, tensor=tensor)
        value.metadata.data_class = DATA_CLASS_TENSOR
        value.metadata.plugin_data.plugin_name = metadata.PLUGIN_NAME
        value.metadata.plugin_data.content = content
    file.add(Event(wall_time=time.time(), step=step, summary=summary))


def _add_scalars(file, step, scalars):
    values = [Summary.Value(tag=tag, simple_value=x) for tag, x in scalars.items()]
    summary = Summary(value=values)
    file.add(Event(wall_time=time.time(), step=step, summary=summary))


@pytest.fixture(scope="session")
def unpack():
    """A function that decodes the steps, the intended vector and the values."""

    def numbers(data):
        num_steps, num_layers = struct.unpack_from("<II", data)
        floats = num_layers * (1 + num_steps)
        (*rest,) = struct.unpack(f"<8x{num_steps}d{floats}f", data)
        values = np.array(rest[num_steps:], "float32").reshape(-1, num_layers)
        return rest[:num_steps], values[0], values[1:]

    return numbers
