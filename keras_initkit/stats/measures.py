"""The statistics: pure functions of tensors, in any Keras backend.

Each takes one tensor and measures all of its entries, or its units. It first widens
half precision to float32. `of_entries` computes several statistics of several tensors
with fewer reads.
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
# Relative tolerance. Equal columns differ by the order of a summation, 1e-6 or less.
# Two independent columns agree this closely in all projections once in 1e20.
SAME = 1e-5
MAX_APART = 3


def widen(tensor: Any) -> Any:
    """The tensor in float32; float32 and float64 stay as they are."""
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

    If the mean is larger than the deviations from it, the variance is computed from the
    deviations (Chan, Golub and LeVeque, 1983). In float32, it is 0 below 1.2e-38.

    >>> float(variance(keras.ops.array([1.0, 2.0, 3.0, 4.0])))
    1.25
    """
    return of_entries([tensor], ["variance"])["variance"][0]


def l2_norm(tensor: Any) -> Any:
    """The square root of the sum of the squares of all entries, in their unit, >= 0.

    In float32, entries below 1e-19 add nothing, and above 1e19 it is infinite.

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

    In float32, most devices treat values below 1.2e-38 as 0.

    >>> float(zero_fraction(keras.ops.array([0.0, 2.0, 0.0, 1.0])))
    0.5
    """
    return of_entries([tensor], ["zero_fraction"])["zero_fraction"][0]


def nonfinite_count(tensor: Any) -> Any:
    """The number of NaN and infinite entries, exact up to 2**24.

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
    """Computes several statistics from a few passes over each tensor.

    `variance = E[x^2] - E[x]^2` is as exact as its terms if they are not much larger
    than the variance. If the mean of a tensor is larger than its standard deviation,
    the variances come from the deviations. It looks for NaN and infinities only if a
    sum of squares is not finite.

    >>> found = of_entries([keras.ops.array([3.0, 4.0])], ["mean", "l2_norm"])
    >>> {name: np.array(values).tolist() for name, values in found.items()}
    {'mean': [3.5], 'l2_norm': [5.0]}

    Args:
        tensors: floating-point tensors of any shapes, each with at least one entry.
        names: keys of `TENSOR_MEASURES`.

    Returns:
        For each name, a tensor of shape (tensors,): float64 if any tensor is, else
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
        # A maximum may skip NaN; a sum does not.
        results["max_abs"] = ops.where(ops.isnan(squares), squares, largest)
    if "zero_fraction" in names:
        signs = [ops.sign(tensor) for tensor in tensors]
        results["zero_fraction"] = where_needed(
            is_spoiled,
            lambda: reduce("mean", [_as_number(t == 0, t) for t in tensors]),
            # Counted exactly, because a sum of squares may be off by its rounding.
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
    rest = reduce("mean", deviations)  # the rounding error of the mean
    squares = reduce("mean", [ops.square(d) for d in deviations])
    variances = squares - ops.square(rest)
    return _larger(variances, ops.zeros_like(variances))


def _larger(one: Any, other: Any) -> Any:
    # With torch, Keras's `maximum` of float64 returns float32.
    return ops.where(one < other, other, one)


def _size_of(tensor: Any) -> Any:
    """The number of entries, from the static shape."""
    shape = tuple(tensor.shape)
    return ops.size(tensor) if None in shape else math.prod(shape)


def _as_number(condition: Any, like: Any) -> Any:
    return ops.cast(condition, like.dtype)


def _share(condition: Any, axis: Any = None) -> Any:
    return ops.mean(ops.cast(condition, "float32"), axis=axis)


# -- of the update ---------------------------------------------------------------------


def update_ratio(before: Any, after: Any) -> Any:
    """`||after - before|| / ||before||` of a weight, >= 0: how far an update moved it.

    It is 0 for a weight that did not change, even if the weight is 0, and infinite for
    a weight that left 0.

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
    # A sum keeps NaN, and is much faster than `all` on a comparison.
    sums = _sums_over_batch(ops.abs, activations)
    return _share(ops.equal(sums, 0), axis=-1)


def saturated_fraction(slope: Any, max_slope: float) -> Any:
    """The share of units with almost no slope for over half of the batch, 0 to 1.

    Almost no slope is less than 1 % of the activation's greatest slope. A ReLU that is
    off for over half of the batch counts as saturated.

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
    # Each slope counts as 1, or as -1 if it is flat.
    sums = _sums_over_batch(lambda slope: ops.sign(ops.abs(slope) - bound), slopes)
    return _share(sums < 0, axis=-1)


def _sums_over_batch(function: Callable[[Any], Any], tensors: Sequence[Any]) -> Any:
    """Sums of an elementwise function over the batch: shape (tensors, units)."""

    def sums(stack: Any) -> Any:
        return ops.sum(function(stack), axis=tuple(range(1, len(stack.shape) - 1)))

    return backends.current().of_each(sums, [widen(tensor) for tensor in tensors])


def duplicate_fraction(weight: Any, gradient: Any) -> Any:
    """The share of units that equal another unit up to rounding, between 0 and 1.

    Two units are equal if their columns of the weight and of the gradient are. Then
    every update keeps them equal, and they do the work of one. Zeros and constants do
    this. A unit and its negative count as equal, wherever they are in the layer. A
    layer of one unit has 0. Columns of a single entry (of biases) are sometimes equal
    up to rounding by chance: one in a hundred among 2,048.

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
    # The sign along the first direction that is not 0.
    first = ops.where(weight_direction == 0, gradient_direction, weight_direction)
    sign = ops.where(first[..., :1, :] < 0, -1.0, 1.0)
    directions = directions * ops.cast(sign, directions.dtype)
    features = ops.concatenate([directions, weight_size, gradient_size], axis=-2)
    # Sorted by one number made of all keys, equal units are next to each other, or
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
    """The number of entries of the last axis; 1 for a scalar."""
    return tensor.shape[-1] if len(tensor.shape) else 1


def _unit_keys(tensors: Sequence[Any]) -> Any:
    """Random projections of each unit's column: equal columns, equal keys.

    It uses the same directions in each call, and turns n tensors of shape (..., units)
    into (n, NUM_PROJECTIONS, units).
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
    """The rows of each layer in the layer's order.

    Args:
        rows: shape (layers, units, features).
        order: integers, shape (layers, units).
    """
    layers, units, features = rows.shape
    first = ops.cast(units * np.arange(layers)[:, None], order.dtype)
    # One `take` of whole rows, because `take_along_axis` looks up each number.
    return ops.take(ops.reshape(rows, (layers * units, features)), order + first, 0)


def _size_and_direction(keys: Any) -> tuple[Any, Any]:
    """The logarithm of the largest key of each unit, and the keys in this unit."""
    size = ops.max(ops.abs(keys), axis=-2, keepdims=True)
    size = ops.where(size == 0, ops.ones_like(size), size)
    return ops.log(size), keys / size


def _mixture(features: Any) -> Any:
    """Mixes features with weights whose small integer multiples do not cancel."""
    weights = np.sqrt([2.0, 3, 5, 7, 11, 13, 17, 19, 23, 29])
    return ops.cast(weights[:, None], features.dtype)
