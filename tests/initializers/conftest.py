"""What every initializer of the package must do, for the tests of each of them."""

import copy
import json
import pickle

import keras
import pytest


def _through_config(initializer):
    config = json.loads(json.dumps(initializer.get_config()))
    return type(initializer).from_config(config)


def _through_serialize(initializer):
    config = json.loads(json.dumps(keras.initializers.serialize(initializer)))
    return keras.initializers.deserialize(config)


def _through_get(initializer):
    return keras.initializers.get(keras.initializers.serialize(initializer))


def _through_pickle(initializer):
    return pickle.loads(pickle.dumps(initializer))


def _through_clone_model(initializer):
    return keras.models.clone_model(_model(initializer)).layers[0].kernel_initializer


def _through_file(initializer, path):
    _model(initializer).save(path)
    return keras.models.load_model(path).layers[0].kernel_initializer


def _model(initializer):
    layer = keras.layers.Dense(2, kernel_initializer=initializer)
    return keras.Sequential([keras.Input((3,)), layer])


@pytest.fixture(
    params=[
        _through_config,
        _through_serialize,
        _through_get,
        _through_pickle,
        copy.deepcopy,
        lambda initializer: initializer.clone(),
        _through_clone_model,
        _through_file,
    ],
    ids=[
        "config",
        "serialize",
        "get",
        "pickle",
        "deepcopy",
        "clone",
        "clone_model",
        "file",
    ],
)
def round_trip(request, tmp_path):
    """A function that sends an initializer away and returns what comes back."""
    if request.param is _through_file:
        return lambda initializer: _through_file(initializer, tmp_path / "m.keras")
    return request.param
