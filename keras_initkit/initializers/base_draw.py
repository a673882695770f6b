"""The base of initializers that multiply the draw of another one by a factor."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from keras_initkit.initializers.intended_variance import (
    effective_entries,
    is_uncorrelated,
    with_axes,
)
from keras_initkit.initializers.kernel_draw import KernelDraw
from keras_initkit.initializers.seeded_draw import SeedLike

InitializerLike: TypeAlias = str | dict[str, Any] | Callable[..., Any]


class BaseDraw(KernelDraw):
    """Abstract initializer: a draw of `base`, times a factor.

    Args:
        base: Identifier of the initializer to draw from: name, config, instance,
            class, or callable with arguments `shape` and `dtype`.
        seed: Replaces the seed of `base`. An integer draws the same values in each
            call. A `keras.random.SeedGenerator` continues from call to call. With
            `None`, `base` keeps its own seed; if it has none, each call draws new
            values (reproducibly after `keras.utils.set_random_seed`), so one instance
            can serve several layers.
        input_axes, output_axes: As in `KernelDraw`; a `base` without its own gets them.
    """

    def __init__(
        self,
        base: InitializerLike,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        self.base = _resolve(base)
        base_config = _config(self.base)
        if seed is None and base_config.get("seed") is not None:
            # From the attribute: a SeedGenerator continues, but its config restarts.
            seed = getattr(self.base, "seed", base_config["seed"])
        super().__init__(seed, input_axes, output_axes)

    def effective_entries(self, shape: Sequence[int]) -> int:
        """Returns the entry count with an equally uncertain variance."""
        return effective_entries(self._base_with_axes(shape), shape)

    @property
    def is_uncorrelated(self) -> bool:
        """Tells whether entries have mean 0, and no two of them are correlated."""
        return is_uncorrelated(self.base)

    def _base_with_axes(self, shape: Sequence[int]) -> Any:
        """Returns `base` with the axes that it lacks, for its formulas only."""
        return with_axes(self.base, self.input_axes, self._base_output_axes(shape))

    def _base_output_axes(self, shape: Sequence[int]) -> Sequence[int] | None:
        """Returns the output axes for `base`: Keras ignores `input_axes` alone."""
        if self.input_axes is None or self.output_axes is not None:
            return self.output_axes
        return self._axes(shape)[1]

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        draw = self._seeded_base(shape)(shape, dtype=dtype)
        return draw * self._factor(draw)

    def _factor(self, draw: Any) -> Any:
        """Returns the scalar that `draw` is multiplied by."""
        raise NotImplementedError

    def _seeded_base(self, shape: Sequence[int]) -> Callable[..., Any]:
        """Returns `base` with this call's seed and the axes that it lacks."""
        config = _config(self.base)
        # Rebuilt with seed None, a Keras initializer would invent another seed.
        known: dict[str, Any] = {"seed": self.seed} if "seed" in config else {}
        axes = {
            "input_axes": self.input_axes,
            "output_axes": self._base_output_axes(shape),
        }
        for name, value in axes.items():
            if name in config and config[name] is None:
                known[name] = value
        return type(self.base).from_config({**config, **known}) if known else self.base

    def get_config(self) -> dict[str, Any]:
        return {"base": keras.initializers.serialize(self.base), **super().get_config()}


def _resolve(base: Any) -> Any:
    cause = None
    try:
        initializer = keras.initializers.get(base)
    except (TypeError, ValueError) as error:
        initializer, cause = None, error
    if initializer is None:
        raise ValueError(
            "Argument `base` must identify a Keras initializer: a name, config, "
            f"instance, class, or callable(shape, dtype). Received: base={base}"
        ) from cause
    return initializer


def _config(initializer: Any) -> dict[str, Any]:
    """Returns the config of an initializer; a plain callable has an empty one."""
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.get_config()
    return {}
