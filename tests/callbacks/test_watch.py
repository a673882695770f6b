"""The findings of real trainings, on every backend."""

import dataclasses
import json
import logging

import keras
import numpy as np
import pytest
from keras import layers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_initkit import LayerStatsCallback, signal_report
from keras_initkit.experiments.command_line import main
from keras_initkit.tensorboard.findings import read_findings

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(4, 16))
Y = RNG.integers(0, 4, size=640)
X = (CENTRES[Y] + RNG.normal(size=(640, 16))).astype("float32")


def network(
    depth=4, activation="relu", kernel="he_normal", optimizer="adam", head="softmax"
):
    keras.utils.set_random_seed(0)
    hidden = [
        layers.Dense(32, activation, kernel_initializer=kernel, name=f"hidden_{n}")
        for n in range(depth)
    ]
    model = keras.Sequential(
        [keras.Input((16,)), *hidden, layers.Dense(4, head, name="output")]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def fit(model, callback, x=X, y=Y, epochs=6):
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[callback])
    return [finding.problem for finding in callback.findings]


def faulty(path, **options):
    callback = LayerStatsCallback(path, **options)
    return callback, network(kernel=keras.initializers.Constant(0.1))


def with_nan():
    x = X.copy()
    x[5, 3] = np.nan
    return x


def normal(stddev):
    return keras.initializers.RandomNormal(stddev=stddev)


NAMES = tuple(f"hidden_{n}" for n in range(4))
FAULTS = {
    "constant": ({"kernel": keras.initializers.Constant(0.1)}, X, "symmetric_units"),
    "zeros": ({"kernel": "zeros"}, X, "symmetric_units"),
    "large": ({"kernel": normal(3.0)}, X, "weights_too_large"),
    "small": ({"kernel": normal(1e-3)}, X, "weights_too_small"),
    "head": ({"head": "relu"}, X, "loss_activation_mismatch"),
    "rate": ({"optimizer": "huge"}, X, "learning_rate_too_high"),
    "slow": ({"optimizer": "tiny"}, X, "learning_rate_too_low"),
    "data": ({"optimizer": "sgd"}, 1000 * X, "unscaled_data"),
    "nan": ({}, with_nan(), "non_finite"),
}
OPTIMIZERS = {
    "huge": lambda: keras.optimizers.Adam(1.0),
    "tiny": lambda: keras.optimizers.Adam(1e-7),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_finding_is_the_fault(fault, tmp_path):
    options, x, problem = FAULTS[fault]
    options = dict(options)
    if options.get("optimizer") in OPTIMIZERS:
        options["optimizer"] = OPTIMIZERS[options["optimizer"]]()
    callback = LayerStatsCallback(tmp_path)
    found = fit(network(**options), callback, x)
    assert found[0] == problem
    if "kernel" in options:
        assert callback.findings[0].layers == NAMES
    assert read_findings(tmp_path / "layer_stats") == callback.findings
    events = EventAccumulator(str(tmp_path / "layer_stats")).Reload()
    [*_, text] = events.Tensors("findings")
    assert f"**{problem}**" in text.tensor_proto.string_val[0].decode()


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "selu", "linear"])
@pytest.mark.parametrize("kernel", ["he_normal", "glorot_uniform", "lecun_normal"])
def test_healthy_networks(activation, kernel, tmp_path):
    callback = LayerStatsCallback(tmp_path)
    assert fit(network(activation=activation, kernel=kernel), callback) == []
    assert read_findings(tmp_path / "layer_stats") == []
    events = EventAccumulator(str(tmp_path / "layer_stats")).Reload()
    [text] = events.Tensors("findings")
    assert text.tensor_proto.string_val[0] == b"No problem was found."


def test_a_finding_is_said_once_and_handed_over(tmp_path, caplog):
    seen = []
    callback, model = faulty(tmp_path, on_finding=seen.append, flush_secs=0.05)
    fit(model, callback)
    fit(model, callback)
    [finding] = callback.findings
    assert seen == [dataclasses.replace(finding, consequences=seen[0].consequences)]
    said = [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]
    message = f"keras_initkit: {model.name} in {tmp_path}: {seen[0]}"
    assert [m for m in said if "symmetric_units" in m] == [message]
    assert str(callback.diagnosis()) == str(finding)


def test_an_exception_in_the_users_function_stops_nothing(tmp_path, caplog):
    def fail(finding):
        raise RuntimeError("theirs")

    callback, model = faulty(tmp_path, on_finding=fail)
    assert fit(model, callback) == ["symmetric_units"]
    assert "`on_finding` raised an exception" in caplog.text


@pytest.mark.parametrize(("stop_on", "stops"), [("critical", True), (None, False)])
def test_a_hopeless_training_can_be_ended(stop_on, stops, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    callback, model = faulty(tmp_path, stop_on=stop_on)
    fit(model, callback, epochs=3)
    assert (int(model.optimizer.iterations) < 60) == stops
    assert ("training stops" in caplog.text) == stops


@pytest.mark.parametrize("argument", [{"stop_on": "now"}, {"on_finding": 3}])
def test_wrong_arguments(argument, tmp_path):
    [name] = argument
    with pytest.raises(ValueError, match=f"Argument `{name}`.*Received: {name}="):
        LayerStatsCallback(tmp_path, **argument)


def test_another_training_of_the_callback_is_judged_anew(tmp_path):
    callback, model = faulty(tmp_path)
    assert fit(model, callback) == ["symmetric_units"]
    assert fit(network(), callback) == []


def test_a_model_without_a_call_is_not_judged(tmp_path):
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = network(kernel="zeros")

        def train_step(self, *arguments):
            return self.inner.train_step(*arguments)

    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras has to build the model, and cannot")
    callback = LayerStatsCallback(tmp_path)
    model = Pair()
    model.compile("adam")
    model.inner.compile(model.optimizer, "sparse_categorical_crossentropy")
    fit(model, callback)
    assert callback.findings == []


def test_the_report_has_the_findings_that_need_no_training():
    report = signal_report(network(kernel="zeros"), X[:64], Y[:64])
    assert [finding.problem for finding in report.findings] == ["symmetric_units"]
    healthy = signal_report(network(), X[:64], Y[:64])
    assert healthy.findings == []
    assert "!" not in healthy.to_text()


def test_the_report_marks_the_rows_at_fault():
    report = signal_report(network(kernel="zeros"), X[:64], Y[:64])
    rows = report.to_text().splitlines()[2:7]
    marked = [row.split()[0] for row in rows if row.endswith(" ! symmetric_units")]
    assert tuple(marked) == report.findings[0].layers == NAMES
    assert "<td>! symmetric_units</td>" in report._repr_html_()


def test_the_command(tmp_path, capsys):
    callback, model = faulty(tmp_path / "bad")
    fit(model, callback)
    fit(network(), LayerStatsCallback(tmp_path / "good"))
    assert main(["diagnose", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert f"bad/layer_stats\n{callback.findings[0]}" in shown
    assert "good/layer_stats\nNo problem was found." in shown
    assert main(["diagnose", str(tmp_path), "--json"]) == 1
    runs = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in runs] == ["bad/layer_stats", "good/layer_stats"]
    assert runs[0]["findings"] == [callback.findings[0].to_dict()]
    assert main(["diagnose", str(tmp_path / "good")]) == 0
    assert main(["diagnose", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
