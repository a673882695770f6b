import numpy as np
import pytest

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


def test_it_needs_about_as_many_steps_as_from_scratch(lab, findings):
    if lab.digits(1, 1).name != "MNIST":
        pytest.skip("scikit-learn's digits are too few for a step to mean much")
    steps = {name: row["steps to 95%"] for name, row in findings.items()}
    assert 0.5 < steps["pretrained"] / steps["scratch"] < 1.5


def test_every_start_learns_the_other_half(lab, findings):
    if lab.digits(1, 1).name != "MNIST":
        pytest.skip("scikit-learn's digits are too few for a step to mean much")
    for row in findings.values():
        assert row["accuracy at the end"] > 0.94
