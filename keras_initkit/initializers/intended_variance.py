"""The variance that an initializer intends for a weight, by formula."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_initkit.backends.keras_private import compute_fans
from keras_initkit.theory.variance import variance

# The standard deviation of a standard normal distribution cut at +-2.
_TRUNCATED_VARIANCE = 0.87962566103423978**2


def intended_variance(initializer: Any, shape: Sequence[int]) -> float:
    """Returns the variance of the entries that an initializer draws.

    The variance is over the entries of a weight and over draws. An initializer with a
    method `intended_variance(shape)` states its own, as all of this package do. These
    initializers of Keras are known:

    initializer | variance
    --|--
    VarianceScaling, Glorot, He, LeCun | `scale / n`, with Keras's own fans and axes
    RandomNormal | `stddev^2`
    TruncatedNormal | `0.7737 stddev^2`: Keras cuts it at two standard deviations
    RandomUniform | `(maxval - minval)^2 / 12`
    Orthogonal | `gain^2 / max(rows, columns)`
    Zeros, Ones | 0
    Constant | variance of its values
    Identity | `gain^2 (1 - p) p`, where `p` is the share of the diagonal

    It draws nothing and changes no random state.

    Examples:

    >>> intended_variance(keras.initializers.HeNormal(), (200, 50))
    0.01
    >>> scaled = ScaledDepth(depth=4, base="orthogonal")
    >>> round(intended_variance(scaled, (200, 50)), 6)
    0.00125

    Args:
        initializer: A `keras.initializers.Initializer` or any other callable.
        shape: Shape of the weight.

    Returns:
        A float, at least 0; NaN if it is unknown, as for a plain callable.

    Raises:
        ValueError: If the initializer states its own variance and cannot draw a weight
            of this shape.

    Reference:

    - [Glorot & Bengio, 2010](http://proceedings.mlr.press/v9/glorot10a.html)
    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    - [Saxe et al., 2014](https://openreview.net/forum?id=_wzZwKpTDF_9C)
    """
    kind = type(initializer)
    if _states_its_variance(kind):
        return float(initializer.intended_variance(tuple(shape)))
    # By the method that is called: a subclass may draw in its own way.
    formula = _FORMULAS.get(kind.__call__)
    return math.nan if formula is None else float(formula(initializer, tuple(shape)))


def effective_entries(initializer: Any, shape: Sequence[int]) -> int:
    """Returns the entry count with an equally uncertain variance.

    From draw to draw, the variance of a kernel changes no more than the variance of
    this many independent normal numbers. It is the number of entries, unless one random
    factor multiplies all of them: then `initializer.effective_entries(shape)` tells.

    Examples:

    >>> effective_entries(keras.initializers.HeNormal(), (200, 50))
    10000

    Args:
        initializer: As in `intended_variance`.
        shape: Shape of the weight.
    """
    if hasattr(initializer, "effective_entries"):
        return initializer.effective_entries(tuple(shape))
    return math.prod(shape)


def is_uncorrelated(initializer: Any) -> bool:
    """Tells whether all entries are known to have mean 0 and to be uncorrelated."""
    if hasattr(initializer, "is_uncorrelated"):
        return initializer.is_uncorrelated
    mean = getattr(initializer, "mean", 0)
    low, high = (getattr(initializer, name, 0) for name in ("minval", "maxval"))
    return type(initializer).__call__ in _RANDOM and mean == 0 and low == -high


def with_axes(
    initializer: Any,
    input_axes: Sequence[int] | None,
    output_axes: Sequence[int] | None,
) -> Any:
    """Returns an initializer that knows its axes, for its formulas and not for draws.

    It is the given initializer if that takes no axes or has its own.
    """
    given = (getattr(initializer, name, ()) for name in ("input_axes", "output_axes"))
    if any(axes is not None for axes in given):
        return initializer
    return with_other_axes(initializer, input_axes, output_axes)


def with_other_axes(
    initializer: Any,
    input_axes: Sequence[int] | None,
    output_axes: Sequence[int] | None,
) -> Any:
    """Returns an initializer with these axes instead of its own, for its formulas."""
    # Its constructor may draw a seed, and its copy may read a file.
    known = object.__new__(type(initializer))
    axes = {"input_axes": input_axes, "output_axes": output_axes}
    vars(known).update({**vars(initializer), **axes})
    return known


def _states_its_variance(kind: type) -> bool:
    """Tells whether a class states the variance of its own draws, not of its parent's.

    A subclass that draws in its own way inherits the statement, which may be wrong.
    """
    for cls in kind.__mro__:
        if "intended_variance" in vars(cls):
            return True
        if "__call__" in vars(cls):
            return False
    return False


def _variance_scaling(initializer: Any, shape: tuple[int, ...]) -> float:
    axes = {
        name: getattr(initializer, name)
        for name in inspect.signature(compute_fans).parameters
        if name != "shape"  # Keras < 3.15 has no axes
    }
    fan_in, fan_out = compute_fans(shape, **axes)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    return initializer.scale / max(1.0, fans[initializer.mode])


def _random_normal(initializer: Any, shape: tuple[int, ...]) -> float:
    return initializer.stddev**2


def _truncated_normal(initializer: Any, shape: tuple[int, ...]) -> float:
    return _TRUNCATED_VARIANCE * initializer.stddev**2


def _random_uniform(initializer: Any, shape: tuple[int, ...]) -> float:
    return (initializer.maxval - initializer.minval) ** 2 / 12


def _orthogonal(initializer: Any, shape: tuple[int, ...]) -> float:
    return initializer.gain**2 / max(math.prod(shape[:-1]), shape[-1])


def _constant(initializer: Any, shape: tuple[int, ...]) -> float:
    return variance(np.broadcast_to(getattr(initializer, "value", 0.0), shape))


def _identity(initializer: Any, shape: tuple[int, ...]) -> float:
    diagonal = 1 / max(shape)
    return initializer.gain**2 * (1 - diagonal) * diagonal


_RANDOM: dict[Any, Callable[[Any, tuple[int, ...]], float]] = {
    keras.initializers.VarianceScaling.__call__: _variance_scaling,
    keras.initializers.RandomNormal.__call__: _random_normal,
    keras.initializers.TruncatedNormal.__call__: _truncated_normal,
    keras.initializers.RandomUniform.__call__: _random_uniform,
    keras.initializers.Orthogonal.__call__: _orthogonal,
}
_FORMULAS = {
    **_RANDOM,
    keras.initializers.Zeros.__call__: _constant,
    keras.initializers.Ones.__call__: _constant,
    keras.initializers.Constant.__call__: _constant,
    keras.initializers.Identity.__call__: _identity,
}
