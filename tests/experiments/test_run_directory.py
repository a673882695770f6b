import pytest

from keras_initkit.experiments.run_directory import fresh_run_directory, run_directories


def test_directories_are_new_and_numbered(tmp_path):
    parent = tmp_path / "logs" / "compare"
    made = [fresh_run_directory(parent) for _ in range(3)]
    assert made == [parent / "001", parent / "002", parent / "003"]
    assert all(directory.is_dir() for directory in made)


def test_path_below_a_file(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OSError, match="file"):
        fresh_run_directory(file / "logs")


def test_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run, output = run_directories("~/logs", "~/pictures", "lesson")
    assert run == tmp_path / "logs" / "lesson" / "001"
    assert output == tmp_path / "pictures"
    assert run.is_dir()
    assert output.is_dir()


def test_output_goes_to_the_run_directory_by_default(tmp_path):
    run, output = run_directories(tmp_path, None)
    assert run == output == tmp_path / "001"
