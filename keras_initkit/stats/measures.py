"""The statistics: pure functions of tensors, in any Keras backend."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops


class Moments(NamedTuple):
    """The first two moments of each of n tensors, over all of its entries.

    Attributes:
        mean: tensor of shape (n,), in the unit of the entries.
        variance: tensor of shape (n,), population variance (divisor: the number of
            entries), in that unit squared, >= 0.
        l2_norm: tensor of shape (n,), square root of the sum of squares, >= 0.
    """

    mean: Any
    variance: Any
    l2_norm: Any


def sum_of_squares(tensor: Any) -> Any:
    """The sum of the squares of all entries, a scalar tensor."""
    return ops.sum(ops.square(tensor))


def moments(
    tensors: Sequence[Any], sum_of_squares: Callable[[Any], Any] = sum_of_squares
) -> Moments:
    """Mean, population variance and L2 norm of each tensor, over all of its entries.

    A tensor is read twice, for its mean and for its sum of squares, and never copied:
    `variance = E[x^2] - E[x]^2` is as exact as its terms while they are of the size of
    the variance. Where the mean is larger than the standard deviation this difference
    would cancel, and the variances are computed once more, from the deviations from
    the means (Chan, Golub and LeVeque, 1983).

    float16 and bfloat16 are widened to float32 first. A NaN or an infinity among the
    entries makes mean, variance and norm of that tensor non-finite. In float32 a
    variance below 1.2e-38 is 0.

    Example:

    >>> moments([keras.ops.array([1.0, 2.0, 3.0, 4.0])])
    Moments(mean=[2.5], variance=[1.25], l2_norm=[5.477226])

    Args:
        tensors: floating-point tensors of any shapes, each with at least one entry.
        sum_of_squares: the backend's own, if it has one that makes no copy.

    Returns:
        `Moments` of tensors of shape (n,), float64 if every tensor is, else float32.
    """
    tensors = [widen(tensor) for tensor in tensors]
    means = [ops.mean(tensor) for tensor in tensors]
    mean = ops.stack(means)
    size = ops.cast([ops.size(tensor) for tensor in tensors], mean.dtype)

    def mean_squares(tensors: Sequence[Any]) -> Any:
        return ops.stack([sum_of_squares(tensor) for tensor in tensors]) / size

    def from_deviations() -> Any:
        deviations = [t - m for t, m in zip(tensors, means, strict=True)]
        # What the rounding of the mean left in them.
        rest = ops.stack([ops.mean(deviation) for deviation in deviations])
        return ops.maximum(mean_squares(deviations) - ops.square(rest), 0)

    mean_square = mean_squares(tensors)
    difference = mean_square - ops.square(mean)
    cancels = ops.any(ops.square(mean) > difference)
    variance = ops.cond(cancels, from_deviations, lambda: difference)
    return Moments(mean, variance, ops.sqrt(size * mean_square))


def widen(tensor: Any) -> Any:
    """The tensor in float32, or as it is where it is float32 or float64 already."""
    tensor = ops.convert_to_tensor(tensor)
    wide = tensor.dtype in ("float32", "float64")
    return tensor if wide else ops.cast(tensor, "float32")
