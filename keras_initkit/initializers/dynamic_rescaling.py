"""Initial weights whose own draw, not its distribution, has the right variance."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_initkit.initializers.base_draw import BaseDraw, InitializerLike
from keras_initkit.initializers.seeded_draw import SeedLike
from keras_initkit.theory.gains import gaussian_moments
from keras_initkit.theory.number import is_finite_number


@keras.saving.register_keras_serializable(package="keras_initkit")
class DynamicRescaling(BaseDraw):
    """Initializer that rescales each draw to an exact pre-activation variance.

    Draws `W` from `base` and multiplies it by one scalar. Then, for inputs `a = f(z)`
    with independent `z ~ N(0, 1)`, the pre-activations `W^T a` have the variance
    `target_variance` over inputs and units: of this very draw, not of an average one.
    With the mean `m` and variance `v` of `f(z)` and the sum `s_j` of the weights into
    unit `j`, the variance of the draw is

    `v * sum(W^2) / num_units + m^2 * Var_j[s_j]`.

    Examples:

    >>> # Standalone usage:
    >>> initializer = DynamicRescaling(activation="relu")
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer that follows a ReLU:
    >>> initializer = DynamicRescaling(base="orthogonal", activation="relu")
    >>> layer = keras.layers.Dense(3, kernel_initializer=initializer)

    Args:
        base: Identifier of the initializer to draw from: name, config, instance,
            class, or callable with arguments `shape` and `dtype`. Its scale does not
            matter, its shape does.
        activation: Activation `f` of the layer *before*, as in `calculate_gain`.
            `None` for inputs that are standard normal themselves.
        target_variance: Positive float.
        seed: Replaces the seed of `base`. An integer draws the same values in each
            call; a `keras.random.SeedGenerator` goes on from call to call. `None`
            leaves `base` its own seed; if that has none either, each call draws anew
            (reproducibly after `keras.utils.set_random_seed`), so that one instance
            may serve several layers.
        input_axes: Axes of the kernel that are summed over, all others are units; by
            default all but the last, as in Dense and convolution layers. Set by
            `EinsumDense`. A depthwise convolution needs its spatial axes, `(0, 1)`.
        output_axes: Axes of the kernel that are units. Set by `EinsumDense`.

    Raises:
        ValueError: If an argument is not as above, and when a kernel is drawn: if it
            has fewer than two axes or an empty one, or if the draw is not finite or
            gives no variance (`base="zeros"`).

    Reference:

    - [Mishkin & Matas, 2015](https://arxiv.org/abs/1511.06422)
    - [Bingham & Miikkulainen, 2023](https://arxiv.org/abs/2109.08958)
    """

    def __init__(
        self,
        base: InitializerLike = "he_normal",
        activation: str | dict | Callable | None = None,
        target_variance: float = 1.0,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(base, seed, input_axes, output_axes)
        if not is_finite_number(target_variance) or target_variance <= 0:
            raise ValueError(
                "Argument `target_variance` must be a positive, finite number. "
                f"Received: target_variance={target_variance}"
            )
        self._input_moments = gaussian_moments(activation)
        self.activation = keras.activations.get(activation)
        self.target_variance = float(target_variance)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        if len(shape) < 2 or 0 in shape:
            raise ValueError(
                "`DynamicRescaling` needs a kernel with at least two axes, none of "
                f"them empty. Received: shape={tuple(shape)}"
            )
        return super().__call__(shape, dtype=dtype)

    def _factor(self, draw: Any) -> Any:
        variance = self._pre_activation_variance(draw)
        self._check_scalable(variance, draw)
        return ops.sqrt(self.target_variance / variance)

    def _pre_activation_variance(self, kernel: Any) -> Any:
        axes = self.input_axes
        input_axes = tuple(range(kernel.ndim - 1)) if axes is None else tuple(axes)
        unit_sums = ops.sum(kernel, axis=input_axes)
        num_units = math.prod(unit_sums.shape)
        mean, variance = self._input_moments
        # One flat sum, which backends add up pairwise: exact for any fan_in.
        return variance * ops.sum(ops.square(kernel)) / num_units + (
            mean**2 * ops.var(unit_sums)
        )

    def _check_scalable(self, variance: Any, draw: Any) -> None:
        try:
            variance = float(variance)
        except (TypeError, RuntimeError):
            # Keras calls initializers inside a trace too, for a placeholder.
            return
        if not 0 < variance < math.inf:
            raise ValueError(
                f"`DynamicRescaling` cannot rescale a draw of shape "
                f"{tuple(draw.shape)}: its pre-activation variance is {variance}, and "
                f"must be positive and finite. Received: base={self.base}"
            )

    def get_config(self) -> dict[str, Any]:
        config = {
            "activation": keras.activations.serialize(self.activation),
            "target_variance": self.target_variance,
        }
        return {**super().get_config(), **config}
