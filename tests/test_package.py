import configparser
import subprocess
import sys
from pathlib import Path

import pytest

import keras_initkit

ROOT = Path(__file__).parents[1]


def modules_after(code):
    """The modules that a fresh interpreter has imported after some code."""
    code = f"{code}; import sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    return set(result.stdout.split())


def test_every_public_name_is_there_and_has_a_docstring():
    for name in keras_initkit.__all__:
        assert getattr(keras_initkit, name).__doc__


def test_import_takes_no_more_than_keras_does():
    loaded = modules_after("import keras_initkit") - modules_after("import keras")
    late = {"tensorflow", "jax", "torch", "matplotlib", "sklearn", "rich"}
    late |= {"h5py", "PIL", "google_crc32c"}
    assert not loaded & late
    assert not [name for name in loaded if name.startswith("tensorboard.")]
    # Modules that import a framework wait for the first recorded model.
    assert "keras_initkit.backends.tensorflow" not in loaded


def test_no_framework_is_named_outside_of_backends():
    for file in (ROOT / "keras_initkit").rglob("*.py"):
        if file.parent.name != "backends":
            for line in file.read_text().splitlines():
                words = line.split("#")[0].split()
                assert words[:1] not in (["import"], ["from"]) or not {
                    name.split(".")[0] for name in words[1:2]
                } & {"tensorflow", "jax", "torch"}, (file, line)


def test_the_plugin_imports_neither_keras_nor_tensorflow():
    loaded = modules_after("import tensorboard_plugin_initkit.metadata")
    assert not loaded & {"keras", "keras_initkit", "tensorflow", "numpy"}


@pytest.fixture
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_every_package_on_disk_is_installed_and_the_studies(setup):
    on_disk = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for package in ("keras_initkit", "tensorboard_plugin_initkit")
        for file in ROOT.glob(f"{package}/**/*.py")
    }
    packages = setup["options"]["packages"].split()
    assert sorted(packages) == packages
    assert set(packages) == on_disk | {"keras_initkit.examples"}
    moved = setup["options"]["package_dir"].split()
    assert moved == ["keras_initkit.examples", "=", "examples"]
    assert (ROOT / "examples" / "zero_large_he.py").is_file()


def test_every_file_that_is_not_python_is_installed(setup):
    patterns = {
        ROOT / package.replace(".", "/"): pattern
        for package, pattern in setup["options.package_data"].items()
    }
    installed = {
        file for package, pattern in patterns.items() for file in package.glob(pattern)
    }
    on_disk = {
        file
        for package in patterns
        for file in package.rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    assert installed == on_disk
