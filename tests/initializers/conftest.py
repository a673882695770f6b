"""Fixtures for the tests of all initializers."""

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


@keras.saving.register_keras_serializable(package="test_initializers")
class OneWeight(keras.layers.Layer):
    """Adds its inputs and one weight, of a shape that an initializer takes."""

    def __init__(self, shape, initializer, **kwargs):
        super().__init__(**kwargs)
        self.shape = shape
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        self.weight = self.add_weight(
            shape=tuple(self.shape), initializer=self.initializer
        )

    def call(self, inputs):
        return inputs + keras.ops.sum(self.weight)

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        config = {"shape": self.shape, "initializer": initializer}
        return {**super().get_config(), **config}


def _through_clone_model(initializer, shape):
    return keras.models.clone_model(_model(initializer, shape)).layers[0].initializer


def _through_file(initializer, shape, path):
    _model(initializer, shape).save(path)
    return keras.models.load_model(path).layers[0].initializer


def _model(initializer, shape):
    return keras.Sequential([keras.Input((3,)), OneWeight(shape, initializer)])


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
    """A function that serializes an initializer and restores it."""

    def send(initializer, shape=(4, 2)):
        if request.param is _through_file:
            return _through_file(initializer, shape, tmp_path / "m.keras")
        if request.param is _through_clone_model:
            return _through_clone_model(initializer, shape)
        return request.param(initializer)

    return send
