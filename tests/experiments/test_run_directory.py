import pytest

from keras_initkit.experiments.run_directory import fresh_run_directory


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
