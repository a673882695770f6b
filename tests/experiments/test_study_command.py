import ast
import importlib.util
import shlex
from pathlib import Path

import pytest

import keras_initkit
from keras_initkit.experiments import study_command
from keras_initkit.experiments.command_line import main
from keras_initkit.experiments.study_command import STUDIES, load_study, sentences

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """A function that runs `keras-initkit study` and returns its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*options):
        try:
            return main(["study", *options])
        except SystemExit as exit_:
            return exit_.code

    return run


def has_study(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return "study" in names


def test_every_study_of_the_examples_is_listed():
    assert set(STUDIES) == {
        path.stem for path in EXAMPLES.glob("*.py") if has_study(path)
    }


def test_each_begins_with_a_sentence():
    for name, sentence in sentences():
        assert sentence[0].isupper(), name
        assert sentence.endswith("."), name


@pytest.mark.parametrize("name", STUDIES)
def test_each_is_a_module_with_study_and_main(name):
    module = load_study(name)
    assert callable(module.study)
    assert callable(module.main)


def test_list_is_in_the_order_to_read_them(command, capsys):
    assert command("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        [name, sentence] for name, sentence in sentences()
    ]
    assert [line.split()[0] for line in lines] == list(STUDIES)


def test_study_prints_what_it_found_and_where_to_look(command, capsys, tmp_path):
    options = ["--quick", "--log-dir", str(tmp_path / "my logs")]
    assert command("zero_large_he", *options) == 0
    lines = capsys.readouterr().out.splitlines()
    for row in ("zeros", "He"):
        assert any(line.split()[:1] == [row] for line in lines)
    run = tmp_path / "my logs" / "zero_large_he" / "001"
    assert shlex.split(lines[-1]) == ["tensorboard", "--logdir", str(run)]
    assert {path.name for path in run.iterdir()} == {
        *("zeros", "normal x 10", "He", "zero_large_he.png")
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("", "which study? `keras-initkit study --list` lists"),
        ("nonsense", "nonsense"),
        ("symmetry --seed one", "invalid int value: 'one'"),
        ("symmetry --seed -1", "`seed` must be from 0"),
        ("symmetry --mnist-path nowhere.npz", "nowhere.npz"),
        (f"zero_large_he --mnist-path {shlex.quote(__file__)}", ".npz"),
        (f"symmetry --output {shlex.quote(__file__)}/below", "below"),
    ],
)
def test_wrong_options_are_one_line_before_anything_begins(
    command, monkeypatch, capsys, tmp_path, options, reason
):
    monkeypatch.setattr(study_command, "load_study", pytest.fail)
    assert command(*shlex.split(options)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("keras-initkit")
    assert err.count("\n") == 1
    assert reason in err
    assert not list(tmp_path.iterdir())


def test_missing_extra_is_told_before_anything_begins(
    command, monkeypatch, capsys, tmp_path
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "rich" else find_spec(name, *rest),
    )
    assert command("zero_large_he") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "rich not installed" in err
    assert not list(tmp_path.iterdir())


def test_an_error_in_a_study_is_not_hidden(command, monkeypatch):
    class Broken:
        @staticmethod
        def study(lab):
            raise ValueError("a bug")

    monkeypatch.setattr(study_command, "load_study", lambda name: Broken)
    with pytest.raises(ValueError, match="a bug"):
        command("symmetry")


def test_studies_of_an_installed_package_come_first(tmp_path, monkeypatch):
    package = tmp_path / "keras_initkit"
    (package / "examples").mkdir(parents=True)
    (package / "examples" / "symmetry.py").write_text("place = 'installed'")
    monkeypatch.setattr(keras_initkit, "__file__", str(package / "__init__.py"))
    assert load_study("symmetry").place == "installed"
