"""The variance law: each layer multiplies the variance of the signal by n Var(W).

Var(a^L) = (product of n Var(W)) Var(x) is exact for linear networks, on average over
their weights. Here, n is the number of inputs of a unit. The same law holds backward,
with n the number of units that an input goes to. Below 1, signal and gradient vanish;
above 1, they explode. If the width changes, no variance suits both directions in each
layer, and 2 / (n_in + n_out) is a compromise.
"""

from itertools import pairwise

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, run_study
from keras_initkit.theory import finite_width_fluctuation

DEPTH = 10
WIDTH = 100
# The widths of the input and of each layer after it.
WIDTHS = {
    "equal": (WIDTH,) * (DEPTH + 1),
    "funnel": (512, 256, 128, 64, 32),
    "zigzag": (256, 64) * 4 + (256,),
}
FACTORS = (0.5, 1.0, 2.0)
# The variances of a weight, with Keras's names for them.
MODES = {"1 / n_in": "fan_in", "2 / (n_in + n_out)": "fan_avg", "1 / n_out": "fan_out"}
LEARNING_RATE = 0.01
BATCH_SIZE = 64
STEPS_PER_EPOCH = 20
STANDARD_ERRORS = 3
STATISTICS = ("variance", "activation_variance")


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("variance_law", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Multiplies random matrices, and trains below, at and above n Var(W) = 1."""
    figure = Figure(figsize=(18, 8), layout="constrained")
    rows = [[f"{shape} {way}" for shape in WIDTHS] for way in ("up", "down")]
    panels = figure.subplot_mosaic([[*row, "loss"] for row in rows])
    draws, epochs = (20, 2) if lab.quick else (400, 10)
    findings = {}
    for number, (shape, name, mode, factor) in enumerate(cases()):
        seed = keras.random.SeedGenerator(lab.seed * len(cases()) + number)
        kernel = keras.initializers.VarianceScaling(
            factor, mode, "untruncated_normal", seed
        )
        measured = np.mean(
            [propagated(kernel, WIDTHS[shape]) for _ in range(draws)], axis=0
        )
        expected = law(factor, mode, WIDTHS[shape])
        errors = STANDARD_ERRORS * fluctuation(WIDTHS[shape]) / np.sqrt(draws)
        findings[f"{shape}, {name}"] = {
            "forward, law": expected[0, -1],
            "forward": measured[0, -1],
            "backward, law": expected[1, 0],
            "backward": measured[1, 0],
            "interval, +-": errors.max(),
        }
        for way, *curves in zip(
            ("up", "down"), measured, expected, errors, strict=True
        ):
            draw(panels[f"{shape} {way}"], STYLES[1 + number % 3], name, *curves)
    finish_law(panels)
    digits = lab.digits(train=STEPS_PER_EPOCH * BATCH_SIZE, test=1)
    for factor, (colour, marker) in zip(FACTORS, STYLES[1:], strict=False):
        name = f"n Var(W) = {factor}"
        logs, found = trained(lab, name, factor, digits, epochs)
        findings[f"trained, {name}"] = found
        steps = STEPS_PER_EPOCH * np.arange(1, epochs + 1)
        panels["loss"].plot(
            steps, logs["loss"], marker=marker, color=colour, label=told(name, logs)
        )
    finish_loss(panels["loss"], digits.name)
    figure.suptitle(
        "Mean squares of signal and gradient in linear networks. "
        f"Dashed: the law. Markers: mean of {draws} draws. "
        f"Shaded: {STANDARD_ERRORS} standard errors of that mean"
    )
    lab.save(figure, "variance_law")
    return findings


def cases():
    """Shape, name, Keras's mode and n Var(W) of each network."""
    depth = [("equal", f"n Var(W) = {f}", "fan_in", f) for f in FACTORS]
    width = [
        (shape, f"Var(W) = {name}", mode, 1.0)
        for shape in ("funnel", "zigzag")
        for name, mode in MODES.items()
    ]
    return depth + width


def propagated(kernel, widths):
    """The mean squares of a signal on its way up, and of a gradient on its way down.

    Returns:
        Each in the order of the layers, from the input on: `(2, len(widths))`.
    """
    kernels = [keras.ops.convert_to_numpy(kernel(shape)) for shape in pairwise(widths)]
    down = mean_squares([k.T for k in reversed(kernels)])
    return np.array([mean_squares(kernels), down[::-1]])


def mean_squares(kernels):
    # The law holds for any vector, so also for a vector of ones.
    vectors = [np.ones(len(kernels[0]))]
    for kernel in kernels:
        vectors.append(vectors[-1] @ kernel)
    return [np.mean(vector**2) for vector in vectors]


def law(factor, mode, widths):
    """The average of the mean squares, from the law."""
    n_in, n_out = np.array(widths[:-1]), np.array(widths[1:])
    n = {"fan_in": n_in, "fan_avg": (n_in + n_out) / 2, "fan_out": n_out}[mode]
    up = np.cumprod([1, *(n_in * factor / n)])
    down = np.cumprod([1, *(n_out * factor / n)[::-1]])[::-1]
    return np.array([up, down])


def fluctuation(widths):
    """The standard deviation of the mean squares between draws, over their average."""
    up = strays(widths[1:])
    down = strays(widths[-2::-1])
    return np.array([up, down[::-1]])


def strays(units):
    counts = range(1, len(units) + 1)
    return [0.0, *(finite_width_fluctuation(units[:n], "linear") for n in counts)]


def trained(lab, name, factor, digits, epochs):
    """Trains a linear network of equal widths on digits."""
    seed = keras.random.SeedGenerator(lab.seed)
    kernel = keras.initializers.VarianceScaling(
        factor, "fan_in", "untruncated_normal", seed
    )
    hidden = [layers.Dense(WIDTH, kernel_initializer=kernel) for _ in range(DEPTH)]
    glorot = keras.initializers.GlorotUniform(lab.seed)
    head = layers.Dense(digits.num_classes, kernel_initializer=glorot)
    model = keras.Sequential([keras.Input((digits.num_features,)), *hidden, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), loss)
    run = lab.fit(
        name,
        model,
        digits.x_train,
        digits.y_train,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        # Tracing statistics takes longer than training.
        statistics=("activation_variance",) if lab.quick else STATISTICS,
    )
    answers = keras.ops.convert_to_numpy(model(digits.x_train)).argmax(axis=1)
    # The last hidden layer's, before the first step.
    signal = run.layers["activation_variance"][0, DEPTH - 1]
    return run.logs, {
        "forward, law": factor**DEPTH,
        "forward": signal,
        "loss after": run.logs["loss"][-1],
        "train accuracy": np.mean(answers == digits.y_train),
    }


def draw(panel, style, name, measured, expected, errors):
    colour, marker = style
    layer = np.arange(len(expected))
    panel.plot(layer, measured, marker, color=colour, label=name)
    panel.plot(layer, expected, color=colour, linestyle="--")
    panel.fill_between(
        layer,
        expected * (1 - errors),
        expected * (1 + errors),
        color=colour,
        alpha=0.25,
    )


def finish_law(panels):
    titles = {
        "equal": f"{DEPTH} layers of {WIDTH} units",
        "funnel": "funnel: " + ", ".join(map(str, WIDTHS["funnel"])),
        "zigzag": "zigzag: 256, 64, 256, 64, ...",
    }
    for shape, title in titles.items():
        forward, backward = panels[f"{shape} up"], panels[f"{shape} down"]
        forward.set_title(title)
        forward.set_ylabel("signal over the input's")
        backward.set_ylabel("gradient over the output's")
        backward.set_xlabel("layer (0: the input)")
        forward.legend()
        for panel in forward, backward:
            panel.set_yscale("log")
            panel.grid(alpha=0.3)


def told(name, logs):
    """The label of a curve: it names a loss that is not finite, which has no line."""
    return name if np.isfinite(logs["loss"]).all() else f"{name}: not finite"


def finish_loss(panel, dataset):
    panel.axhline(np.log(10), color="grey", linestyle=":", label="ln 10: chance")
    panel.set_title(f"Training on {dataset}")
    panel.set(yscale="log", xlabel="training step", ylabel="loss (nats)")
    panel.grid(alpha=0.3)
    panel.legend()


if __name__ == "__main__":
    raise SystemExit(main())
