"""The settings of a comparison: names, defaults and limits."""

import math
from dataclasses import dataclass

from keras_initkit.arguments import LARGEST_SEED

INITIALIZERS = (
    "zeros",
    "large_normal",
    "glorot_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    "scaled_depth",
    "dynamic_rescaling",
    "looks_linear",
    "critical",
    "lsuv",
)
"""The initializers that `--help` explains. Keras's and the user's own work, too."""

DATASETS = ("digits", "mnist", "moons", "circles", "blobs", "spirals", "xor")

LEARNING_RATES = {"momentum": 0.01, "sgd": 0.01, "adam": 0.001, "rmsprop": 0.001}
"""The optimizers, each with its default learning rate."""

# Entries of all hidden kernels: 4 GB, and the same for gradients and for momentum.
MAX_ENTRIES = 10**9
RANGES = {
    "depth": (1, 250),  # deeper networks exceed Python's recursion limit in Keras
    "width": (1, math.isqrt(MAX_ENTRIES)),
    "epochs": (1, 10**6),
    "batch_size": (1, 10**6),
    "seed": (0, LARGEST_SEED),
}


@dataclass(frozen=True)
class Settings:
    """One network and one way to train it, shared by every run of a comparison.

    Args:
        initializers: names for `kernel_initializers`, in the order to run them.
        depth: number of hidden Dense layers, from 1 to 250.
        width: units per hidden layer, at least 1. The hidden kernels, depth x width^2,
            have at most 10^9 entries.
        activation: a Keras activation identifier, as a string.
        residual: whether every hidden layer after the first adds to its input.
        epochs: passes over the training set, from 1 to 10^6.
        batch_size: samples per training step, from 1 to 10^6.
        optimizer: a key of `LEARNING_RATES`; `"momentum"` is SGD with momentum 0.9.
        learning_rate: positive, or `None` for the optimizer's default.
        seed: from 0 to 2^32 - 1; decides kernels, data order and toy datasets.

    Raises:
        ValueError: an argument is outside its range.
    """

    initializers: tuple[str, ...] = INITIALIZERS[:8]
    depth: int = 10
    width: int = 128
    activation: str = "relu"
    residual: bool = False
    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "momentum"
    learning_rate: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self._require_initializers()
        for name, (least, most) in RANGES.items():
            holds = least <= getattr(self, name) <= most
            self._require(name, holds, f"from {least} to {most}")
        widest = math.isqrt(MAX_ENTRIES // self.depth)
        self._require("width", self.width <= widest, f"at most {widest} at this depth")
        optimizers = ", ".join(LEARNING_RATES)
        self._require(
            "optimizer", self.optimizer in LEARNING_RATES, f"one of {optimizers}"
        )
        positive = self.learning_rate is None or 0 < self.learning_rate < math.inf
        self._require("learning_rate", positive, "positive and finite")

    def _require_initializers(self) -> None:
        if not self.initializers:
            raise ValueError("`initializers` must name at least one. Received: ()")
        for name in self.initializers:
            if self.initializers.count(name) > 1:
                raise ValueError(
                    f"`initializers` must name each only once. Received: {name} twice"
                )

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            received = f"{name}={getattr(self, name)!r}"
            raise ValueError(f"`{name}` must be {rule}. Received: {received}")

    def describe(self) -> str:
        """Describes the network and its training in one line, for titles."""
        kind = "residual" if self.residual else "plain"
        rate = self.learning_rate or LEARNING_RATES[self.optimizer]
        return (
            f"{kind} network, depth {self.depth}, width {self.width}, "
            f"{self.activation}; {self.optimizer} at {rate:g}"
        )


SHOWCASE = {
    "plain": Settings(
        (
            "zeros",
            "large_normal",
            "glorot_uniform",
            "he_normal",
            "orthogonal",
            "looks_linear",
        ),
        depth=40,
    ),
    "residual": Settings(("he_normal", "scaled_depth"), depth=49, residual=True),
    "wrong_scale": Settings(
        ("he_normal*3", "dynamic_rescaling*3", "he_normal*3+rescaling")
    ),
}
"""The networks that `compare` trains by default. In each, one start fails."""
