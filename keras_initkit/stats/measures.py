"""The statistics: pure functions of stacks of tensors, in any Keras backend.

A stack is several tensors of one shape along a new first axis, (n, ...); each function
returns n numbers. A network has many layers of few shapes, and one operation on a stack
takes about as long as one on a tensor. Half precision is widened to float32 first.
"""

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
    tensor = ops.convert_to_tensor(tensor)
    wide = keras.backend.standardize_dtype(tensor.dtype) in ("float32", "float64")
    return tensor if wide else ops.cast(tensor, "float32")


# -- over all entries ------------------------------------------------------------------


def mean(stack: Any) -> Any:
    """The mean of all entries, in their unit.

    >>> mean(keras.ops.array([[1.0, 2.0, 3.0, 4.0]]))
    [2.5]
    """
    return backends.current().moments(rows_of(stack))[0]


def variance(stack: Any) -> Any:
    """The population variance (divisor: the number of entries), in the unit squared.

    Computed from the deviations from the mean wherever the mean is not small beside
    them (Chan, Golub and LeVeque, 1983). Below 1.2e-38 it is 0 in float32.

    >>> variance(keras.ops.array([[1.0, 2.0, 3.0, 4.0]]))
    [1.25]
    """
    return backends.current().moments(rows_of(stack))[1]


def l2_norm(stack: Any) -> Any:
    """The square root of the sum of the squares of all entries, in their unit, >= 0.

    In float32 entries below 1e-19 add nothing, and beyond 1e19 it is infinite.

    >>> l2_norm(keras.ops.array([[3.0, 4.0]]))
    [5.0]
    """
    return ops.sqrt(backends.current().moments(rows_of(stack))[2])


def max_abs(stack: Any) -> Any:
    """The largest absolute value, in the unit of the entries; NaN if any entry is NaN.

    >>> max_abs(keras.ops.array([[1.0, -4.0, 3.0]]))
    [4.0]
    """
    rows = rows_of(stack)
    largest = ops.max(ops.abs(rows), axis=1)
    # A maximum may pass over NaN.
    has_nan = ops.any(ops.isnan(rows), axis=1)
    return ops.where(has_nan, ops.cast(np.nan, largest.dtype), largest)


def zero_fraction(stack: Any) -> Any:
    """The share of the entries that are 0, between 0 and 1.

    On most devices what is smaller than 1.2e-38 in float32 is 0.

    >>> zero_fraction(keras.ops.array([[0.0, 2.0, 0.0, 1.0]]))
    [0.5]
    """
    return _share(ops.equal(rows_of(stack), 0), axis=1)


def nonfinite_count(stack: Any) -> Any:
    """How many entries are NaN or infinite, exact up to 2**24 of them.

    >>> nonfinite_count(keras.ops.array([[1.0, float("nan"), float("inf")]]))
    [2.0]
    """
    is_nonfinite = ops.logical_not(ops.isfinite(rows_of(stack)))
    return ops.sum(ops.cast(is_nonfinite, "float32"), axis=1)


def of_entries(stack: Any, names: Sequence[str]) -> dict[str, Any]:
    """Several of the statistics above at once, by name: they share what they can.

    >>> of_entries(keras.ops.array([[3.0, 4.0]]), ["mean", "l2_norm"])
    {'mean': [3.5], 'l2_norm': [5.0]}
    """
    rows = rows_of(stack)
    results: dict[str, Any] = {}
    if {"mean", "variance", "l2_norm"} & set(names):
        results["mean"], results["variance"], squares = backends.current().moments(rows)
        results["l2_norm"] = ops.sqrt(squares)
    return {
        name: results[name] if name in results else TENSOR_MEASURES[name](rows)
        for name in names
    }


def rows_of(stack: Any) -> Any:
    """The stack with each tensor in one row, wide: shape (n, entries)."""
    return ops.reshape(widen(stack), (stack.shape[0], -1))


def _share(condition: Any, axis: Any) -> Any:
    return ops.mean(ops.cast(condition, "float32"), axis=axis)


TENSOR_MEASURES: dict[str, Callable[[Any], Any]] = {
    "mean": mean,
    "variance": variance,
    "l2_norm": l2_norm,
    "max_abs": max_abs,
    "zero_fraction": zero_fraction,
    "nonfinite_count": nonfinite_count,
}


# -- of the update ---------------------------------------------------------------------


def update_ratio(before: Any, after: Any) -> Any:
    """`||after - before|| / ||before||` of weights, >= 0: how far an update moved them.

    0 for a weight that stayed where it was, 0 itself included; infinite for one that
    left 0.

    >>> update_ratio(keras.ops.array([[3.0, 4.0]]), keras.ops.array([[3.0, 3.5]]))
    [0.1]
    """
    moved, norm = l2_norm(widen(after) - widen(before)), l2_norm(before)
    return ops.where(ops.equal(moved, 0), moved, moved / norm)


# -- over units, the entries of the last axis ------------------------------------------


def dead_fraction(activation: Any) -> Any:
    """The share of units that are 0 for the whole batch, between 0 and 1.

    >>> dead_fraction(keras.ops.array([[[0.0, 1.0], [0.0, 0.0]]]))
    [0.5]

    Args:
        activation: shape (n, batch, ..., units).
    """
    is_zero = ops.equal(activation, 0)
    return _share(ops.all(is_zero, axis=_within(is_zero)), axis=1)


def saturated_fraction(slope: Any, max_slope: float) -> Any:
    """The share of units with next to no slope for over half of the batch, 0 to 1.

    Next to none is less than 1 % of the greatest slope that the activation has. A ReLU
    that is off for over half of the batch counts as saturated.

    >>> saturated_fraction(keras.ops.array([[[0.001, 1.0], [0.0, 0.5]]]), max_slope=1.0)
    [0.5]

    Args:
        slope: f'(z) at each pre-activation z, shape (n, batch, ..., units).
        max_slope: the greatest |f'(z)| over all z.
    """
    is_flat = ops.less(ops.abs(slope), SATURATED_SLOPE * max_slope)
    return _share(_share(is_flat, axis=_within(is_flat)) > 0.5, axis=1)


def _within(signal: Any) -> tuple[int, ...]:
    """The axes of the batch and of positions, of a stack of signals."""
    return tuple(range(1, len(signal.shape) - 1))


def duplicate_fraction(weight: Any, gradient: Any) -> Any:
    """The share of units that equal another unit up to rounding, between 0 and 1.

    Two units are equal if their columns of the weight are, and their columns of the
    gradient: then every update keeps them equal, and the layer is no wider than one of
    them. That is what zeros and constants do. A unit and its negative count as equal;
    where in the layer they are does not matter. A layer of one unit has 0. Columns of a
    single entry (of biases) are equal up to rounding by chance now and then: among
    2,048 of them one in a hundred.

    >>> weight, gradient = keras.ops.ones((1, 3, 4)), keras.ops.ones((1, 3, 4))
    >>> duplicate_fraction(weight, gradient)
    [1.0]

    Args:
        weight: shape (n, ..., units).
        gradient: the same shape.
    """
    weight_keys, gradient_keys = _unit_keys(weight), _unit_keys(gradient)
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
    number = ops.sum(features * _mixture(features), axis=-2, keepdims=True)
    order = ops.broadcast_to(ops.argsort(number, axis=-1), ops.shape(features))
    features = ops.take_along_axis(features, order, axis=-1)
    is_duplicate = ops.zeros_like(features[..., 0, :])
    for apart in range(1, min(MAX_APART, units - 1) + 1):
        distance = ops.abs(features[..., apart:] - features[..., :-apart])
        is_equal = ops.max(distance, axis=-2) <= SAME
        is_equal = ops.cast(is_equal, features.dtype)
        no_other = [[0, 0]] * (len(is_equal.shape) - 1)
        for side in ([0, apart], [apart, 0]):
            partner = ops.pad(is_equal, [*no_other, side])
            is_duplicate = ops.maximum(is_duplicate, partner)
    return ops.mean(is_duplicate, axis=-1)


def _unit_keys(stack: Any) -> Any:
    """Random projections of each unit's column: equal columns, equal keys.

    The same directions at each call: (n, ..., units) to (n, NUM_PROJECTIONS, units).
    """
    units = stack.shape[-1] if len(stack.shape) > 1 else 1
    columns = ops.reshape(widen(stack), (stack.shape[0], -1, units))
    shape = (NUM_PROJECTIONS, columns.shape[1])
    directions = np.random.default_rng(0).standard_normal(shape)
    return ops.matmul(ops.cast(directions, columns.dtype), columns)


def _size_and_direction(keys: Any) -> tuple[Any, Any]:
    """The logarithm of the largest key of each unit, and the keys in this unit."""
    size = ops.max(ops.abs(keys), axis=-2, keepdims=True)
    size = ops.where(size == 0, ops.ones_like(size), size)
    return ops.log(size), keys / size


def _mixture(features: Any) -> Any:
    """Weights of which no small whole multiples cancel."""
    weights = np.sqrt([2.0, 3, 5, 7, 11, 13, 17, 19, 23, 29])
    return ops.cast(weights[:, None], features.dtype)
