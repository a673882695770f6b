"""The HParams dashboard: a row for each run, written without TensorFlow."""

import math
import time
from collections.abc import Mapping, Sequence

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    STATUS_SUCCESS,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
)
from tensorboard.plugins.hparams.summary_v2 import hparams_pb

from keras_initkit.tensorboard.event_file import EventFile

HParam = str | int | float | bool


def write_session_start(
    file: EventFile,
    hparams: Mapping[str, HParam],
    shown: Sequence[str],
    metrics: Sequence[str],
) -> None:
    """Writes the hyperparameters of a run, and the columns of the table.

    Each run has its own row, even if two have the same hyperparameters. Without the
    metrics' names, TensorBoard would make a column for every scalar of the run and of
    the runs in its subdirectories. It takes the columns of all runs from one of them,
    so runs in one table should have the same names.

    Examples:

    >>> with EventFile("logs/he_normal") as file:
    ...     write_session_start(file, {"depth": 9, "seed": 1}, ["depth"], ["loss"])
    ...     write_session_end(file, 1000, {"loss": 0.1})

    Args:
        file: where the events go.
        hparams: the value of each hyperparameter.
        shown: names of the hyperparameters that TensorBoard prefers if it does not show
            all. The dashboard starts with five columns.
        metrics: tags of the scalars that become columns.

    Raises:
        TypeError: if a hyperparameter is not a string, number or bool.
        OSError: if the disk is full, or the file or its file system has gone.
    """
    # Runs of one group share a row. Without a name, each run is its own group.
    start = hparams_pb(hparams, trial_id="")
    experiment = Experiment(
        hparam_infos=[
            HParamInfo(name=name, type=_data_type(value), differs=name in shown)
            for name, value in hparams.items()
        ],
        metric_infos=[MetricInfo(name=MetricName(tag=tag)) for tag in metrics],
    )
    _write(file, 0, [_value(metadata.EXPERIMENT_TAG, experiment=experiment)])
    _write(file, 0, start.value)


def write_session_end(file: EventFile, step: int, metrics: Mapping[str, float]) -> None:
    """Writes the final metrics of a run as scalars, and its successful end.

    It leaves out a metric that is not finite. Its cell in the table is then empty and
    sorts last. NaN has no order, and rows around it would be sorted wrongly.

    Args:
        file: where the events go.
        step: the number of training steps.
        metrics: the value of each tag.

    Raises:
        OSError: if the disk is full, or the file or its file system has gone.
    """
    scalars = [
        Summary.Value(tag=tag, simple_value=number)
        for tag, number in metrics.items()
        if math.isfinite(number)
    ]
    end = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=time.time())
    _write(
        file,
        step,
        [*scalars, _value(metadata.SESSION_END_INFO_TAG, session_end_info=end)],
    )


def _data_type(value: HParam) -> int:
    if isinstance(value, bool):  # a bool is also an int
        return DATA_TYPE_BOOL
    return DATA_TYPE_STRING if isinstance(value, str) else DATA_TYPE_FLOAT64


def _value(tag: str, **content: Experiment | SessionEndInfo) -> Summary.Value:
    data = metadata.create_summary_metadata(HParamsPluginData(**content))
    return Summary.Value(tag=tag, metadata=data, tensor=metadata.NULL_TENSOR)


def _write(file: EventFile, step: int, values: Sequence[Summary.Value]) -> None:
    summary = Summary(value=values)
    file.add(Event(wall_time=time.time(), step=step, summary=summary))
