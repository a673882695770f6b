import subprocess
import sys

import keras_initkit


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
    assert not loaded & {"tensorflow", "matplotlib", "sklearn", "rich"}
    # The one file that imports tensorflow waits for the first model to be tapped.
    assert "keras_initkit.stats.tap_tensorflow" not in loaded


def test_the_plugin_imports_neither_keras_nor_tensorflow():
    loaded = modules_after("import tensorboard_plugin_initkit.metadata")
    assert not loaded & {"keras", "keras_initkit", "tensorflow", "numpy"}
