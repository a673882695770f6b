import argparse
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from keras_initkit.experiments.datasets import load_dataset
from keras_initkit.experiments.study import (
    Lab,
    epochs_for,
    lab_of,
    print_findings,
    run_study,
)

SAMPLES = 12


def nothing_found(lab):
    return {}


@pytest.fixture(autouse=True)
def no_download(monkeypatch, tmp_path):
    """An empty cache, and no way to fill it."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(keras.datasets.mnist, "load_data", pytest.fail)


@pytest.fixture
def lab(tmp_path):
    return Lab(True, 0, None, tmp_path / "logs", tmp_path)


@pytest.fixture
def model():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="only")])
    network.compile(keras.optimizers.SGD(0.1), "mse")
    return network


class Order(keras.callbacks.Callback):
    """The kernel after each batch, which tells the samples of each batch."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def on_train_batch_end(self, batch, logs=None):
        self.kernels.append(self.model.get_weights()[0].ravel())


def train(lab, model, run="run", **recording):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(SAMPLES, 2)), rng.normal(size=(SAMPLES, 1))
    return lab.fit(run, model, x, y, epochs=2, batch_size=3, **recording)


def test_digits_of_a_path_are_mnist(tmp_path, mnist_npz, mnist_arrays):
    lab = Lab(True, 0, str(mnist_npz), tmp_path, tmp_path)
    digits = lab.digits(train=7, test=3)
    assert digits.name == "MNIST"
    assert digits.x_train.shape == (7, 28 * 28)
    np.testing.assert_array_equal(digits.y_train, mnist_arrays[1][:7])
    np.testing.assert_array_equal(digits.y_test, mnist_arrays[3][:3])


def test_digits_of_the_cache_are_mnist(lab, tmp_path, mnist_arrays, monkeypatch):
    cache = tmp_path / "keras" / "datasets" / "mnist.npz"
    cache.parent.mkdir(parents=True)
    cache.touch()
    mnist = tuple(mnist_arrays[:2]), tuple(mnist_arrays[2:])
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: mnist)
    digits = lab.digits(train=7, test=3)
    assert digits.name == "MNIST"
    np.testing.assert_array_equal(digits.y_train, mnist_arrays[1][:7])


def test_digits_without_mnist_are_scikit_learns_and_say_so(lab):
    digits, all_digits = lab.digits(train=100, test=10**6), load_dataset("digits")
    assert digits.name == "scikit-learn's digits"
    np.testing.assert_array_equal(digits.x_train, all_digits.x_train[:100])
    np.testing.assert_array_equal(digits.x_test, all_digits.x_test)


def test_each_run_sees_the_data_in_the_same_order(lab, model):
    start, orders = model.get_weights(), [Order(), Order()]
    for run, order in zip("ab", orders, strict=True):
        keras.utils.set_random_seed(ord(run))
        model.set_weights(start)
        train(lab, model, run, callbacks=[order])
    np.testing.assert_array_equal(orders[0].kernels, orders[1].kernels)


def test_seed_decides_the_order(lab, model, tmp_path):
    start, orders = model.get_weights(), [Order(), Order()]
    for seed, order in enumerate(orders):
        model.set_weights(start)
        other = Lab(True, seed, None, tmp_path / f"{seed}", tmp_path)
        train(other, model, callbacks=[order])
    assert not np.allclose(orders[0].kernels, orders[1].kernels)


def test_each_run_has_a_directory_in_tensorboard(lab, model):
    for run in ("a", "b"):
        train(lab, model, run)
        assert list((lab.log_dir / run).glob("**/events.out.tfevents.*"))
    assert {path.name for path in lab.log_dir.iterdir()} == {"a", "b"}


def test_what_became_of_it(lab, model):
    trained = train(lab, model)
    assert len(trained.logs["loss"]) == 2
    steps = 2 * SAMPLES // 3
    assert trained.layers["gradient_variance"].shape == (steps, 1)
    assert [name.split("/")[-1] for name in trained.layers.layers] == ["only"]


def test_recording_is_as_asked_for(lab, model):
    trained = train(lab, model, statistics=["mean"], update_freq=4, warmup_steps=0)
    assert set(trained.layers) == {"weight_mean", "gradient_mean"}
    assert list(trained.layers.steps) == [0, 4]


def test_everything_asked_for_is_recorded_whatever_it_costs(lab, model):
    trained = train(lab, model, update_freq=1, warmup_steps=0, statistics="all")
    assert list(trained.layers.steps) == list(range(2 * SAMPLES // 3))


@pytest.mark.parametrize(
    ("steps", "samples", "epochs"),
    [(200, 12_800, 1), (201, 12_800, 2), (100, 1437, 5), (46, 1437, 2), (1, 1, 1)],
)
def test_epochs_for_a_number_of_steps(steps, samples, epochs):
    # 1437 samples are 23 batches of up to 64.
    assert epochs_for(steps, samples, batch_size=64) == epochs


def test_picture_is_saved(lab, capsys):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    lab.save(figure, "name")
    with Image.open(lab.output / "name.png") as picture:
        assert picture.size == (240, 120)
    assert str(lab.output / "name.png") in capsys.readouterr().out


def test_findings_are_printed_in_full(capsys):
    columns = {f"quantity number {n}": -1.23456789e-5 * 10**n for n in range(12)}
    print_findings("title", {"first row": columns, "second row": {"other": 1}})
    title, *_, first, second = capsys.readouterr().out.splitlines()
    assert title.strip() == "title"
    cells = [f"{value:.4g}" for value in columns.values()]
    assert first.split() == ["first", "row", *cells]
    assert second.split() == ["second", "row", "1"]


def test_help_has_the_description_and_every_option(capsys):
    with pytest.raises(SystemExit) as exit_:
        run_study("lesson", nothing_found, "What it shows.", ["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert "What it shows." in text
    for option in ("--quick", "--mnist-path", "--seed", "--log-dir", "--output"):
        assert option in text


def test_options_are_those_of_the_lab(tmp_path, capsys, mnist_npz):
    labs = []

    def study(lab):
        labs.append(lab)
        return {"row": {"column": 12.34567}}

    logs, output = tmp_path / "my logs", tmp_path / "new" / "output"
    options = f"--quick --seed 3 --mnist-path {mnist_npz} --output {output}".split()
    assert run_study("lesson", study, None, [*options, "--log-dir", str(logs)]) == 0
    log_dir = logs / "lesson" / "001"
    assert labs == [Lab(True, 3, str(mnist_npz), log_dir, output)]
    assert log_dir.is_dir()
    assert output.is_dir()
    lines = capsys.readouterr().out.splitlines()
    assert ["row", "12.35"] in [line.split() for line in lines]
    assert lines[-1] == f"tensorboard --logdir '{log_dir}'"


def test_defaults_of_the_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labs = []
    for _ in range(2):
        run_study("lesson", lambda lab: labs.append(lab) or {}, None, [])
    for number, lab in enumerate(labs, start=1):
        directory = Path("logs/study/lesson", f"00{number}")
        assert lab == Lab(False, 0, None, directory, directory)


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--mnist-path", "nowhere.npz", "does not exist"),
        ("--mnist-path", __file__, "must be a readable .npz file"),
        ("--seed", "-1", "`seed` must be from 0 to 999999. Received: -1"),
        ("--seed", "1000000", "`seed` must be from 0"),
        ("--output", f"{__file__}/below", "below"),
        ("--log-dir", f"{__file__}/below", "below"),
        ("--log-dir", "s3://bucket/logs", "Received: log_dir='s3://bucket/logs'"),
        ("--output", "s3://bucket", "Received: output='s3://bucket'"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, option, value, reason
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        run_study("lesson", pytest.fail, None, [option, value])
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"lesson: error: .*\n", err)
    assert reason in err
    assert not list(tmp_path.iterdir())


def test_lab_of_unreadable_mnist(tmp_path, mnist_npz):
    mnist_npz.write_bytes(mnist_npz.read_bytes()[:1000])
    options = argparse.Namespace(
        quick=True, seed=0, mnist_path=str(mnist_npz), log_dir=tmp_path, output=None
    )
    with pytest.raises(ValueError, match=re.escape(str(mnist_npz))):
        lab_of("lesson", options)
    assert list(tmp_path.iterdir()) == [mnist_npz]
