import keras
import pytest


@pytest.fixture(scope="session")
def compiled():
    """A function of a function of tensors: the same, as one compiled kernel."""
    return _compiled


def _compiled(function):
    backend = keras.backend.backend()
    if backend == "torch":
        pytest.skip("torch runs op by op")
    if backend == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True)
