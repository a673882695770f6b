"""Draws of another initializer, times a factor."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_initkit.initializers.base_draw import BaseDraw, InitializerLike
from keras_initkit.initializers.intended_variance import intended_variance
from keras_initkit.initializers.seeded_draw import SeedLike


@keras.saving.register_keras_serializable(package="keras_initkit")
class Scaled(BaseDraw):
    """Draws of another initializer, times a factor.

    Examples:

    >>> scaled = Scaled("he_normal", factor=3.0)
    >>> scaled.intended_variance((200, 50))
    0.09

    Args:
        base: the other one, or its identifier.
        factor: the factor.
        seed: As in `BaseDraw`.
        input_axes, output_axes: As in `BaseDraw`.
    """

    def __init__(
        self,
        base: InitializerLike,
        factor: float,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(base, seed, input_axes, output_axes)
        self.factor = factor

    def intended_variance(self, shape: Sequence[int]) -> float:
        """Returns that of the base, times the factor's square."""
        base = self._base_with_axes(shape)
        return self.factor**2 * intended_variance(base, shape)

    def _factor(self, draw: Any) -> Any:
        return self.factor

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, **super().get_config()}
