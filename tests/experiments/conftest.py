"""A tiny MNIST in every format, hand-made results, and a runner of examples."""

import gzip
import runpy
import struct
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_initkit.experiments.compare import RunResult
from keras_initkit.experiments.mnist_files import IDX_NAMES, NPZ_KEYS

IDX_MAGIC_WITHOUT_RANK = b"\x00\x00\x08"


@pytest.fixture(scope="session")
def mnist_arrays() -> list[np.ndarray]:
    """x_train, y_train, x_test and y_test: random images with every digit."""
    rng = np.random.default_rng(0)

    def images(samples):
        return rng.integers(0, 256, (samples, 28, 28), dtype="uint8")

    def digits(samples):
        return (np.arange(samples) % 10).astype("uint8")

    return [images(40), digits(40), images(20), digits(20)]


@pytest.fixture
def mnist_npz(tmp_path, mnist_arrays) -> Path:
    path = tmp_path / "mnist.npz"
    np.savez(path, **dict(zip(NPZ_KEYS, mnist_arrays, strict=True)))
    return path


@pytest.fixture
def mnist_directory(tmp_path, mnist_arrays) -> Path:
    """A directory with the four IDX files."""
    directory = tmp_path / "idx"
    directory.mkdir()
    for name, array in zip(IDX_NAMES, mnist_arrays, strict=True):
        sizes = struct.pack(f">{array.ndim}I", *array.shape)
        header = IDX_MAGIC_WITHOUT_RANK + bytes([array.ndim]) + sizes
        (directory / name).write_bytes(gzip.compress(header + array.tobytes()))
    return directory


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs an example; returns what it prints and where it was run."""

    def run_example(name, *arguments):
        monkeypatch.chdir(tmp_path)
        # An example may choose a backend, which no later process is to inherit.
        monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
        monkeypatch.setattr("sys.argv", [name, *arguments])
        example = Path(__file__).parents[2] / "examples" / name
        runpy.run_path(str(example), run_name="__main__")
        return capsys.readouterr().out, tmp_path

    return run_example


@pytest.fixture(scope="session")
def make_result():
    """A function that makes the `RunResult` of a healthy run, with some changes."""

    def make(initializer="he_normal", **fields):
        healthy = {
            "initial_loss": 2.5,
            "final_loss": 0.1,
            "train_accuracy": 0.99,
            "test_accuracy": 0.95,
            "forward_variance_ratio": 1.1,
            "gradient_variance_ratio": 0.5,
            "seconds": 1.5,
            "loss_steps": np.array([0, 23, 46]),
            "losses": np.array([2.5, 0.5, 0.1]),
            "layers": ["hidden_000", "hidden_001", "head"],
            "gradient_variance_start": np.array([1e-4, 2e-4, 3e-4]),
            "gradient_variance_end": np.array([1e-6, 2e-6, 3e-6]),
            "end_step": 45,
            "outcome": "",
            "findings": [],
        }
        return RunResult(initializer, **{**healthy, **fields})

    return make
