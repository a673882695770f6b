"""Keeps the global random states while something draws."""

import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np

from keras_initkit import backends
from keras_initkit.backends.keras_private import global_state

# Keras keeps its generator under this name; older versions have no constant for it.
_GLOBAL_SEED_GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Restores the random states of Python, NumPy and Keras at its end.

    It keeps the state of `random`, of `numpy.random`, and of the generator that Keras
    uses if there is no seed. Layers and initializers have their own generators.
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with keras_random_state_kept():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


@contextlib.contextmanager
def keras_random_state_kept() -> Iterator[None]:
    """Restores Keras's generator for draws without a seed at its end.

    Initializers are not affected: they take a seed from `random`.
    """
    # Every public way to the generator creates or sets it.
    generator = global_state.get_global_attribute(_GLOBAL_SEED_GENERATOR)
    if generator is not None:
        state = keras.ops.convert_to_numpy(generator.state)
    try:
        with backends.current().random_state_kept():
            yield
    finally:
        global_state.set_global_attribute(_GLOBAL_SEED_GENERATOR, generator)
        if generator is not None:
            generator.state.assign(state)
