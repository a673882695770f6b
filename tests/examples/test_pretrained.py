import numpy as np
import pytest

from keras_initkit.experiments.study import Lab
from keras_initkit.experiments.study_command import load_study


def test_the_layers_begin_as_they_were_trained(tmp_path):
    study = load_study("pretrained")
    source = study.network(20, study.starts(None, 0)["scratch"], 0)
    path = tmp_path / "source.keras"
    source.save(path)
    starts = study.starts(path, 1)
    for name, is_same in (("pretrained", True), ("pretrained, shuffled", False)):
        model = study.network(20, starts[name], 1)
        for layer in study.HIDDEN:
            trained = np.array(source.get_layer(layer).get_weights()[0])
            begun = np.array(model.get_layer(layer).get_weights()[0])
            assert np.array_equal(trained, begun) == is_same
            assert np.array_equal(np.sort(trained.ravel()), np.sort(begun.ravel()))


@pytest.mark.slow
def test_it_runs_where_there_is_no_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "empty"))
    lab = Lab(True, 0, None, tmp_path / "logs", tmp_path)
    findings = load_study("pretrained").study(lab)
    assert list(findings) == ["scratch", "pretrained", "pretrained, shuffled"]
    assert all(np.isfinite(n) for row in findings.values() for n in row.values())


def test_it_needs_about_as_many_steps_as_from_scratch(findings):
    steps = {name: row["steps to 95%"] for name, row in findings.items()}
    # Ten seeds: MNIST 0.65 to 0.96, scikit-learn's digits 0.62 to 1.71.
    assert 0.4 < steps["pretrained"] / steps["scratch"] < 2.5


def test_every_start_learns_the_other_half(findings):
    # Ten seeds: MNIST 0.951 to 0.961, scikit-learn's digits 0.972 to 0.994.
    for row in findings.values():
        assert row["accuracy at the end"] > 0.94
