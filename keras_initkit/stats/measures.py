"""The statistics: pure functions of tensors, in any Keras backend.

Each is a function of one tensor, over all of its entries or over its units. Half
precision is widened to float32 first. Where several are wanted of several tensors,
`of_entries` reads them fewer times than they would one by one.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit import backends

# Saturation threshold, as a share of max |f'|: a unit below it passes on no gradient.
SATURATED_SLOPE = 0.01
NUM_PROJECTIONS = 4
# Relative. Equal columns differ by what the order of a summation does, 1e-6 or less;
# two independent ones agree to this, in all projections, once in 1e20.
SAME = 1e-5
MAX_APART = 3


def widen(tensor: Any) -> Any:
    """The tensor in float32, or as it is where it is float32 or float64 already."""
    if not ops.is_tensor(tensor):
        tensor = ops.convert_to_tensor(tensor)
    wide = keras.backend.standardize_dtype(tensor.dtype) in ("float32", "float64")
    return tensor if wide else ops.cast(tensor, "float32")


# -- over all entries ------------------------------------------------------------------


def mean(tensor: Any) -> Any:
    """The mean of all entries, in their unit.

    >>> float(mean(keras.ops.array([1.0, 2.0, 3.0, 4.0])))
    2.5
    """
    return of_entries([tensor], ["mean"])["mean"][0]


def variance(tensor: Any) -> Any:
    """The population variance (divisor: the number of entries), in the unit squared.

    Computed from the deviations from the mean wherever the mean is larger than they
    are (Chan, Golub and LeVeque, 1983). Below 1.2e-38 it is 0 in float32.

    >>> float(variance(keras.ops.array([1.0, 2.0, 3.0, 4.0])))
    1.25
    """
    return of_entries([tensor], ["variance"])["variance"][0]


def l2_norm(tensor: Any) -> Any:
    """The square root of the sum of the squares of all entries, in their unit, >= 0.

    In float32 entries below 1e-19 add nothing, and beyond 1e19 it is infinite.

    >>> float(l2_norm(keras.ops.array([3.0, 4.0])))
    5.0
    """
    return of_entries([tensor], ["l2_norm"])["l2_norm"][0]


def max_abs(tensor: Any) -> Any:
    """The largest absolute value, in the unit of the entries; NaN if any entry is NaN.

    >>> float(max_abs(keras.ops.array([1.0, -4.0, 3.0])))
    4.0
    """
    return of_entries([tensor], ["max_abs"])["max_abs"][0]


def zero_fraction(tensor: Any) -> Any:
    """The share of the entries that are 0, between 0 and 1.

    On most devices what is smaller than 1.2e-38 in float32 is 0.

    >>> float(zero_fraction(keras.ops.array([0.0, 2.0, 0.0, 1.0])))
    0.5
    """
    return of_entries([tensor], ["zero_fraction"])["zero_fraction"][0]


def nonfinite_count(tensor: Any) -> Any:
    """How many entries are NaN or infinite, exact up to 2**24 of them.

    >>> float(nonfinite_count(keras.ops.array([1.0, float("nan"), float("inf")])))
    2.0
    """
    return of_entries([tensor], ["nonfinite_count"])["nonfinite_count"][0]


TENSOR_MEASURES: dict[str, Callable[[Any], Any]] = {
    "mean": mean,
    "variance": variance,
    "l2_norm": l2_norm,
    "max_abs": max_abs,
    "zero_fraction": zero_fraction,
    "nonfinite_count": nonfinite_count,
}


def of_entries(tensors: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    """What a few passes over each tensor tell, at once.

    `variance = E[x^2] - E[x]^2` is as exact as its terms while they are of the size of
    the variance. Only where the mean of some tensor is larger than its standard
    deviation are the variances taken from the deviations, and only where some sum of
    squares is not finite are NaN and infinities looked for.

    >>> found = of_entries([keras.ops.array([3.0, 4.0])], ["mean", "l2_norm"])
    >>> {name: np.array(values).tolist() for name, values in found.items()}
    {'mean': [3.5], 'l2_norm': [5.0]}

    Args:
        tensors: floating-point tensors of any shapes, each with at least one entry.
        names: keys of `TENSOR_MEASURES`.

    Returns:
        For each name a tensor of shape (tensors,), float64 if any tensor is, else
        float32.
    """
    reduce, where_needed = backends.current().reduce, backends.current().where_needed
    tensors = [widen(tensor) for tensor in tensors]
    squares = reduce("sum_of_squares", tensors)
    size = ops.cast([_size_of(tensor) for tensor in tensors], squares.dtype)
    is_spoiled = ops.logical_not(ops.all(ops.isfinite(squares)))
    results: dict[str, Any] = {"l2_norm": ops.sqrt(squares)}
    if "mean" in names or "variance" in names:
        results["mean"] = reduce("mean", tensors)
    if "variance" in names:
        square_of_mean = ops.square(results["mean"])
        difference = squares / size - square_of_mean
        results["variance"] = where_needed(
            ops.any(square_of_mean > difference),
            lambda: _variances(tensors, results["mean"]),
            difference,
        )
    if "max_abs" in names:
        largest = _larger(reduce("max", tensors), -reduce("min", tensors))
        # A maximum may pass over NaN, a sum does not.
        results["max_abs"] = ops.where(ops.isnan(squares), squares, largest)
    if "zero_fraction" in names:
        signs = [ops.sign(tensor) for tensor in tensors]
        results["zero_fraction"] = where_needed(
            is_spoiled,
            lambda: reduce("mean", [_as_number(t == 0, t) for t in tensors]),
            # A count, which a sum of squares may miss by its rounding.
            (size - ops.round(reduce("sum_of_squares", signs))) / size,
        )
    if "nonfinite_count" in names:

        def counts() -> Any:
            is_bad = [1 - _as_number(ops.isfinite(t), t) for t in tensors]
            return ops.round(size * reduce("mean", is_bad))

        nothing = ops.zeros_like(squares)
        results["nonfinite_count"] = where_needed(is_spoiled, counts, nothing)
    return {name: results[name] for name in names}


def _variances(tensors: Sequence[Any], means: Any) -> Any:
    reduce = backends.current().reduce
    deviations = [t - ops.cast(means[n], t.dtype) for n, t in enumerate(tensors)]
    rest = reduce("mean", deviations)  # of the rounding of the mean
    squares = reduce("mean", [ops.square(d) for d in deviations])
    variances = squares - ops.square(rest)
    return _larger(variances, ops.zeros_like(variances))


def _larger(one: Any, other: Any) -> Any:
    # With torch, Keras's `maximum` of float64 is float32.
    return ops.where(one < other, other, one)


def _size_of(tensor: Any) -> Any:
    """The number of entries, where the shape is known without the graph's help."""
    shape = tuple(tensor.shape)
    return ops.size(tensor) if None in shape else math.prod(shape)


def _as_number(condition: Any, like: Any) -> Any:
    return ops.cast(condition, like.dtype)


def _share(condition: Any, axis: Any = None) -> Any:
    return ops.mean(ops.cast(condition, "float32"), axis=axis)


# -- of the update ---------------------------------------------------------------------


def update_ratio(before: Any, after: Any) -> Any:
    """`||after - before|| / ||before||` of a weight, >= 0: how far an update moved it.

    0 for a weight that stayed where it was, 0 itself included; infinite for one that
    left 0.

    >>> before, after = keras.ops.array([3.0, 4.0]), keras.ops.array([3.0, 1.5])
    >>> float(update_ratio(before, after))
    0.5
    """
    return update_ratios([before], [after])[0]


def update_ratios(before: Sequence[Any], after: Sequence[Any]) -> Any:
    """`update_ratio` of several weights, shape (weights,)."""
    before = [widen(tensor) for tensor in before]
    changes = [widen(new) - old for old, new in zip(before, after, strict=True)]
    moved = of_entries(changes, ["l2_norm"])["l2_norm"]
    norm = of_entries(before, ["l2_norm"])["l2_norm"]
    return ops.where(ops.equal(moved, 0), moved, moved / norm)


# -- over units, the entries of the last axis ------------------------------------------


def dead_fraction(activation: Any) -> Any:
    """The share of units that are 0 for the whole batch, between 0 and 1.

    >>> float(dead_fraction(keras.ops.array([[0.0, 1.0], [0.0, 0.0]])))
    0.5

    Args:
        activation: shape (batch, ..., units).
    """
    return dead_fractions([activation])[0]


def dead_fractions(activations: Sequence[Any]) -> Any:
    """`dead_fraction` of several layers of one width, shape (layers,)."""
    # A sum keeps NaN, and is much faster than `all` of a comparison.
    sums = _sums_over_batch(ops.abs, activations)
    return _share(ops.equal(sums, 0), axis=-1)


def saturated_fraction(slope: Any, max_slope: float) -> Any:
    """The share of units with next to no slope for over half of the batch, 0 to 1.

    Next to none is less than 1 % of the greatest slope that the activation has. A ReLU
    that is off for over half of the batch counts as saturated.

    >>> slopes = keras.ops.array([[0.001, 1.0], [0.0, 0.5]])
    >>> float(saturated_fraction(slopes, max_slope=1.0))
    0.5

    Args:
        slope: f'(z) at each pre-activation z, shape (batch, ..., units).
        max_slope: the greatest |f'(z)| over all z.
    """
    return saturated_fractions([slope], max_slope)[0]


def saturated_fractions(slopes: Sequence[Any], max_slope: float) -> Any:
    """`saturated_fraction` of several layers of one width, shape (layers,)."""
    bound = SATURATED_SLOPE * max_slope
    # Each slope counts 1, or -1 if it is flat.
    sums = _sums_over_batch(lambda slope: ops.sign(ops.abs(slope) - bound), slopes)
    return _share(sums < 0, axis=-1)


def _sums_over_batch(function: Callable[[Any], Any], tensors: Sequence[Any]) -> Any:
    """Of what an elementwise function makes of each tensor: shape (tensors, units)."""

    def sums(stack: Any) -> Any:
        return ops.sum(function(stack), axis=tuple(range(1, len(stack.shape) - 1)))

    return backends.current().of_each(sums, [widen(tensor) for tensor in tensors])


def duplicate_fraction(weight: Any, gradient: Any) -> Any:
    """The share of units that equal another unit up to rounding, between 0 and 1.

    Two units are equal if their columns of the weight are, and their columns of the
    gradient: then every update keeps them equal, and the layer is no wider than one of
    them. That is what zeros and constants do. A unit and its negative count as equal;
    where in the layer they are does not matter. A layer of one unit has 0. Columns of a
    single entry (of biases) are equal up to rounding by chance now and then: among
    2,048 of them one in a hundred.

    >>> weight, gradient = keras.ops.ones((3, 4)), keras.ops.ones((3, 4))
    >>> float(duplicate_fraction(weight, gradient))
    1.0

    Args:
        weight: shape (..., units).
        gradient: the same shape.
    """
    return duplicate_fractions([weight], [gradient])[0]


def duplicate_fractions(weights: Sequence[Any], gradients: Sequence[Any]) -> Any:
    """`duplicate_fraction` of several layers of one width, shape (layers,)."""
    weight_keys, gradient_keys = _unit_keys(weights), _unit_keys(gradients)
    weight_keys = ops.cast(weight_keys, gradient_keys.dtype)
    units = weight_keys.shape[-1]
    weight_size, weight_direction = _size_and_direction(weight_keys)
    gradient_size, gradient_direction = _size_and_direction(gradient_keys)
    directions = ops.concatenate([weight_direction, gradient_direction], axis=-2)
    # The sign of the first direction that is not 0.
    first = ops.where(weight_direction == 0, gradient_direction, weight_direction)
    sign = ops.where(first[..., :1, :] < 0, -1.0, 1.0)
    directions = directions * ops.cast(sign, directions.dtype)
    features = ops.concatenate([directions, weight_size, gradient_size], axis=-2)
    # Equal units are next to each other in the order of one number made of all, or
    # nearly: others may come in between.
    number = ops.sum(features * _mixture(features), axis=-2)
    features = _in_order(ops.swapaxes(features, -1, -2), ops.argsort(number, axis=-1))
    is_duplicate = ops.zeros_like(features[..., 0])
    for apart in range(1, min(MAX_APART, units - 1) + 1):
        distance = ops.abs(features[:, apart:] - features[:, :-apart])
        is_equal = ops.cast(ops.max(distance, axis=-1) <= SAME, features.dtype)
        for side in ([0, apart], [apart, 0]):
            partner = ops.pad(is_equal, [[0, 0], side])
            is_duplicate = ops.maximum(is_duplicate, partner)
    return ops.mean(is_duplicate, axis=-1)


def units_of(tensor: Any) -> int:
    """The number of entries of the last axis; 1 of a scalar."""
    return tensor.shape[-1] if len(tensor.shape) else 1


def _unit_keys(tensors: Sequence[Any]) -> Any:
    """Random projections of each unit's column: equal columns, equal keys.

    The same directions at each call: n of (..., units) to (n, NUM_PROJECTIONS, units).
    """

    def keys(columns: Any) -> Any:
        dtype = keras.backend.standardize_dtype(columns.dtype)
        return ops.matmul(_directions(columns.shape[1], dtype), columns)

    columns = [widen(tensor) for tensor in tensors]
    columns = [
        tensor
        if len(tensor.shape) == 2
        else ops.reshape(tensor, (-1, units_of(tensor)))
        for tensor in columns
    ]
    return backends.current().of_each(keys, columns)


@functools.lru_cache(maxsize=64)
def _directions(size: int, dtype: str) -> np.ndarray:
    shape = (NUM_PROJECTIONS, size)
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def _in_order(rows: Any, order: Any) -> Any:
    """The rows of each layer in an order of its own.

    Args:
        rows: shape (layers, units, features).
        order: integers, shape (layers, units).
    """
    layers, units, features = rows.shape
    first = ops.cast(units * np.arange(layers)[:, None], order.dtype)
    # One `take` of whole rows: `take_along_axis` looks up each number.
    return ops.take(ops.reshape(rows, (layers * units, features)), order + first, 0)


def _size_and_direction(keys: Any) -> tuple[Any, Any]:
    """The logarithm of the largest key of each unit, and the keys in this unit."""
    size = ops.max(ops.abs(keys), axis=-2, keepdims=True)
    size = ops.where(size == 0, ops.ones_like(size), size)
    return ops.log(size), keys / size


def _mixture(features: Any) -> Any:
    """Weights of which no small whole multiples cancel."""
    weights = np.sqrt([2.0, 3, 5, 7, 11, 13, 17, 19, 23, 29])
    return ops.cast(weights[:, None], features.dtype)
