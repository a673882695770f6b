"""Which initializer each kernel of the compared network gets."""

import keras
import numpy as np

from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.scaled_depth import ScaledDepth

# A standard deviation that is right for a fan-in of 1 or 2: too large anywhere else.
LARGE_STDDEV = 1.0


def kernel_initializers(
    name: str, depth: int, activation: str, seed: int
) -> list[keras.initializers.Initializer]:
    """The initializers of one whole network.

    `scaled_depth` is for the kernels that close a residual branch: of the hidden
    kernels these are all but the first, `depth - 1` of them. The first kernel and the
    head are `he_normal`. A plain network gets the same, where it is out of place: with
    no shortcut to carry the signal past them, the small kernels make it vanish.

    `dynamic_rescaling` is told the activation in front of each kernel: none in front
    of the first.

    Args:
        name: one of `settings.INITIALIZERS`.
        depth: number of hidden layers.
        activation: the identifier of the hidden layers' activation.
        seed: any non-negative integer; every kernel gets a seed of its own from it.

    Returns:
        `depth + 1` initializers: one for each hidden layer, and the head's.
    """
    return [
        _kernel_initializer(name, layer, depth, activation, _layer_seed(seed, layer))
        for layer in range(depth + 1)
    ]


def _kernel_initializer(
    name: str, layer: int, depth: int, activation: str, seed: int
) -> keras.initializers.Initializer:
    match name:
        case "zeros":
            return keras.initializers.Zeros()
        case "large_normal":
            return keras.initializers.RandomNormal(stddev=LARGE_STDDEV, seed=seed)
        case "scaled_depth" if 0 < layer < depth:
            return ScaledDepth(depth=depth - 1, seed=seed)
        case "scaled_depth":
            return keras.initializers.HeNormal(seed=seed)
        case "dynamic_rescaling":
            before = None if layer == 0 else activation
            return DynamicRescaling(activation=before, seed=seed)
        case _:
            return keras.initializers.get(
                {"class_name": name, "config": {"seed": seed}}
            )


def _layer_seed(seed: int, layer: int) -> int:
    # One integer for two shapes can give correlated kernels, so no seed is shared, and
    # seeds 0 and 1 are not neighbours either.
    return int(np.random.SeedSequence([seed, layer]).generate_state(1)[0])
