import dataclasses
import importlib.util
import json
import os
import shlex
import sys

import pytest

from keras_initkit.experiments import compare_command, report_command
from keras_initkit.experiments.command_line import main
from keras_initkit.experiments.settings import DATASETS, INITIALIZERS, SHOWCASE

TINY = [
    *["compare", "--initializers", "zeros", "he_normal"],
    *["--depth", "1", "--width", "4", "--epochs", "1", "--batch-size", "500"],
]


@pytest.fixture
def log_dir(tmp_path):
    return tmp_path / "my logs"


@pytest.fixture
def command(log_dir):
    """A function that runs `keras-initkit compare` and returns its exit code."""

    def run(*options):
        try:
            return main([*TINY, "--log-dir", str(log_dir), *options])
        except SystemExit as exit_:
            return exit_.code

    return run


def test_compare_prints_the_table_and_where_to_look(command, log_dir, capsys):
    assert command() == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ("zeros", "he_normal"):
        assert any(line.split()[:1] == [name] for line in lines)
    run = log_dir / "001"
    assert lines[-1] == f"tensorboard --logdir '{run}'"
    assert shlex.split(lines[-1])[-1] == str(run)
    assert sorted(path.name for path in run.iterdir()) == [
        *["compare.csv", "compare.png", "he_normal", "zeros"]
    ]


def test_second_comparison_gets_a_directory_of_its_own(command, log_dir, tmp_path):
    (log_dir / "001").mkdir(parents=True)
    output = tmp_path / "new" / "output"
    assert command("--initializers", "zeros", "--output", str(output)) == 0
    assert [path.name for path in (log_dir / "002").iterdir()] == ["zeros"]
    assert not list((log_dir / "001").iterdir())
    assert {path.name for path in output.iterdir()} == {"compare.csv", "compare.png"}


def test_json_holds_the_results_and_what_was_found(command, log_dir, capsys):
    assert command("--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["dataset"] == "digits"
    assert content["log_dir"] == str(log_dir / "001")
    [network] = content["networks"]
    assert network["network"].startswith("plain network, depth 1, width 4")
    zeros, he = network["results"]
    assert [zeros["initializer"], he["initializer"]] == ["zeros", "he_normal"]
    assert zeros["outcome"] == "did not learn: symmetric_units"
    assert zeros["findings"][0]["problem"] == "symmetric_units"


def test_without_a_network_three_are_compared(log_dir, monkeypatch, capsys):
    small = {
        name: dataclasses.replace(settings, depth=2, width=4)
        for name, settings in SHOWCASE.items()
    }
    monkeypatch.setattr(compare_command, "SHOWCASE", small)
    training = ["--epochs", "1", "--batch-size", "500"]
    assert main(["compare", *training, "--log-dir", str(log_dir)]) == 0
    out = capsys.readouterr().out
    run = log_dir / "001"
    assert {path.name for path in run.iterdir()} == {
        *["compare.csv", "compare.png", *SHOWCASE]
    }
    for name, settings in SHOWCASE.items():
        assert all(initializer in out for initializer in settings.initializers)
        assert len(list((run / name).iterdir())) == len(settings.initializers)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--initializers xavier", "xavier"),
        ("--initializers nowhere:Init", "nowhere"),
        ("--initializers he_normal*0", "must have a positive number"),
        ("--initializers zeros zeros", "zeros twice"),
        ("--dataset cifar", "cifar"),
        ("--depth 0", "`depth` must be from 1 to 250"),
        ("--depth 100000000", "`depth` must be from 1 to 250"),
        ("--width 1000000000", "`width` must be from 1 to 31622"),
        ("--seed 4294967296", "`seed` must be from 0 to 4294967295"),
        ("--depth deep", "invalid int value: 'deep'"),
        ("--learning-rate -1", "`learning_rate` must be positive"),
        ("--activation nonsense", "nonsense"),
        ("--activation softmax --initializers zeros dynamic_rescaling", "softmax"),
        ("--dataset mnist --mnist-path nowhere.npz", "nowhere.npz"),
        ("--mnist-path mnist.npz", "needs the dataset mnist"),
    ],
)
def test_wrong_options_are_one_line_before_anything_begins(
    command, log_dir, capsys, options, reason
):
    assert command(*options.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("keras-initkit")
    assert err.count("\n") == 1
    assert reason in err
    assert not log_dir.exists()


@pytest.mark.parametrize("option", ["--output", "--log-dir"])
def test_path_that_cannot_be_written(command, tmp_path, capsys, option):
    file = tmp_path / "file"
    file.touch()
    assert command(option, str(file / "below")) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert str(file) in err


@pytest.mark.parametrize("option", ["--output", "--log-dir"])
def test_directory_on_another_machine(
    command, log_dir, tmp_path, monkeypatch, capsys, option
):
    monkeypatch.chdir(tmp_path)
    assert command(option, "gs://bucket/logs") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    argument = option.removeprefix("--").replace("-", "_")
    assert f"Received: {argument}='gs://bucket/logs'" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("extra", ["sklearn", "matplotlib", "rich"])
def test_missing_extra_is_told_with_the_way_to_install_it(
    command, monkeypatch, capsys, extra
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == extra else find_spec(name, *rest),
    )
    assert command() == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{extra} not installed" in err
    assert 'pip install "keras_initkit[experiments]"' in err


def test_help_names_every_dataset_and_initializer(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["compare", "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in DATASETS + INITIALIZERS)


def test_no_command(capsys):
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_reader_that_has_seen_enough(monkeypatch, capsys):
    read, write = os.pipe()
    os.close(read)  # as `head` does after its lines
    monkeypatch.setattr(report_command, "run", lambda arguments: print("a line"))
    with os.fdopen(write, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main(["report", "model.keras", "--data", "data.npz"]) == 141
        print("and another one", flush=True)
    assert capsys.readouterr().err == ""
