import random

import keras
import numpy as np
import pytest

from keras_initkit.kernels.random_state import random_state_kept


def _next_of_keras():
    with random_state_kept():
        return np.array(keras.random.normal((2,))).tolist()


def test_kept_random_states_are_restored_after_an_exception():
    keras.utils.set_random_seed(5)
    expected = _next_of_keras()  # makes the generator, and removes it

    def draw_and_fail():
        keras.random.normal((1,))
        random.random()
        np.random.rand()
        raise RuntimeError

    with pytest.raises(RuntimeError), random_state_kept():
        draw_and_fail()
    assert _next_of_keras() == expected
    assert random.random() == random.Random(5).random()
    assert np.random.rand() == np.random.RandomState(5).rand()
