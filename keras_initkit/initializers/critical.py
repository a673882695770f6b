"""Initial weights on the edge between order and chaos."""

import functools
import math
import random
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import keras

from keras_initkit import arguments
from keras_initkit.initializers.bias_draws import NormalBias
from keras_initkit.initializers.matrix_draw import MatrixDraw
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.seeded_draw import SeedLike
from keras_initkit.theory.critical import (
    Criticality,
    critical_variances,
    variances_for_depth,
)
from keras_initkit.theory.elementwise import elementwise_function

# Cached, because each layer of a loaded model would repeat this search of 0.1 s.
_cached_variances_for_depth = functools.lru_cache(maxsize=32, typed=True)(
    variances_for_depth
)


@keras.saving.register_keras_serializable(package="keras_initkit")
class Critical(MatrixDraw):
    """Initializer that keeps signal and gradient from vanishing and exploding.

    The weights have the variance `weight_variance / fan_in`. The biases, which
    `bias_initializer` draws, have the variance `bias_variance`, with

    `weight_variance = 1 / E[f'(sqrt(q_star) z)^2]` for `z ~ N(0, 1)`,
    `bias_variance = q_star - weight_variance * E[f(sqrt(q_star) z)^2]`.

    Then a plain network with the activation `f` keeps the variance of its gradient from
    layer to layer, and its pre-activations at the variance `q_star`. The smaller
    `q_star`, the closer to linear the network starts, and the deeper it trains. `depth`
    chooses `q_star` for a network of that many layers.

    Scale the inputs so that the first layer's pre-activations have that variance, too.
    With tanh, ELU or softsign, other variances converge to `q_star`. With GELU, SiLU or
    Mish they slowly drift away from it, least of all at the small `q_star` that `depth`
    chooses.

    Examples:

    >>> # Standalone usage:
    >>> initializer = Critical("tanh", depth=50)
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer that follows a tanh:
    >>> initializer = Critical("tanh", depth=50)
    >>> layer = keras.layers.Dense(
    ...     3,
    ...     kernel_initializer=initializer,
    ...     bias_initializer=initializer.bias_initializer,
    ... )

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = Critical("tanh", depth=50, input_axes=(0, 1, 3))
    >>> layer = keras.layers.Conv2DTranspose(3, 3, kernel_initializer=initializer)

    Args:
        activation: Activation between the layers, as in `critical_variances`.
        depth: Number of layers of the network, as in `variances_for_depth`.
        q_star: Variance of the pre-activations, a positive, finite float. Exactly one
            of `depth` and `q_star` must be given.
        orthogonal: Whether to draw from `ScaledOrthogonal`, which reaches far greater
            depths, or else from a normal distribution.
        seed: An integer draws the same values in each call. A
            `keras.random.SeedGenerator` continues from call to call. With `None`, each
            call draws new values (reproducibly after `keras.utils.set_random_seed`), so
            one instance can serve several layers.
        input_axes: Axes of the kernel that a unit sums over; all others are units. By
            default all but the last, as in Dense and convolution layers. Set by
            `EinsumDense`. A Conv2DTranspose needs `(0, 1, 3)`, a DepthwiseConv2D
            `(0, 1)`.
        output_axes: Axes of the kernel that an input spreads over. Set by
            `EinsumDense`.

    Attributes:
        q_star: Variance that the pre-activations keep, given or chosen for `depth`.
        weight_variance: `fan_in` times the variance of a weight.
        bias_variance: Variance of a bias.

    Raises:
        ValueError: If an argument is not as above, or if the activation has no critical
            point there (sigmoid has none at all, ReLU none for a `depth`). When it
            draws: if the kernel has fewer than two axes or an empty one.

    Reference:

    - [Poole et al., 2016](https://arxiv.org/abs/1606.05340)
    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    - [Pennington et al., 2017](https://arxiv.org/abs/1711.04735)
    """

    def __init__(
        self,
        activation: str | dict | Callable | None,
        depth: int | None = None,
        q_star: float | None = None,
        orthogonal: bool = True,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes)
        if (depth is None) == (q_star is None):
            raise ValueError(
                "Exactly one of the arguments `depth` and `q_star` must be given. "
                f"Received: depth={depth!r}, q_star={q_star!r}"
            )
        if q_star is not None:
            q_star = arguments.number("q_star", q_star, above=0)
        if depth is not None:
            depth = arguments.integer("depth", depth)
        self.orthogonal = arguments.flag("orthogonal", orthogonal)
        elementwise_function(activation)  # Its error names the activation as given.
        self.activation = keras.activations.get(activation)
        # The cache cannot hold a config, but an error names the argument as given.
        given = self.activation if isinstance(activation, dict) else activation
        if q_star is not None:
            point = critical_variances(given, variance=q_star)
        else:
            can_be_cached = isinstance(given, Hashable)
            search: Callable[..., Criticality] = (
                _cached_variances_for_depth if can_be_cached else variances_for_depth
            )
            point = search(given, depth)
        self.depth = depth
        self.q_star, self.weight_variance, self.bias_variance = point

    @property
    def bias_initializer(self) -> NormalBias:
        """A new initializer of biases, of mean 0 and variance `bias_variance`.

        It does not repeat the draws of the kernel: an integer seed turns into another
        one, and a `keras.random.SeedGenerator` is shared.
        """
        seed = self.seed
        if isinstance(seed, int):
            seed = random.Random(seed).getrandbits(31)
        return NormalBias(math.sqrt(self.bias_variance), seed)

    def _moments(self, num_inputs: int, num_units: int) -> tuple[float, float]:
        return 0.0, self.weight_variance / num_inputs

    def _draw_matrix(self, num_inputs: int, num_units: int, dtype: str) -> Any:
        initializer = (
            ScaledOrthogonal(math.sqrt(self.weight_variance), self.seed)
            if self.orthogonal
            else keras.initializers.VarianceScaling(
                self.weight_variance, "fan_in", "untruncated_normal", self.seed
            )
        )
        return initializer((num_inputs, num_units), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        config = {
            "activation": keras.activations.serialize(self.activation),
            "depth": self.depth,
            "q_star": self.q_star if self.depth is None else None,
            "orthogonal": self.orthogonal,
        }
        return {**config, **super().get_config()}
