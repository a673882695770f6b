"""Times lsuv on deeper and deeper networks: linear, unlike the usual way.

    python benchmarks/lsuv_depth.py
    python benchmarks/lsuv_depth.py --depths 10 20 --repeats 1

The usual way makes a model of the network up to each layer, and runs it again in each
iteration, so its time is quadratic in the depth. Both ways start with the same
orthogonal kernels of a plain ReLU network. The benchmark checks that they end with the
same weights. The table shows medians. A first, small network does not count, because
TensorFlow loads its kernels.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keras_initkit.rescale.lsuv import lsuv

DEPTHS = (10, 20, 40, 80, 160, 320)
GREATEST_TEXTBOOK_DEPTH = 80
WIDTH, BATCH = 128, 256
TOLERANCE, MAX_ITERATIONS = 0.02, 20
REPEATS = 3
SEED = 1


def network(depth: int) -> keras.Model:
    """Dense layers with separate ReLUs, so their outputs are pre-activations."""
    keras.utils.set_random_seed(SEED)
    hidden = inputs = keras.Input((WIDTH,))
    for _ in range(depth):
        dense = keras.layers.Dense(WIDTH, kernel_initializer="orthogonal")
        hidden = keras.layers.ReLU()(dense(hidden))
    return keras.Model(inputs, hidden)


def by_lsuv(model: keras.Model, x: np.ndarray) -> None:
    lsuv(
        model,
        x,
        tolerance=TOLERANCE,
        max_iterations=MAX_ITERATIONS,
        orthogonal=False,
    )


def by_textbook(model: keras.Model, x: np.ndarray) -> None:
    """Most implementations of the paper's pseudocode: run the network up to a layer."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            up_to_layer = keras.Model(model.inputs, layer.output)
            for _ in range(MAX_ITERATIONS):
                variance = float(keras.ops.var(up_to_layer(x)))
                if abs(variance - 1) <= TOLERANCE:
                    break
                layer.kernel.assign(layer.kernel / np.sqrt(variance))


def seconds(way: Callable, depth: int, x: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """The time of one way with a new network, and its final weights."""
    model = network(depth)
    begin = time.perf_counter()
    way(model, x)
    return time.perf_counter() - begin, model.get_weights()


def print_row(depth: int, x: np.ndarray, repeats: int) -> None:
    """The line of a depth in the table."""
    has_textbook = depth <= GREATEST_TEXTBOOK_DEPTH
    ours, theirs = [], []
    for _ in range(repeats):
        elapsed, weights = seconds(by_lsuv, depth, x)
        ours.append(elapsed)
        if has_textbook:
            elapsed, expected = seconds(by_textbook, depth, x)
            theirs.append(elapsed)
            for weight, other in zip(weights, expected, strict=True):
                np.testing.assert_allclose(weight, other, rtol=1e-3)
    cells = [f"{depth}"]
    for times in (ours, theirs):
        if times:
            median = statistics.median(times)
            cells += [f"{median:.2f}", f"{1e3 * median / depth:.1f}"]
        else:
            cells += ["-", "-"]
    print(f"| {' | '.join(cells)} |", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--depths",
        nargs="+",
        type=int,
        default=DEPTHS,
        metavar="N",
        help=f"numbers of layers (default: {' '.join(map(str, DEPTHS))})",
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=REPEATS,
        metavar="N",
        help=f"networks of each depth and way (default: {REPEATS})",
    )
    return parser.parse_args()


def main() -> None:
    options = parse()
    x = np.random.default_rng(SEED).normal(size=(BATCH, WIDTH)).astype("float32")
    for way in (by_lsuv, by_textbook):
        seconds(way, 2, x)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, width {WIDTH}, batch {BATCH}, median of "
        f"{options.repeats}:\n\n"
        "| layers | lsuv, s | ms per layer | usual way, s | ms per layer |\n"
        "|---|---|---|---|---|"
    )
    for depth in options.depths:
        print_row(depth, x, options.repeats)


if __name__ == "__main__":
    main()
