"""The examples in docstrings run and print what they show."""

import doctest
import importlib
import pkgutil
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_initkit
from keras_initkit import theory
from keras_initkit.tensorboard.layer_heatmap import layer_heatmap

COMMANDS_AND_BACKENDS = ("keras_initkit.experiments", "keras_initkit.backends")
# The names in the examples, besides the public ones and a model with its data.
NAMES = {
    **{name: getattr(keras_initkit, name) for name in keras_initkit.__all__},
    **{name: getattr(theory, name) for name in theory.__all__},
    **{"keras": keras, "np": np, "time": time, "Path": Path},
    "layer_heatmap": layer_heatmap,
}


def documented_objects():
    modules = pkgutil.walk_packages(keras_initkit.__path__, "keras_initkit.")
    finder = doctest.DocTestFinder()
    for module in modules:
        if not module.name.startswith(COMMANDS_AND_BACKENDS):
            found = finder.find(importlib.import_module(module.name), extraglobs=NAMES)
            yield from (test for test in found if test.examples)


TESTS = list(documented_objects())


@pytest.fixture
def model():
    layers = [keras.layers.Dense(units) for units in (4, 3, 2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "mse")
    return model


def test_every_public_class_and_function_has_an_example():
    examples = {test.name.rpartition(".")[2] for test in TESTS}
    assert {*keras_initkit.__all__, *theory.__all__} <= examples


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_example(test, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(640, 4)), "y": rng.normal(size=(640, 2))}
    test.globs.update({"model": model, **data})
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    failed, _ = runner.run(test, out=report.append)
    assert not failed, "".join(report)
