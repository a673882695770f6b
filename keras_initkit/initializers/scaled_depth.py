"""Initial weights that shrink with the depth of a residual network."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_initkit import arguments
from keras_initkit.initializers.base_draw import BaseDraw, InitializerLike
from keras_initkit.initializers.intended_variance import intended_variance
from keras_initkit.initializers.seeded_draw import SeedLike


@keras.saving.register_keras_serializable(package="keras_initkit")
class ScaledDepth(BaseDraw):
    """Initializer that draws from another one and divides by a power of the depth.

    The values are `base(shape) * depth ** (-exponent)`. Each of the `depth` branches
    of a residual stack adds its variance to the stream. With the default exponent of
    1/2 in the last kernel of each branch, the sum is the same at any depth. A branch
    that ends in a ReLU has a positive mean, which adds up coherently: scale its last
    linear layer, or use `exponent=1.0`.

    Examples:

    >>> # Standalone usage:
    >>> initializer = ScaledDepth(depth=24)
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer:
    >>> initializer = ScaledDepth(depth=24, base="glorot_uniform")
    >>> layer = keras.layers.Dense(3, kernel_initializer=initializer)

    >>> # As published:
    >>> initializer = ScaledDepth.gpt2(num_layers=12)

    >>> # Usage in a transposed convolution, whose inputs are the last axis:
    >>> initializer = ScaledDepth(
    ...     depth=24, input_axes=(0, 1, 3), output_axes=(0, 1, 2)
    ... )
    >>> layer = keras.layers.Conv2DTranspose(
    ...     8, 3, padding="same", kernel_initializer=initializer
    ... )

    Args:
        depth: Number of residual branches in the stack, a positive integer.
        exponent: Finite, non-negative float.
        base: Identifier of the initializer to draw from: name, config, instance,
            class, or callable with arguments `shape` and `dtype`.
        seed: Replaces the seed of `base`. An integer draws the same values in each
            call. A `keras.random.SeedGenerator` continues from call to call. With
            `None`, `base` keeps its own seed; if it has none, each call draws new
            values (reproducibly after `keras.utils.set_random_seed`), so one instance
            can serve several layers.
        residual_multiplier: Factor for the skip connection of your model,
            `x * residual_multiplier + F(x)`. It does not change the drawn values; the
            initializer only stores it.
        input_axes: Axes of the kernel that a unit sums over, for a `base` that takes
            axes and has none. Set by `EinsumDense`. A Conv2DTranspose needs
            `(0, 1, 3)`, a DepthwiseConv2D `(0, 1)`.
        output_axes: Axes of the kernel that an input spreads over. Set by
            `EinsumDense`. A Conv2DTranspose needs `(0, 1, 2)`, a DepthwiseConv2D
            `(0, 1, 3)`.

    Raises:
        ValueError: If an argument is not as above.

    Reference:

    - [Radford et al., 2019](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf)
    - [Zhang et al., 2019](https://arxiv.org/abs/1901.09321)
    """

    def __init__(
        self,
        depth: int,
        exponent: float = 0.5,
        base: InitializerLike = "he_normal",
        seed: SeedLike = None,
        residual_multiplier: float = 1.0,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(base, seed, input_axes, output_axes)
        self.depth = arguments.integer("depth", depth)
        self.exponent = arguments.number("exponent", exponent, least=0)
        self.residual_multiplier = arguments.number(
            "residual_multiplier", residual_multiplier
        )

    def intended_variance(self, shape: Sequence[int]) -> float:
        """Returns the variance of the entries, over entries and draws.

        It is the variance of `base`, times `depth ** (-2 * exponent)`.

        Args:
            shape: Shape of the kernel.

        Returns:
            A float, NaN if the variance of `base` is unknown.
        """
        of_base = intended_variance(self._base_with_axes(shape), shape)
        return of_base * self.depth ** (-2 * self.exponent)

    def _factor(self, draw: Any) -> float:
        return self.depth**-self.exponent

    def get_config(self) -> dict[str, Any]:
        config = {
            "depth": self.depth,
            "exponent": self.exponent,
            "residual_multiplier": self.residual_multiplier,
        }
        return {**super().get_config(), **config}

    @classmethod
    def gpt2(cls, num_layers: int, seed: SeedLike = None) -> "ScaledDepth":
        """For the last kernel of each residual branch in GPT-2.

        `stddev = 0.02 / sqrt(2 * num_layers)`, normal: a transformer layer has two
        residual branches, attention and feed-forward.

        Args:
            num_layers: Number of transformer layers.
            seed: As in `ScaledDepth`.

        Reference:

        - [Radford et al., 2019](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf)
        """
        base = keras.initializers.RandomNormal(stddev=0.02)
        return cls(
            2 * arguments.integer("num_layers", num_layers), base=base, seed=seed
        )

    @classmethod
    def fixup(
        cls, num_blocks: int, layers_per_block: int, seed: SeedLike = None
    ) -> "ScaledDepth":
        """For all layers but the last of a residual branch without normalization.

        `stddev = sqrt(2 / fan_in) * num_blocks ** (-1 / (2 * layers_per_block - 2))`.
        Fixup starts the last layer of each branch, and the classifier, at zero.

        Args:
            num_blocks: Number of residual branches.
            layers_per_block: Number of weight layers in a branch, at least 2.
            seed: As in `ScaledDepth`.

        Reference:

        - [Zhang et al., 2019](https://arxiv.org/abs/1901.09321)
        """
        layers = arguments.integer("layers_per_block", layers_per_block, least=2)
        return cls(
            arguments.integer("num_blocks", num_blocks),
            exponent=1 / (2 * layers - 2),
            base="he_normal",
            seed=seed,
        )

    @classmethod
    def deepnorm(cls, num_layers: int, seed: SeedLike = None) -> "ScaledDepth":
        """For the feed-forward, value and output kernels of a DeepNorm transformer.

        `GlorotNormal` values times `(8 * num_layers) ** (-1 / 4)`, for an encoder or a
        decoder alone. Its `residual_multiplier` is `(2 * num_layers) ** (1 / 4)`:

        ```python
        initializer = ScaledDepth.deepnorm(num_layers=100)
        x = normalization(x * initializer.residual_multiplier + feed_forward(x))
        ```

        Args:
            num_layers: Number of transformer layers.
            seed: As in `ScaledDepth`.

        Reference:

        - [Wang et al., 2022](https://arxiv.org/abs/2203.00555)
        """
        num_layers = arguments.integer("num_layers", num_layers)
        return cls(
            8 * num_layers,
            exponent=1 / 4,
            base="glorot_normal",
            seed=seed,
            residual_multiplier=(2 * num_layers) ** (1 / 4),
        )

    @classmethod
    def tfixup(cls, num_layers: int, seed: SeedLike = None) -> "ScaledDepth":
        """For a transformer encoder without layer normalization and warmup.

        `GlorotUniform` values times `0.67 * num_layers ** (-1 / 4)`, for the
        feed-forward, value and output kernels.

        Args:
            num_layers: Number of encoder layers.
            seed: As in `ScaledDepth`.

        Reference:

        - [Huang et al., 2020](https://proceedings.mlr.press/v119/huang20f.html)
        """
        base = keras.initializers.VarianceScaling(
            scale=0.67**2, mode="fan_avg", distribution="uniform"
        )
        depth = arguments.integer("num_layers", num_layers)
        return cls(depth, exponent=1 / 4, base=base, seed=seed)

    @classmethod
    def depth_mup(cls, num_layers: int, seed: SeedLike = None) -> "ScaledDepth":
        """For the last kernel of each residual branch with depth-muP.

        `stddev = sqrt(2 / fan_in) / sqrt(num_layers)`. Depth-muP scales the branches
        throughout training; a factor in the kernel scales them only at the start.

        Args:
            num_layers: Number of residual branches.
            seed: As in `ScaledDepth`.

        Reference:

        - [Yang et al., 2023](https://arxiv.org/abs/2310.02244)
        """
        depth = arguments.integer("num_layers", num_layers)
        return cls(depth, base="he_normal", seed=seed)
