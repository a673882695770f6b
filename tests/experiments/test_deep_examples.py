import re
import runpy
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs an example; returns its output and its directory."""

    def run_example(name, *arguments):
        monkeypatch.chdir(tmp_path)
        # An example may choose a backend, which later processes must not inherit.
        monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
        monkeypatch.setattr("sys.argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out, tmp_path

    return run_example


def accuracies(printed):
    return [float(percent) for percent in re.findall(r"([\d.]+)%", printed)]


def test_convolutions_learn_from_orthogonal_kernels(run, mnist_npz):
    printed, directory = run(
        "deep_convolutions.py", "--mnist-path", str(mnist_npz), "--layers", "4"
    )
    assert len(accuracies(printed)) == 2
    for name in ("he_normal", "delta_orthogonal"):
        assert list(directory.glob(f"logs/{name}/layer_stats/events.out.tfevents.*"))


def test_a_thousandth_of_the_ten_thousand_layers_is_recorded(run, mnist_npz):
    printed, directory = run(
        "ten_thousand_layers.py",
        *("--mnist-path", str(mnist_npz), "--layers", "10", "--steps", "4"),
    )
    assert len(accuracies(printed.splitlines()[-2])) == 1
    assert list(directory.glob("logs/layer_stats/events.out.tfevents.*"))
