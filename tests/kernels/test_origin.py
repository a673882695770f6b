import gc

import keras
import numpy as np
from keras import layers

from keras_initkit.kernels import origin
from keras_initkit.kernels.fans import kernel_fans
from keras_initkit.kernels.intention import intention_of
from keras_initkit.kernels.origin import initializer_name, note_factors, note_origin


def network(**options):
    return keras.Sequential([keras.Input((50,)), layers.Dense(200, **options)])


def intended(model):
    [kernel] = kernel_fans(model)
    return intention_of(model.layers[0], kernel)


def test_factors_are_multiplied():
    model = network()
    kernel, bias = model.weights
    for factor in (3.0, 0.5):
        note_factors(model, [(kernel, factor), (bias, factor)])
    np.testing.assert_allclose(intended(model).variance, 1.5**2 * 2 / 250)
    note_origin(kernel, keras.initializers.RandomNormal(stddev=0.3))
    np.testing.assert_allclose(intended(model).variance, 0.09)


def test_a_name_says_the_factor():
    model = network(kernel_initializer="he_normal")
    note_factors(model, [(model.weights[0], 1 / 3)])
    assert initializer_name(intended(model).initializer) == "Scaled(HeNormal, 0.333)"


def test_of_what_is_unknown_a_multiple_is_unknown():
    def ones(shape, dtype):
        return keras.ops.ones(shape, dtype)

    model = network(kernel_initializer=ones)
    note_factors(model, [(model.weights[0], 0.5)])
    assert np.isnan(intended(model).variance)


def test_no_copy_of_a_model_knows_of_it(tmp_path):
    model = network()
    note_factors(model, [(model.weights[0], 0.5)])
    model.save(tmp_path / "model.keras")
    copies = [
        keras.models.clone_model(model),
        keras.models.load_model(tmp_path / "model.keras"),
    ]
    for copy in copies:
        np.testing.assert_allclose(intended(copy).variance, 2 / 250)


def test_nothing_is_kept_of_a_model_that_is_gone():
    gc.collect()
    before = set(origin._redrawn)
    model = network()
    note_factors(model, [(model.weights[0], 0.5)])
    assert len(origin._redrawn) == len(before) + 1
    del model
    gc.collect()
    assert set(origin._redrawn) <= before
