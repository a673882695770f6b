"""The base of all random initializers: the seed, and a draw in a wide dtype."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
from keras import ops

from keras_initkit import arguments

SeedLike: TypeAlias = int | dict[str, Any] | keras.random.SeedGenerator | None


class SeededDraw(keras.initializers.Initializer):
    """Abstract initializer of a weight.

    It draws in at least float32 and casts last, so any formula works in any dtype.

    Args:
        seed: An integer draws the same values in each call. A
            `keras.random.SeedGenerator` continues from call to call. With `None`, each
            call draws new values (reproducibly after `keras.utils.set_random_seed`), so
            one instance can serve several layers.
    """

    def __init__(self, seed: SeedLike = None) -> None:
        if isinstance(seed, dict):
            seed = keras.saving.deserialize_keras_object(seed)
        if arguments.is_integer(seed, 0, arguments.LARGEST_SEED):
            seed = int(seed)
        elif seed is not None and not isinstance(seed, keras.random.SeedGenerator):
            expected = (
                f"an integer from 0 to {arguments.LARGEST_SEED}, an instance of "
                "`keras.random.SeedGenerator` or None"
            )
            raise arguments.error("seed", seed, expected)
        self.seed: int | keras.random.SeedGenerator | None = seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        shape = arguments.shape("shape", shape)
        dtype = keras.backend.standardize_dtype(dtype)
        # Half precision has no QR and overflows in sums of squares.
        wide_dtype = "float64" if dtype == "float64" else "float32"
        return ops.cast(self._draw(shape, wide_dtype), dtype)

    def _draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns a weight of this shape, in float32 or float64."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"seed": keras.saving.serialize_keras_object(self.seed)}

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A SeedGenerator cannot be pickled or deep-copied, but its config can.
        if isinstance(self.seed, keras.random.SeedGenerator):
            return type(self).from_config, (self.get_config(),)
        return super().__reduce_ex__(protocol)
