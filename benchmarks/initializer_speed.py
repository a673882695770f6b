"""Times draws: our initializers against the nearest of Keras, JAX and PyTorch.

    python benchmarks/initializer_speed.py
    python benchmarks/initializer_speed.py --sizes 1024 --repeats 20
    KERAS_BACKEND=torch python benchmarks/initializer_speed.py --sizes 4096

With JAX and PyTorch, it also compares `jax.nn.initializers` and `torch.nn.init`.

Each initializer draws the kernel of a square Dense layer. `DeltaOrthogonal` draws that
of a convolution with 3 x 3 taps, while Keras draws an orthogonal matrix of the
channels. A pair takes turns in changing order, so a slow moment of the machine affects
both. Each turn has a ratio. The table shows medians, and the quartiles of the ratio.

Constructors do not count, because one serves many layers.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.delta_orthogonal import DeltaOrthogonal
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.torch_uniform import TorchUniform
from keras_initkit.initializers.zero import ZerO

SIZES = (1024, 4096)
REPEATS = 10
SEED = 1
WINDOW = (3, 3)

HE_NORMAL = keras.initializers.HeNormal(SEED)
HE_UNIFORM = keras.initializers.HeUniform(SEED)
ORTHOGONAL = keras.initializers.Orthogonal(seed=SEED)


class Pair(NamedTuple):
    """One of our initializers, and the one to compare it with.

    Attributes:
        ours: the initializer.
        theirs: the nearest one, a function of `(shape, dtype)`.
        window: taps of the kernel that ours draws; theirs is always square.
        name: the name of theirs, unless it is that of its class.
    """

    ours: keras.initializers.Initializer
    theirs: Callable[..., Any]
    window: tuple[int, ...] = ()
    name: str = ""

    @property
    def nearest(self) -> str:
        """The name of theirs."""
        return self.name or type(self.theirs).__name__


PAIRS = (
    Pair(ActivationScaling("relu", seed=SEED), HE_NORMAL),
    Pair(ScaledDepth(24, seed=SEED), HE_NORMAL),
    Pair(DynamicRescaling(activation="relu", seed=SEED), HE_NORMAL),
    Pair(TorchUniform(seed=SEED), HE_UNIFORM),
    Pair(ScaledOrthogonal(seed=SEED), ORTHOGONAL),
    Pair(Critical("tanh", depth=50, seed=SEED), ORTHOGONAL),
    Pair(LooksLinear(seed=SEED), ORTHOGONAL),
    Pair(DeltaOrthogonal(seed=SEED), ORTHOGONAL, WINDOW),
    Pair(ZerO(), keras.initializers.Identity()),
)


def pairs_of_the_backend() -> tuple[Pair, ...]:
    """The same three kinds of draws from the library below Keras."""
    truncated = ActivationScaling("relu", seed=SEED)
    uniform, orthogonal = TorchUniform(seed=SEED), ScaledOrthogonal(seed=SEED)
    match keras.backend.backend():
        case "torch":
            import torch

            def of_torch(fill: Callable[[Any], Any]) -> Callable[..., Any]:
                return lambda shape, dtype: fill(torch.empty(shape))

            init = torch.nn.init
            return (
                Pair(
                    truncated, of_torch(init.trunc_normal_), (), "torch trunc_normal_"
                ),
                Pair(uniform, of_torch(init.uniform_), (), "torch uniform_"),
                Pair(orthogonal, of_torch(init.orthogonal_), (), "torch orthogonal_"),
            )
        case "jax":
            import jax

            key = jax.random.key(SEED)

            def of_jax(name: str) -> Callable[..., Any]:
                draw = getattr(jax.nn.initializers, name)()
                return lambda shape, dtype: draw(key, shape, dtype)

            return (
                Pair(truncated, of_jax("truncated_normal"), (), "jax truncated_normal"),
                Pair(uniform, of_jax("uniform"), (), "jax uniform"),
                Pair(orthogonal, of_jax("orthogonal"), (), "jax orthogonal"),
            )
    return ()


def seconds(draw: Callable[..., Any], shape: tuple[int, ...]) -> float:
    """The time of a draw, until its values are there."""
    begin = time.perf_counter()
    keras.ops.convert_to_numpy(draw(shape, dtype="float32"))
    return time.perf_counter() - begin


def measure(pair: Pair, size: int, repeats: int) -> tuple[list[float], list[float]]:
    """The seconds of each turn, of ours and of theirs."""
    turns = [
        (pair.ours, (*pair.window, size, size)),
        (pair.theirs, (size, size)),
    ]
    times: dict[Any, list[float]] = {pair.ours: [], pair.theirs: []}
    for draw, shape in turns:
        seconds(draw, shape)  # the first draw loads code
    for _ in range(repeats):
        for draw, shape in turns:
            times[draw].append(seconds(draw, shape))
        turns.reverse()
    return times[pair.ours], times[pair.theirs]


def print_row(pair: Pair, size: int, repeats: int) -> None:
    """The line of a pair in the table."""
    ours, theirs = measure(pair, size, repeats)
    low, median, high = np.quantile(np.divide(ours, theirs), (0.25, 0.5, 0.75))
    shape = " x ".join(map(str, (*pair.window, size, size)))
    print(
        f"| {type(pair.ours).__name__} | {shape} "
        f"| {1e3 * statistics.median(ours):.1f} | {pair.nearest} "
        f"| {1e3 * statistics.median(theirs):.1f} | {median:.2f} "
        f"| {low:.2f} - {high:.2f} |",
        flush=True,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=SIZES,
        metavar="N",
        help=f"inputs and units of a kernel (default: {' '.join(map(str, SIZES))})",
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=REPEATS,
        metavar="N",
        help=f"turns of each pair (default: {REPEATS})",
    )
    return parser.parse_args()


def main() -> None:
    options = parse()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, {options.repeats} turns:\n\n"
        "| ours | kernel | ms | nearest | ms | ratio | quartiles |\n"
        "|---|---|---|---|---|---|---|"
    )
    for size in options.sizes:
        for pair in (*PAIRS, *pairs_of_the_backend()):
            print_row(pair, size, options.repeats)


if __name__ == "__main__":
    main()
