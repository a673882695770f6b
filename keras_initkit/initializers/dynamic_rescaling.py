"""Initial weights of which each single draw has the right variance."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_initkit import arguments
from keras_initkit.initializers.base_draw import BaseDraw, InitializerLike
from keras_initkit.initializers.intended_variance import intended_variance
from keras_initkit.initializers.seeded_draw import SeedLike
from keras_initkit.theory.gains import gaussian_moments


@keras.saving.register_keras_serializable(package="keras_initkit")
class DynamicRescaling(BaseDraw):
    """Initializer that rescales each draw to an exact pre-activation variance.

    It draws `W` from `base` and multiplies it by one scalar. Then, for inputs
    `a = f(z)` with independent `z ~ N(0, 1)`, the pre-activations `W^T a` have the
    variance `target_variance` over inputs and units, in each single draw and not just
    on average. With the mean `m` and variance `v` of `f(z)` and the sum `s_j` of the
    weights into unit `j`, the variance of the draw is

    `v * sum(W^2) / num_units + m^2 * Var_j[s_j]`.

    Examples:

    >>> # Standalone usage:
    >>> initializer = DynamicRescaling(activation="relu")
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer that follows a ReLU:
    >>> initializer = DynamicRescaling(base="orthogonal", activation="relu")
    >>> layer = keras.layers.Dense(3, kernel_initializer=initializer)

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = DynamicRescaling(activation="relu", input_axes=(0, 1, 3))
    >>> layer = keras.layers.Conv2DTranspose(3, 3, kernel_initializer=initializer)

    Args:
        base: Identifier of the initializer to draw from: name, config, instance,
            class, or callable with arguments `shape` and `dtype`. Its scale does not
            matter.
        activation: Activation `f` of the layer *before*, as in `calculate_gain`.
            `None` for standard normal inputs.
        target_variance: Positive float. On average, a transposed convolution with
            strides sums over only a part of its window: multiply the variance by the
            strides of all axes, so by 4 for `strides=2` in a Conv2DTranspose.
        seed: Replaces the seed of `base`. An integer draws the same values in each
            call. A `keras.random.SeedGenerator` continues from call to call. With
            `None`, `base` keeps its own seed; if it has none, each call draws new
            values (reproducibly after `keras.utils.set_random_seed`), so one instance
            can serve several layers.
        input_axes: Axes of the kernel that a unit sums over; all others are units. By
            default all but the last, as in Dense and convolution layers. Set by
            `EinsumDense`. A Conv2DTranspose needs `(0, 1, 3)`, a DepthwiseConv2D
            `(0, 1)`.
        output_axes: Axes of the kernel that an input spreads over. Set by
            `EinsumDense`.

    Raises:
        ValueError: If an argument is not as above. When it draws: if the kernel has
            fewer than two axes or an empty one, or if the draw is not finite or has no
            variance (`base="zeros"`).

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
        self._input_moments = gaussian_moments(activation)
        self.activation = keras.activations.get(activation)
        self.target_variance = arguments.number(
            "target_variance", target_variance, above=0
        )

    def intended_variance(self, shape: Sequence[int]) -> float:
        """Returns the variance of the entries, over entries and draws.

        For a `base` with uncorrelated entries of mean 0, fan_in `n`, `u` units, and the
        mean `m` and variance `v` of `f(z)`, it is

        `target_variance / (n * (v + m^2 * (1 - 1 / u)))`

        times one plus the relative variance of the sum in that denominator, which is of
        order `1 / u`. The remaining error is of order `1 / u^2`, or `1 / u` with an
        orthogonal base, whose sum varies less.

        Args:
            shape: Shape of the kernel.

        Returns:
            A float; NaN if it is unknown whether `base` draws such entries.
        """
        base = self._base_with_axes(shape)
        if not self.is_uncorrelated or math.isnan(intended_variance(base, shape)):
            return math.nan
        num_inputs, num_units = self._sizes(shape)
        mean, variance = self._input_moments
        of_unit = num_inputs * (variance + mean**2 * (1 - 1 / num_units))
        return self.target_variance / of_unit * (1 + self._relative_variance(shape))

    def effective_entries(self, shape: Sequence[int]) -> int:
        """Returns the entry count with an equally uncertain variance.

        The variance of a draw is fixed except for the sums of the units, which the
        rescaling includes: the count is `2 / relative_variance`, at most all entries.
        """
        relative = self._relative_variance(shape)
        entries = math.prod(shape)
        return int(min(entries, 2 / relative)) if relative else entries

    def _relative_variance(self, shape: Sequence[int]) -> float:
        """Returns Var[V] / E[V]^2, where V is the draw's variance for a fixed sum(W^2).

        The share of sum(W^2) in the units' sums, minus their mean, has a Beta
        distribution: that part has `u - 1` of the `n * u` dimensions.
        """
        num_inputs, num_units = self._sizes(shape)
        mean, variance = self._input_moments
        entries = num_inputs * num_units
        share = (num_units - 1) / entries
        of_share = 2 * share * (1 - share) / (entries + 2)
        expected = variance + mean**2 * num_inputs * share
        return (mean**2 * num_inputs) ** 2 * of_share / expected**2

    def _sizes(self, shape: Sequence[int]) -> tuple[int, int]:
        """Returns the number of inputs of a unit, and of units."""
        inputs, _ = self._axes(shape)
        num_inputs = math.prod(shape[axis] for axis in inputs)
        return num_inputs, math.prod(shape) // num_inputs

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        self._axes(shape)  # raises before the draw if the shape is no kernel's
        return super()._draw(shape, dtype)

    def _factor(self, draw: Any) -> Any:
        variance = self._pre_activation_variance(draw)
        self._check_scalable(variance, draw)
        return ops.sqrt(self.target_variance / variance)

    def _pre_activation_variance(self, kernel: Any) -> Any:
        inputs, _ = self._axes(kernel.shape)
        unit_sums = ops.sum(kernel, axis=inputs)
        num_units = math.prod(unit_sums.shape)
        mean, variance = self._input_moments
        # One flat sum, which backends add up pairwise: exact for any fan_in.
        return variance * ops.sum(ops.square(kernel)) / num_units + (
            mean**2 * ops.var(unit_sums)
        )

    def _check_scalable(self, variance: Any, draw: Any) -> None:
        try:
            # AutoGraph turns `float` of a tensor into another tensor.
            variance = float(ops.convert_to_numpy(variance))
        except (TypeError, RuntimeError):
            # Inside a trace there is no number yet, and may never be one.
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
