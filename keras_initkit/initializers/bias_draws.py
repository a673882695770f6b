"""Random initial biases, which belong to kernels drawn by other initializers."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_initkit import arguments
from keras_initkit.initializers.seeded_draw import SeededDraw, SeedLike


@keras.saving.register_keras_serializable(package="keras_initkit")
class TorchUniformBias(SeededDraw):
    """Initializer of biases as in `torch.nn.Linear` and `torch.nn.Conv2d`.

    It draws from a uniform distribution within `[-limit, limit]`, where
    `limit = 1 / sqrt(fan_in)`, as `TorchUniform` does for the kernel.

    Examples:

    >>> # Standalone usage:
    >>> initializer = TorchUniformBias(fan_in=64)
    >>> values = initializer(shape=(3,))

    >>> # Usage in a Keras layer of 3 x 3 pixels and 16 channels:
    >>> layer = keras.layers.Conv2D(
    ...     8,
    ...     3,
    ...     kernel_initializer=TorchUniform(),
    ...     bias_initializer=TorchUniformBias(fan_in=3 * 3 * 16),
    ... )

    Args:
        fan_in: Number of inputs that each unit sums over, a positive integer.
        seed: An integer draws the same values in each call. A
            `keras.random.SeedGenerator` continues from call to call. With `None`, each
            call draws new values (reproducibly after `keras.utils.set_random_seed`), so
            one instance can serve several layers.

    Raises:
        ValueError: If an argument is not as above.

    Reference:

    - [torch.nn.Linear](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html)
    """

    def __init__(self, fan_in: int, seed: SeedLike = None) -> None:
        super().__init__(seed)
        self.fan_in = arguments.integer("fan_in", fan_in)

    def intended_variance(self, shape: Sequence[int]) -> float:
        """Returns the variance of the biases over draws: `1 / (3 * fan_in)`.

        Args:
            shape: Shape of the bias; it does not matter.
        """
        return 1 / (3 * self.fan_in)

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        limit = 1 / math.sqrt(self.fan_in)
        uniform = keras.initializers.RandomUniform(-limit, limit, self.seed)
        return uniform(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"fan_in": self.fan_in, **super().get_config()}


@keras.saving.register_keras_serializable(package="keras_initkit")
class NormalBias(SeededDraw):
    """Initializer of biases from a normal distribution of mean 0.

    It is `keras.initializers.RandomNormal`, except that an unseeded instance draws new
    values in each call. `Critical.bias_initializer` returns it.

    Examples:

    >>> # Standalone usage:
    >>> initializer = NormalBias(stddev=0.1)
    >>> values = initializer(shape=(3,))

    >>> # Usage in a Keras layer:
    >>> initializer = NormalBias(stddev=0.1)
    >>> layer = keras.layers.Dense(3, bias_initializer=initializer)

    Args:
        stddev: Standard deviation, a finite, non-negative float.
        seed: An integer draws the same values in each call. A
            `keras.random.SeedGenerator` continues from call to call. With `None`, each
            call draws new values (reproducibly after `keras.utils.set_random_seed`), so
            one instance can serve several layers.

    Raises:
        ValueError: If an argument is not as above.
    """

    def __init__(self, stddev: float, seed: SeedLike = None) -> None:
        super().__init__(seed)
        self.stddev = arguments.number("stddev", stddev, least=0)

    def intended_variance(self, shape: Sequence[int]) -> float:
        """Returns the variance of the biases over draws: `stddev^2`.

        Args:
            shape: Shape of the bias; it does not matter.
        """
        return self.stddev**2

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        normal = keras.initializers.RandomNormal(0.0, self.stddev, self.seed)
        return normal(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, **super().get_config()}
