"""The statistics: pure functions of tensors, in any Keras backend."""

from collections.abc import Sequence
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


def moments(tensors: Sequence[Any]) -> Moments:
    """Mean, population variance and L2 norm of each tensor, over all of its entries.

    A tensor is read twice: once for the mean, once for the squared deviations from it.
    The one-pass form `E[x^2] - E[x]^2` cancels to nothing where the mean is large
    beside the standard deviation (Chan, Golub and LeVeque, 1983). The norm needs no
    pass of its own: the sum of squares is `size * (variance + mean^2)`.

    float16 and bfloat16 are widened to float32 first. A NaN or an infinity among the
    entries makes all three values of that tensor non-finite. In float32 a variance
    below 1.2e-38 is 0.

    Example:

    >>> moments([keras.ops.array([1.0, 2.0, 3.0, 4.0])])
    Moments(mean=[2.5], variance=[1.25], l2_norm=[5.477226])

    Args:
        tensors: floating-point tensors of any shapes, each with at least one entry.

    Returns:
        `Moments` of tensors of shape (n,), float64 if every tensor is, else float32.
    """
    tensors = [widen(tensor) for tensor in tensors]
    means = [ops.mean(tensor) for tensor in tensors]
    sums = [
        ops.sum(ops.square(ops.subtract(tensor, mean)))
        for tensor, mean in zip(tensors, means, strict=True)
    ]
    mean, squares = ops.stack(means), ops.stack(sums)
    size = ops.cast([ops.size(tensor) for tensor in tensors], mean.dtype)
    variance = squares / size
    return Moments(mean, variance, ops.sqrt(size * (variance + ops.square(mean))))


def widen(tensor: Any) -> Any:
    """The tensor in float32, or as it is where it is float32 or float64 already."""
    tensor = ops.convert_to_tensor(tensor)
    wide = tensor.dtype in ("float32", "float64")
    return tensor if wide else ops.cast(tensor, "float32")
