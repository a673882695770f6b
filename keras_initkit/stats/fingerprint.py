"""A fingerprint that distinguishes the weights of one training from any other's."""

import hashlib
from collections.abc import Sequence
from typing import Any

from keras_initkit import backends
from keras_initkit.stats.measures import widen

# Places to sample along each axis: few enough to be quick in a large kernel.
MAX_PLACES = 32


def fingerprint(layers: Sequence[str], variables: Sequence[Any]) -> str:
    """A text that is equal for equal weights, even after saving and loading.

    It covers the layers' names and shapes, and the exact entries on a grid in each
    variable, at most 32 places along each axis. The weights of another training
    practically never have the same text, because a step changes entries in most layers.

    Examples:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> before = fingerprint(["dense"], [model.layers[0].kernel])
    >>> _ = model.layers[0].kernel.assign_add(np.full((2, 3), 1e-3))
    >>> fingerprint(["dense"], [model.layers[0].kernel]) == before
    False

    Args:
        layers: the name of each variable's layer.
        variables: the variables, in the same order.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    backend = backends.current()
    for layer, variable in zip(layers, variables, strict=True):
        shape = tuple(variable.shape)
        grid = tuple(slice(None, None, -(-size // MAX_PLACES)) for size in shape)
        entries = backend.numbers(widen(backend.value(variable)[grid]))
        digest.update(repr((layer, shape)).encode())
        digest.update(entries.tobytes())
    return digest.hexdigest()
