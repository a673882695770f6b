"""Does DynamicRescalingCallback repair wrong scales, and leave healthy ones alone?

    python benchmarks/dynamic_rescaling.py --mnist-path ~/data/mnist.npz
    python benchmarks/dynamic_rescaling.py --networks relu digits --seeds 0

The benchmark trains ten networks for 400 steps of 64 samples: on 5,000 images of MNIST,
on scikit-learn's digits, or to reproduce the images. A network has a healthy start; or
all kernels are multiplied by a factor; or one of them is, the first, the middle or the
last. Or it has a healthy start, and the middle kernel is multiplied before step 201.
This is the worst time: the callback sees it a whole interval of ten steps later.

The score is the accuracy on test images in percent, or for the autoencoder the share of
their variance that it reproduces. A loss that is not finite ends a training, and the
score is that of the last weights. A difference is to the same seed with the healthy
start and without the callback. After a shock, the loss is that of 512 training images,
measured every ten steps. It is back when it is at most 1.05 times the loss before the
shock, within 50 steps of the check.

Each training adds a line of JSON to `--output`. Other runs may add theirs.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from keras_initkit import (
    Critical,
    DynamicRescalingCallback,
    LooksLinear,
    ScaledOrthogonal,
    scale_residual_branches,
)
from keras_initkit.experiments.datasets import Dataset, load_dataset

BATCH_SIZE, STEPS, MEASURE_FREQ = 64, 400, 10
TRAIN_IMAGES, TEST_IMAGES, LOSS_IMAGES = 5000, 2000, 512
FACTORS_OF_ALL = (0.03, 0.1, 0.3, 3.0, 10.0, 30.0)
FACTORS_OF_ONE = (0.01, 0.1, 10.0, 100.0)
FACTORS_OF_SHOCK = (0.1, 10.0)
SHOCK_STEP, STEPS_BACK, BACK = 201, 50, 1.05
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: keras.optimizers.SGD(1e-2),
    "momentum": lambda: keras.optimizers.SGD(1e-2, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(1e-3),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
}
MNIST_VARIABLE = "KERAS_INITKIT_MNIST"


def plain(
    sizes: list[int], activation: str, num_inputs: int = 784, num_outputs: int = 10
) -> keras.Model:
    hidden = [layers.Dense(size, activation) for size in sizes]
    head = layers.Dense(num_outputs, name="head")
    return keras.Sequential([keras.Input((num_inputs,)), *hidden, head])


def normalized() -> keras.Model:
    hidden = [
        layer
        for _ in range(6)
        for layer in (
            layers.Dense(64, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
        )
    ]
    head = layers.Dense(10, name="head")
    return keras.Sequential([keras.Input((784,)), *hidden, head])


def residual() -> keras.Model:
    inputs = keras.Input((784,))
    x = layers.Dense(64)(inputs)
    for _ in range(8):
        branch = layers.Dense(64)(layers.Dense(64, "relu")(x))
        x = layers.Add()([x, branch])
    outputs = layers.Dense(10, name="head")(layers.ReLU()(x))
    return keras.Model(inputs, outputs)


def convolutional() -> keras.Model:
    sizes = [(8, 2), (16, 2), (16, 1), (32, 2), (32, 1)]
    hidden = [
        layers.Conv2D(filters, 3, strides, "same", activation="relu")
        for filters, strides in sizes
    ]
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Reshape((28, 28, 1)),
            *hidden,
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, name="head"),
        ]
    )


class Network(NamedTuple):
    """A network, and the matching initializers of its hidden layers."""

    build: Callable[[], keras.Model]
    starts: dict[str, Any]


NETWORKS = {
    "relu": Network(
        lambda: plain([128] * 20, "relu"),
        {
            "he_normal": "he_normal",
            "LooksLinear": LooksLinear(),
            "orthogonal": ScaledOrthogonal(2**0.5),
        },
    ),
    "tanh": Network(
        lambda: plain([128] * 20, "tanh"),
        {
            "glorot_uniform": "glorot_uniform",
            "Critical": Critical("tanh", depth=20),
            "orthogonal": "orthogonal",
        },
    ),
    "gelu": Network(lambda: plain([64] * 10, "gelu"), {"he_normal": "he_normal"}),
    "selu": Network(lambda: plain([64] * 20, "selu"), {"lecun_normal": "lecun_normal"}),
    "narrow": Network(lambda: plain([32] * 10, "relu"), {"he_uniform": "he_uniform"}),
    "wide": Network(lambda: plain([1024] * 2, "relu"), {"he_normal": "he_normal"}),
    "residual": Network(residual, {"he_normal": "he_normal"}),
    "convolutional": Network(convolutional, {"he_normal": "he_normal"}),
    "normalized": Network(normalized, {"he_normal": "he_normal"}),
    "autoencoder": Network(
        lambda: plain([128, 64, 16, 64, 128], "relu", num_outputs=784),
        {"he_normal": "he_normal"},
    ),
    "digits": Network(
        lambda: plain([64] * 3, "relu", num_inputs=64),
        {"he_normal": "he_normal", "glorot_uniform": "glorot_uniform"},
    ),
}


class Case(NamedTuple):
    """A change to a network.

    Attributes:
        kind: `"healthy"`, `"all"`, `"one"` or `"shock"`.
        start: the name of its start.
        place: the number of the kernel that is multiplied.
        factor: the factor.
        has_callback: whether it trains with the callback.
    """

    kind: str
    start: str
    place: int = 0
    factor: float = 1.0
    has_callback: bool = True


def cases(starts: list[str], num_kernels: int) -> Iterator[Case]:
    first, middle, last = 0, num_kernels // 2, num_kernels - 1
    for start in starts:
        yield Case("healthy", start, has_callback=False)
        yield Case("healthy", start)
    for factor in FACTORS_OF_ALL:
        yield Case("all", starts[0], factor=factor)
    for place in (first, middle, last):
        for factor in FACTORS_OF_ONE:
            yield Case("one", starts[0], place, factor)
    for factor in FACTORS_OF_SHOCK:
        for has_callback in (False, True):
            yield Case("shock", starts[0], middle, factor, has_callback)


class Shock(keras.callbacks.Callback):
    """Multiplies a kernel, and measures the loss before and after."""

    def __init__(
        self, kernel: Any, factor: float, check_freq: int, x: Any, y: Any
    ) -> None:
        super().__init__()
        # The next recorded step; the callback acts before the step after it.
        self.check = check_freq * math.ceil(SHOCK_STEP / check_freq)
        self.kernel, self.factor, self.samples = kernel, factor, (x, y)
        self.step = 0
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        check = self.check
        if self.step == SHOCK_STEP:
            self.losses.append(self._loss())
            self.kernel.assign(self.kernel * self.factor)
        elif (
            check < self.step <= check + STEPS_BACK
            and (self.step - check) % MEASURE_FREQ == 0
        ):
            self.losses.append(self._loss())
        self.step += 1

    def _loss(self) -> float:
        x, y = self.samples
        predicted = self.model(x, training=False)
        loss = keras.losses.get(self.model.loss)
        return float(np.mean(keras.ops.convert_to_numpy(loss(y, predicted))))


class Bench:
    """One network and optimizer, compiled once and trained many times."""

    def __init__(
        self, network: str, optimizer: str, check_freq: int, data: Dataset
    ) -> None:
        keras.backend.clear_session()
        self.network, self.optimizer, self.data = network, optimizer, data
        self.check_freq = check_freq
        self.reproduces = network == "autoencoder"
        self.model = NETWORKS[network].build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # JAX compiles anyway. With TensorFlow, XLA takes longer than a training.
        self.model.compile(
            OPTIMIZERS[optimizer](),
            keras.losses.MeanSquaredError() if self.reproduces else loss,
            jit_compile=keras.backend.backend() == "jax",
        )
        x, y = data.x_train[:BATCH_SIZE], data.y_train[:BATCH_SIZE]
        # In its first fit, Keras draws numbers that it does not draw in later ones.
        self.model.fit(x, x if self.reproduces else y, verbose=0)
        self.rate = float(self.model.optimizer.learning_rate)
        self.fresh = self.model.get_weights()
        self.layers = [
            layer
            for layer in self.model.layers
            if isinstance(layer, layers.Dense | layers.Conv2D)
        ]

    def begin(self, initializer: Any, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        for variable in self.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        self.model.optimizer.learning_rate = self.rate
        self.model.set_weights(self.fresh)
        for layer in self.layers:
            own = "glorot_uniform" if layer.name == "head" else initializer
            draw = keras.initializers.get(own)
            layer.kernel.assign(draw(layer.kernel.shape))
        if self.network == "residual":
            scale_residual_branches(self.model)

    def train(self, case: Case, seed: int) -> dict[str, Any]:
        self.begin(NETWORKS[self.network].starts[case.start], seed)
        if case.kind in ("all", "one"):
            scaled = self.layers if case.kind == "all" else [self.layers[case.place]]
            for layer in scaled:
                layer.kernel.assign(layer.kernel * case.factor)
        x, y = self.data.x_train, self.data.y_train
        y = x if self.reproduces else y
        callbacks: list[Any] = [keras.callbacks.TerminateOnNaN()]
        shock = None
        if case.kind == "shock":
            kernel = self.layers[case.place].kernel
            shock = Shock(
                kernel, case.factor, self.check_freq, x[:LOSS_IMAGES], y[:LOSS_IMAGES]
            )
            callbacks.append(shock)
        events = []
        if case.has_callback:
            callback = DynamicRescalingCallback(self.check_freq, log_dir=None)
            events = callback.events
            callbacks.append(callback)
        epochs = round(STEPS / np.ceil(len(x) / BATCH_SIZE))
        self.model.fit(
            x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0, callbacks=callbacks
        )
        result = {
            "network": self.network,
            "optimizer": self.optimizer,
            "seed": seed,
            **case._asdict(),
            "score": self.score(),
            "swept": sum(event.step == 0 for event in events),
            "steps": sorted({event.step for event in events if event.step}),
            "weights": float(sum(np.abs(w).sum() for w in self.model.get_weights())),
        }
        if shock is not None:
            result["losses"] = shock.losses
        return result

    def score(self) -> float:
        x, y = self.data.x_test, self.data.y_test
        predicted = self.model.predict(x, batch_size=500, verbose=0)
        if self.reproduces:
            return float(100 * (1 - np.mean((predicted - x) ** 2) / np.var(x)))
        return float(100 * np.mean(predicted.argmax(axis=1) == y))


def is_back(result: dict[str, Any]) -> bool:
    before, *after = result["losses"]
    return bool(min(after, default=np.inf) <= BACK * before)


def table(results: list[dict[str, Any]]) -> str:
    """A line for each network and optimizer."""
    lines = [
        "network | optimizer | healthy | with the callback | rescaled | all kernels | "
        "one kernel | back after a shock, without | with",
        "--|--|--|--|--|--|--|--|--",
    ]
    for network in NETWORKS:
        for optimizer in OPTIMIZERS:
            found = [
                r
                for r in results
                if (r["network"], r["optimizer"]) == (network, optimizer)
            ]
            if found:
                lines.append(" | ".join((network, optimizer, *_cells(found))))
    return "\n".join(lines)


def _cells(found: list[dict[str, Any]]) -> Iterator[str]:
    bare = {
        (r["start"], r["seed"]): r
        for r in found
        if r["kind"] == "healthy" and not r["has_callback"]
    }
    yield f"{np.mean([r['score'] for r in bare.values()]):.1f}"

    def differences(kind: str) -> np.ndarray:
        return np.array(
            [
                r["score"] - bare[r["start"], r["seed"]]["score"]
                for r in found
                if r["kind"] == kind and r["has_callback"]
            ]
        )

    yield f"{differences('healthy').mean():+.2f}"
    healthy = [r for r in found if r["kind"] == "healthy" and r["has_callback"]]
    touched = [r for r in healthy if r["swept"] or r["steps"]]
    yield f"{len(touched)} of {len(healthy)}"
    for kind in ("all", "one"):
        yield f"{differences(kind).mean():+.1f} ({differences(kind).min():+.1f})"
    for has_callback in (False, True):
        shocks = [
            r
            for r in found
            if r["kind"] == "shock" and r["has_callback"] == has_callback
        ]
        yield f"{sum(map(is_back, shocks))} of {len(shocks)}"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    add("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    add("--kinds", nargs="+", default=["healthy", "all", "one", "shock"])
    add("--check-freq", type=int, default=10, metavar="STEPS")
    add("--output", type=Path, default=Path("dynamic_rescaling.jsonl"))
    add(
        "--mnist-path",
        default=os.environ.get(MNIST_VARIABLE),
        metavar="FILE",
        help="mnist.npz, or the IDX .gz files (default: the environment variable "
        f"{MNIST_VARIABLE}, or else keras.datasets)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    for name in options.networks:
        if name == "digits":
            data = load_dataset("digits")
        else:
            data = load_dataset(
                "mnist",
                mnist_path=options.mnist_path,
                max_train=TRAIN_IMAGES,
                max_test=TEST_IMAGES,
            )
        for optimizer in options.optimizers:
            begin = time.perf_counter()
            bench = Bench(name, optimizer, options.check_freq, data)
            starts = list(NETWORKS[name].starts)
            for seed in options.seeds:
                for case in cases(starts, len(bench.layers)):
                    if case.kind in options.kinds:
                        with options.output.open("a") as file:
                            print(json.dumps(bench.train(case, seed)), file=file)
            print(f"{name}, {optimizer}: {time.perf_counter() - begin:.0f} s")
    print(table([json.loads(line) for line in options.output.open()]))


if __name__ == "__main__":
    main()
