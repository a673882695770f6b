import keras
import pytest


@pytest.fixture(scope="session")
def compiled():
    """A function that compiles a function of tensors as one kernel."""
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
