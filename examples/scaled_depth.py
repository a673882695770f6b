"""ScaledDepth: residual networks of 8 to 128 blocks, with and without it.

Each block adds a branch to the stream. With He's kernels, a branch is as large as the
stream, which doubles at every block: 2^L after L blocks. ScaledDepth divides a kernel
by a power of L, so the sum stays bounded at any depth, on average over draws. A branch
that ends in its kernel needs L^(-1/2). A branch that ends in its ReLU has a positive
mean, which adds up coherently, and needs L^(-1).
"""

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit import ScaledDepth
from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, run_study

WIDTH = 128
BATCH_SIZE = 64
LEARNING_RATE = 0.002  # at 0.01 even the best network of 128 blocks may diverge
MOMENTUM = 0.9
# The end of a branch, and the exponent that scales its kernel; 0 leaves He's kernel.
VARIANTS = {
    "He": ("kernel", 0.0),
    "ScaledDepth 0.5": ("kernel", 0.5),
    "ReLU last, ScaledDepth 0.5": ("relu", 0.5),
    "ReLU last, ScaledDepth 1": ("relu", 1.0),
}


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("scaled_depth", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Measures the stream before training, and trains."""
    depths = (16,) if lab.quick else (8, 32, 128)
    digits = lab.digits(2000 if lab.quick else 6000, 2000)
    findings, streams = {}, {}
    for depth in depths:
        for name, (end, exponent) in VARIANTS.items():
            run = f"{name}, {depth} blocks"
            model = network(digits, depth, end, exponent, lab.seed)
            streams[run] = stream(model, digits.x_train[:500])
            lab.fit(
                run,
                model,
                digits.x_train,
                digits.y_train,
                epochs=2 if lab.quick else 1,
                batch_size=BATCH_SIZE,
                statistics=("variance",),
            )
            answers = keras.ops.convert_to_numpy(model(digits.x_test)).argmax(axis=1)
            findings[run] = {
                "growth": streams[run][-1] / streams[run][0],
                "formula": expected_growth(depth, end, exponent)[-1],
                "test accuracy": np.mean(answers == digits.y_test),
            }
    lab.save(picture(streams, findings, depths, digits.name), "scaled_depth")
    return findings


def network(digits, depth, end, exponent, seed):
    """Builds a stream of `WIDTH` units, to which each block adds a branch."""
    seeds = keras.random.SeedGenerator(seed)
    lecun = keras.initializers.LecunNormal(seeds)
    kernel = ScaledDepth(depth, exponent, base="he_normal", seed=seeds)

    def dense(units, initializer, name):
        # Without biases, which would start at 0, there are half as many variables.
        return layers.Dense(
            units, use_bias=False, kernel_initializer=initializer, name=name
        )

    inputs = keras.Input((digits.num_features,))
    z = dense(WIDTH, lecun, "first")(inputs)
    for number in range(depth):
        block = dense(WIDTH, kernel, f"block_{number:03d}")
        branch = block(layers.ReLU()(z)) if end == "kernel" else layers.ReLU()(block(z))
        z = layers.Add()([z, branch])
    model = keras.Model(inputs, dense(digits.num_classes, lecun, "head")(z))
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # compiling so many layers takes longer than training them
    )
    return model


def stream(model, x):
    """The mean square of the stream before each block and after the last."""
    sums = [layer for layer in model.layers if isinstance(layer, layers.Add)]
    outputs = [model.get_layer("first").output, *(layer.output for layer in sums)]
    signals = keras.Model(model.input, outputs)(x)
    return np.array([np.mean(np.float64(z) ** 2) for z in signals])


def expected_growth(depth, end, exponent):
    """The theory of `stream`, as a multiple of its start: `(depth + 1,)`.

    The stream has mean m and mean square q over its units. A kernel of He's variance
    2 / n turns it into a normal u with mean square 2 q. ReLU leaves the mean square q
    and the mean sqrt(q / pi). A branch that ends in its kernel has mean 0.
    """
    scale = depth**-exponent
    mean, square = 0.0, 1.0
    squares = [square]
    for _ in range(depth):
        added = scale * np.sqrt(square / np.pi) if end == "relu" else 0.0
        square += 2 * mean * added + scale**2 * square
        mean += added
        squares.append(square)
    return np.array(squares)


def picture(streams, findings, depths, digits):
    """Draws the stream over the blocks of the deepest network; accuracy over depth."""
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    everything, bounded, accuracy = figure.subplots(1, 3)
    deepest = depths[-1]
    blocks = np.arange(deepest + 1)
    shown = slice(None, None, max(1, deepest // 16))
    for (name, variant), (colour, marker) in zip(
        VARIANTS.items(), STYLES, strict=False
    ):
        measured = streams[f"{name}, {deepest} blocks"]
        expected = expected_growth(deepest, *variant)
        points = {"color": colour, "marker": marker, "linestyle": ""}
        for panel in (everything, bounded):
            panel.plot(blocks, expected, color=colour)
            panel.plot(blocks[shown], measured[shown] / measured[0], **points)
        accuracies = [
            findings[f"{name}, {depth} blocks"]["test accuracy"] for depth in depths
        ]
        accuracy.plot(depths, accuracies, color=colour, marker=marker, label=name)
    everything.set(yscale="log", title="Lines: the formula; markers: measured")
    bounded.set(ylim=(0.8, 4), title="The same, near 1")
    bounded.axhline(np.e, color="grey", linestyle=":")
    bounded.text(deepest, np.e, "e ", color="grey", va="bottom", ha="right")
    for panel in (everything, bounded):
        panel.set(xlabel=f"block, of {deepest}", ylabel="mean square, over its start")
    accuracy.axhline(0.1, color="grey", linestyle=":")
    accuracy.set(
        title=f"After {'a short' if deepest < 128 else 'one epoch of'} training",
        xlabel="blocks",
        ylabel="test accuracy",
        ylim=(0, 1),
    )
    accuracy.set_xscale("log", base=2)
    accuracy.set_xticks(depths, map(str, depths))
    figure.legend(
        *accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=4
    )
    figure.suptitle(f"Residual ReLU networks on {digits}: the size of the stream")
    return figure


if __name__ == "__main__":
    raise SystemExit(main())
