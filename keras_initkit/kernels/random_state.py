"""The random states that belong to nobody in particular: kept, whatever draws."""

import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np

from keras_initkit import backends
from keras_initkit.backends.keras_private import global_state

# Where Keras keeps its generator; older versions have no constant for the name.
_GLOBAL_SEED_GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Within it anything may draw; then Python, NumPy and Keras go on as before.

    It keeps the state of `random`, of `numpy.random`, and of the generator that Keras
    draws from where there is no seed. Generators of layers and initializers are their
    own.
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
    """Within it Keras may draw; then its generator for draws without seed is as before.

    Initializers go on: theirs are drawn from a seed that they take from `random`.
    """
    # There is no public way to it that does not make one, or set it.
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
