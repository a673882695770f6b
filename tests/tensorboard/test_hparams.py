import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.hparams import write_session_end, write_session_start

HPARAMS = {"initializer": "he_normal", "depth": 10, "rate": 0.01, "residual": True}


@pytest.fixture
def reader(tmp_path):
    with EventFile(tmp_path) as file:
        write_session_start(file, HPARAMS, ["depth"], ["accuracy", "loss", "other"])
        metrics = {"accuracy": 0.5, "loss": math.nan, "other": -math.inf}
        write_session_end(file, 70, metrics)
    return EventAccumulator(str(tmp_path)).Reload()


def content(reader, tag):
    data = reader.summary_metadata[tag].plugin_data
    assert data.plugin_name == "hparams"
    return data.content


def test_hyperparameters(reader):
    start = metadata.parse_session_start_info_plugin_data(
        content(reader, metadata.SESSION_START_INFO_TAG)
    )
    values = {name: value.WhichOneof("kind") for name, value in start.hparams.items()}
    assert values == {
        "initializer": "string_value",
        "depth": "number_value",
        "rate": "number_value",
        "residual": "bool_value",
    }
    assert start.hparams["initializer"].string_value == "he_normal"
    assert start.hparams["rate"].number_value == 0.01
    assert start.group_name == ""  # TensorBoard takes the run's


def test_columns(reader):
    experiment = metadata.parse_experiment_plugin_data(
        content(reader, metadata.EXPERIMENT_TAG)
    )
    columns = {info.name: (info.type, info.differs) for info in experiment.hparam_infos}
    assert columns == {
        "initializer": (api_pb2.DATA_TYPE_STRING, False),
        "depth": (api_pb2.DATA_TYPE_FLOAT64, True),
        "rate": (api_pb2.DATA_TYPE_FLOAT64, False),
        "residual": (api_pb2.DATA_TYPE_BOOL, False),
    }
    metrics = [info.name.tag for info in experiment.metric_infos]
    assert metrics == ["accuracy", "loss", "other"]


def test_only_finite_metrics_are_written(reader):
    assert reader.Tags()["scalars"] == ["accuracy"]
    [event] = reader.Scalars("accuracy")
    assert (event.step, event.value) == (70, 0.5)


def test_the_end_of_the_session(reader):
    end = metadata.parse_session_end_info_plugin_data(
        content(reader, metadata.SESSION_END_INFO_TAG)
    )
    assert end.status == api_pb2.STATUS_SUCCESS


def test_a_hyperparameter_of_another_type(tmp_path):
    with EventFile(tmp_path) as file, pytest.raises(TypeError, match="sizes"):
        write_session_start(file, {"sizes": [1, 2]}, [], [])
