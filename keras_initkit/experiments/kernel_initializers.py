"""Finds the initializer of each kernel in a compared network, by name."""

import importlib
import inspect
import os
import sys
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.scaled import Scaled
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.torch_uniform import TorchUniform
from keras_initkit.initializers.zero import ZerO

# A standard deviation that fits a fan-in of 1 or 2 and is too large for all others.
LARGE_STDDEV = 1.0
RESCALING, LSUV = "+rescaling", "lsuv"


class Start(NamedTuple):
    """The start of a network, as on the command line: `he_normal*3+rescaling`.

    Attributes:
        name: name of the initializer.
        factor: multiplies its kernels.
        rescaling: whether `DynamicRescalingCallback` takes part in the training.
    """

    name: str
    factor: float
    rescaling: bool

    @classmethod
    def of(cls, text: str) -> "Start":
        """Reads a name.

        >>> Start.of("he_normal*3+rescaling")
        Start(name='he_normal', factor=3.0, rescaling=True)

        Raises:
            ValueError: `*` is not followed by a positive number.
        """
        name, _, factor = text.removesuffix(RESCALING).partition("*")
        try:
            number = float(factor or 1)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise ValueError(
                "Argument `initializers` must have a positive number after `*`. "
                f"Received: {text}"
            )
        return cls(name, number, text.endswith(RESCALING))


def kernel_initializers(
    text: str, depth: int, activation: str, seed: int
) -> list[keras.initializers.Initializer]:
    """The initializers of one whole network.

    `scaled_depth` is for the last kernel of each residual branch: all hidden kernels
    but the first, `depth - 1` of them. The first kernel and the head are `he_normal`. A
    plain network gets the same kernels. No shortcut carries the signal past them, so
    the signal vanishes.

    `dynamic_rescaling` gets the activation in front of each kernel; there is none in
    front of the first. `dynamic_rescaling*3` multiplies the base.

    `lsuv` starts with orthogonal kernels; the rest needs a batch.

    Args:
        text: a name of `settings.INITIALIZERS`, of this package or of Keras, or
            `module:Name`, with an optional factor such as `*3` and `+rescaling`.
        depth: number of hidden layers.
        activation: the identifier of the hidden layers' activation.
        seed: any non-negative integer; every kernel gets its own seed from it.

    Returns:
        `depth + 1` initializers: one for each hidden layer, and the head's.

    Raises:
        ValueError: there is no such initializer, or it does not fit the activation.
    """
    start = Start.of(text)
    return [
        _kernel_initializer(start, layer, depth, activation, _layer_seed(seed, layer))
        for layer in range(depth + 1)
    ]


def _kernel_initializer(
    start: Start, layer: int, depth: int, activation: str, seed: int
) -> keras.initializers.Initializer:
    if start.name == "dynamic_rescaling":
        before = None if layer == 0 else activation
        base = _scaled(keras.initializers.HeNormal(seed=seed), start.factor)
        return DynamicRescaling(base, activation=before, seed=seed)
    return _scaled(_unscaled(start.name, layer, depth, activation, seed), start.factor)


def _scaled(initializer: Any, factor: float) -> Any:
    return initializer if factor == 1 else Scaled(initializer, factor)


def _unscaled(name: str, layer: int, depth: int, activation: str, seed: int) -> Any:
    match name:
        case "large_normal":
            return keras.initializers.RandomNormal(stddev=LARGE_STDDEV, seed=seed)
        case "scaled_depth" if 0 < layer < depth:
            return ScaledDepth(depth=depth - 1, seed=seed)
        case "scaled_depth":
            return keras.initializers.HeNormal(seed=seed)
        case "looks_linear":
            ends = {0: "first", depth: "last"}
            return LooksLinear(ends.get(layer, "hidden"), seed=seed)
        case "critical":
            return Critical(activation, depth=depth, seed=seed)
        case "scaled_orthogonal" | "lsuv":
            return ScaledOrthogonal(seed=seed)
        case "torch_uniform":
            return TorchUniform(seed=seed)
        case "zero":
            return ZerO()
        case _:
            return _found(name, seed)


def _found(name: str, seed: int) -> Any:
    """An initializer of Keras, or the user's own by `module:Name`."""
    module, is_own, attribute = name.partition(":")
    try:
        found = _imported(module, attribute) if is_own else keras.initializers.get(name)
    except Exception as error:  # the user's module may raise anything
        raise ValueError(
            "Argument `initializers` must name initializers of this package or of "
            "Keras, or `module:Name` for your own. "
            f"Received: {name} ({str(error).splitlines()[0]})"
        ) from error
    make: Any = found if inspect.isclass(found) else type(found)
    if inspect.isclass(found) or not is_own:
        takes_seed = "seed" in inspect.signature(make).parameters
        return make(seed=seed) if takes_seed else make()
    return found


def _imported(module: str, attribute: str) -> Any:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module), attribute)
    finally:
        sys.path.remove(here)


def _layer_seed(seed: int, layer: int) -> int:
    # One integer for two shapes can give correlated kernels, so layers share no seed.
    # The layers of seeds 0 and 1 share none either.
    return int(np.random.SeedSequence([seed, layer]).generate_state(1)[0])
