"""The variance of a kernel's entries that its initializer stands for."""

import functools
import inspect
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.initializers.random_initializers import compute_fans

from keras_initkit.kernels.random_state import random_state_kept

MAX_ENTRIES = 2**20
# Of a standard normal distribution that is cut at two standard deviations.
_TRUNCATED_VARIANCE = 0.87962566103423978**2
_NUM_DRAWS = 16
# How much farther from their mean 99.9 % of new draws lie than by a normal table: the
# quantile of Student's t with 15 degrees of freedom over that of the normal
# distribution, and the mean itself is known from 16 draws only.
_STUDENT = 4.0728 / 3.2905 * math.sqrt(1 + 1 / _NUM_DRAWS)
_NO_CONFIG = keras.initializers.Initializer.get_config


class ImpliedVariance(NamedTuple):
    """What variance the entries of a kernel have, and how sharply.

    Attributes:
        variance: at least 0; NaN if there is no telling.
        entries: of how many independent normal numbers the variance changes as much
            from draw to draw as of the kernel's entries.
    """

    variance: float
    entries: int


def implied_variance(
    initializer: Any, shape: Sequence[int], max_entries: int = MAX_ENTRIES
) -> ImpliedVariance:
    """Returns the variance that an initializer gives the entries of a kernel.

    initializer | variance
    --|--
    VarianceScaling, Glorot, He, LeCun | `scale / n`, with Keras's own fans and axes
    RandomNormal | `stddev^2`
    TruncatedNormal | `0.7737 stddev^2`: it is cut at two standard deviations
    RandomUniform | `(maxval - minval)^2 / 12`
    Orthogonal | `gain^2 / max(rows, columns)`
    Zeros, Ones | 0
    Identity | `gain^2 (1 - p) p`, where `p` is the share of the diagonal
    any other without a seed (Constant) | the variance of its values
    any other of up to `max_entries` | the mean of 16 draws

    The entries are those of the kernel, but where 16 draws differ by more than so many
    independent numbers do: `DynamicRescaling` multiplies all of them by one factor.
    Those draws have other seeds than the initializer, and advance no random state:
    neither its own, nor those of Keras, NumPy and Python.

    Example:

    >>> implied_variance(keras.initializers.HeNormal(), (200, 50))
    ImpliedVariance(variance=0.01, entries=10000)
    >>> scaled = implied_variance(ScaledDepth(depth=4, base="orthogonal"), (200, 50))
    >>> round(scaled.variance, 6)
    0.00125

    Args:
        initializer: A `keras.initializers.Initializer`.
        shape: Shape of the kernel.
        max_entries: Of how large a kernel it may take draws; 16 of 2^20 entries take
            a fraction of a second.

    Returns:
        `ImpliedVariance(variance, entries)`, of NaN if there is no telling, as for a
        plain callable or an initializer without a config.

    Reference:

    - [Glorot & Bengio, 2010](http://proceedings.mlr.press/v9/glorot10a.html)
    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    - [Saxe et al., 2014](https://openreview.net/forum?id=_wzZwKpTDF_9C)
    """
    # By what is called: a subclass may draw in its own way.
    formula = _FORMULAS.get(type(initializer).__call__)
    if formula is None:
        return _of_draws(initializer, tuple(shape), max_entries)
    return ImpliedVariance(formula(initializer, tuple(shape)), math.prod(shape))


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
    return float(initializer.stddev) ** 2


def _truncated_normal(initializer: Any, shape: tuple[int, ...]) -> float:
    return _TRUNCATED_VARIANCE * _random_normal(initializer, shape)


def _random_uniform(initializer: Any, shape: tuple[int, ...]) -> float:
    return float(initializer.maxval - initializer.minval) ** 2 / 12


def _orthogonal(initializer: Any, shape: tuple[int, ...]) -> float:
    return initializer.gain**2 / max(math.prod(shape[:-1]), shape[-1])


def _constant(initializer: Any, shape: tuple[int, ...]) -> float:
    return 0.0


def _identity(initializer: Any, shape: tuple[int, ...]) -> float:
    diagonal = 1 / max(shape)
    return initializer.gain**2 * (1 - diagonal) * diagonal


def _of_draws(
    initializer: Any, shape: tuple[int, ...], max_entries: int
) -> ImpliedVariance:
    unknown = ImpliedVariance(math.nan, math.prod(shape))
    # Only with a config is there another one, which draws from nothing of this one's.
    kind: Any = type(initializer)
    get_config = getattr(kind, "get_config", _NO_CONFIG)
    if get_config is _NO_CONFIG or not 0 < math.prod(shape) <= max_entries:
        return unknown
    try:
        config = initializer.get_config()
        num_draws = 1
        if "seed" in config:
            num_draws, config["seed"] = _NUM_DRAWS, None
        variances = _variances(kind, json.dumps(config), shape, num_draws)
    except Exception:  # whatever an initializer of the user's own raises here
        return unknown
    if num_draws == 1:
        return ImpliedVariance(variances[0], math.prod(shape))
    return _with_entries(np.array(variances), math.prod(shape))


# Most layers of a network share one initializer and one shape.
@functools.lru_cache(maxsize=64)
def _variances(
    initializer: Any, config: str, shape: tuple[int, ...], num_draws: int
) -> list[float]:
    with random_state_kept():
        return [
            variance(
                initializer.from_config(_seeded(json.loads(config), seed))(
                    shape, dtype="float32"
                )
            )
            for seed in range(num_draws)
        ]


def _seeded(config: dict[str, Any], seed: int) -> dict[str, Any]:
    return {**config, "seed": seed} if "seed" in config else config


def _with_entries(variances: np.ndarray, entries: int) -> ImpliedVariance:
    mean = variances.mean() * entries / max(1, entries - 1)
    if mean > 0:
        # The variance of n independent normal numbers spreads by sqrt(2 / n).
        spread = _STUDENT * variances.std(ddof=1) / mean
        if entries * spread**2 > 2 * _STUDENT**2:
            entries = int(2 / spread**2)
    return ImpliedVariance(float(mean), entries)


def variance(tensor: Any) -> float:
    """The population variance of all entries, in float64; exactly 0 if all are equal.

    In float32 the square of an exploding signal overflows.
    """
    values = np.asarray(keras.ops.convert_to_numpy(tensor), "float64")
    with np.errstate(invalid="ignore", over="ignore"):  # not finite, and so is this
        return float(np.var(values - values.flat[0]))


_FORMULAS: dict[Any, Callable[[Any, tuple[int, ...]], float]] = {
    keras.initializers.VarianceScaling.__call__: _variance_scaling,
    keras.initializers.RandomNormal.__call__: _random_normal,
    keras.initializers.TruncatedNormal.__call__: _truncated_normal,
    keras.initializers.RandomUniform.__call__: _random_uniform,
    keras.initializers.Orthogonal.__call__: _orthogonal,
    keras.initializers.Zeros.__call__: _constant,
    keras.initializers.Ones.__call__: _constant,
    keras.initializers.Identity.__call__: _identity,
}
