import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from keras_initkit.experiments.compare import compare
from keras_initkit.experiments.datasets import load_dataset
from keras_initkit.experiments.run_log import SHOWN, hyperparameters
from keras_initkit.experiments.settings import Settings

MOONS = Settings(("he_normal",), depth=2, width=8, epochs=2)
STEPS = [0, 25, 50]  # 1600 training points in batches of 64


def read(directory):
    return EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()


@pytest.fixture(scope="module")
def moons():
    return load_dataset("moons")


@pytest.fixture(scope="module")
def run(moons, tmp_path_factory):
    """The result of a run, and TensorBoard's view of it."""
    log_dir = tmp_path_factory.mktemp("logs")
    [result] = compare(moons, MOONS, log_dir)
    return result, read(log_dir / "he_normal")


def values(reader, tag):
    return [event.value for event in reader.Scalars(tag)]


def test_losses_and_accuracies(run):
    result, reader = run
    assert [event.step for event in reader.Scalars("loss")] == STEPS
    assert values(reader, "loss") == pytest.approx(result.losses)
    assert [event.step for event in reader.Scalars("accuracy")] == STEPS
    assert values(reader, "accuracy")[-1] == pytest.approx(result.train_accuracy)


@pytest.mark.parametrize("tag", ["final_loss", "train_accuracy", "test_accuracy"])
def test_final_metrics(run, tag):
    result, reader = run
    [event] = reader.Scalars(tag)
    assert event.step == STEPS[-1]
    assert event.value == pytest.approx(getattr(result, tag))


def test_hyperparameters(run):
    _, reader = run
    content = reader.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data
    start = metadata.parse_session_start_info_plugin_data(content.content)
    assert start.hparams["initializer"].string_value == "he_normal"
    assert start.hparams["depth"].number_value == 2
    assert start.hparams["residual"].HasField("bool_value")


def test_decision_boundary_before_and_after_training(run):
    _, reader = run
    before, after = reader.Tensors("decision_boundary")
    assert (before.step, after.step) == (0, STEPS[-1])
    for event in (before, after):
        assert event.tensor_proto.string_val[2].startswith(b"\x89PNG")
    assert before.tensor_proto.string_val != after.tensor_proto.string_val


def test_there_is_no_picture_of_data_with_more_features(tmp_path):
    settings = Settings(("zeros",), depth=1, width=2, epochs=1)
    compare(load_dataset("digits"), settings, tmp_path)
    tags = read(tmp_path / "zeros").Tags()
    assert "decision_boundary" not in tags["tensors"]
    assert "test_accuracy" in tags["scalars"]


def test_a_run_that_explodes(moons, tmp_path):
    settings = Settings(
        ("large_normal",),
        depth=10,
        width=64,
        epochs=1,
        optimizer="sgd",
        learning_rate=1.0,
    )
    [result] = compare(moons, settings, tmp_path)
    assert not math.isfinite(result.final_loss)
    reader = read(tmp_path / "large_normal")
    assert not math.isfinite(values(reader, "loss")[-1])
    assert "final_loss" not in reader.Tags()["scalars"]
    assert len(reader.Tensors("decision_boundary")) == 2


def test_learning_rate_is_the_one_that_is_used(moons):
    assert hyperparameters("zeros", moons, Settings())["learning_rate"] == 0.01
    chosen = Settings(learning_rate=0.5)
    assert hyperparameters("zeros", moons, chosen)["learning_rate"] == 0.5


def test_the_hyperparameters_shown_first_exist(moons):
    assert set(SHOWN) <= set(hyperparameters("zeros", moons, Settings()))
