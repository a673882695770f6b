"""Exploding and vanishing: what each extra layer does to signal and gradient.

A linear network of nine layers, with 1.5 or 0.5 times the identity in the hidden
layers, is an exact product: y = W 1.5^8 x. In tanh, sigmoid and ReLU networks with
random weights, the theory of wide networks predicts the factor of each layer, forward
and backward. These two factors can differ.
"""

import math

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit import reinitialize, signal_report
from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, run_study
from keras_initkit.theory.profile import signal_profile

LINEAR_GAINS = (0.5, 1.0, 1.5)
LINEAR_DEPTH = 9
LEARNING_RATE = 0.01
TRAINING_STEPS = 100
# n Var(W) for each activation. Glorot's is 1, He's is 2. The border between order and
# chaos is 1 for tanh, 2 for ReLU and beyond 100 for sigmoid.
WEIGHT_VARIANCES = {"tanh": (0.5, 1, 4), "sigmoid": (1, 4, 16), "relu": (1, 2, 3)}
TITLES = {
    "linear": "linear, 9 layers: an exact product",
    "tanh": "tanh: at 4 only the gradient explodes",
    "sigmoid": "sigmoid: the signal stays, the gradient vanishes",
    "relu": "ReLU: n Var(W) / 2 a layer, both ways",
}
LOWEST_SIGNAL = 0.05
WIDTH = 200
SAMPLES = 64


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("exploding_vanishing", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Measures all networks, and draws them beside their theory."""
    depth, draws = (10, 2) if lab.quick else (30, 10)
    figure = Figure(figsize=(17, 8), layout="constrained")
    panels = figure.subplots(2, 4, squeeze=False).T
    findings = {}
    for gain, style in zip(LINEAR_GAINS, STYLES[1:], strict=False):
        name = f"linear, {gain} I"
        measured = linear_profile(lab, gain)
        exact = theory("linear", gain**2, LINEAR_DEPTH - 1)
        draw(panels[0], style, f"weights {gain} I", measured, exact)
        findings[name] = row(measured, exact) | trained(lab, name, gain)
    for column, (activation, variances) in zip(
        panels[1:], WEIGHT_VARIANCES.items(), strict=True
    ):
        for variance, style in zip(variances, STYLES[1:], strict=False):
            measured = profiles(lab, activation, variance, depth, draws)
            expected = theory(activation, variance, depth)
            draw(column, style, f"n Var(W) = {variance}", measured, expected)
            findings[f"{activation}, {variance}"] = row(measured, expected)
    for name, column in zip(["linear", *WEIGHT_VARIANCES], panels, strict=True):
        finish(name, column)
    figure.suptitle(
        "What depth does to signal and gradient. Dashed: theory. Markers: measured, "
        f"geometric mean of {draws} draws of the weights. Shaded: all the draws"
    )
    lab.save(figure, "exploding_vanishing")
    return findings


def linear_network(gain):
    """Builds eight hidden layers of two units, and their sum as output."""
    identity = keras.initializers.Identity(gain)
    hidden = [
        layers.Dense(2, kernel_initializer=identity, use_bias=False)
        for _ in range(LINEAR_DEPTH - 1)
    ]
    head = layers.Dense(1, kernel_initializer="ones", use_bias=False)
    model = keras.Sequential([keras.Input((2,)), *hidden, head])
    model.compile(keras.optimizers.SGD(LEARNING_RATE), "mse")
    return model


def linear_samples(lab):
    return np.random.default_rng(lab.seed).normal(size=(SAMPLES, 2)).astype("float32")


def linear_profile(lab, gain):
    """Signal and gradient of the hidden layers: `(1, layers)` each."""
    report = signal_report(linear_network(gain), linear_samples(lab))
    return relative(
        [report["measured_variance"][:-1]], [report["gradient_variance"][:-1]]
    )


def trained(lab, name, gain):
    """Teaches the network twice the sum of its inputs, by whole-batch descent."""
    x = linear_samples(lab)
    y = 2 * x.sum(axis=1, keepdims=True)
    model = linear_network(gain)
    before = squared_error(model, x, y)
    run = lab.fit(
        name,
        model,
        np.tile(x, (TRAINING_STEPS, 1)),
        np.tile(y, (TRAINING_STEPS, 1)),
        epochs=1,
        batch_size=SAMPLES,
        shuffle=False,
        statistics=("l2_norm",),
    )
    norms = run.layers["gradient_l2_norm"][0]
    # y = gain^8 (x_1 + x_2). A hidden kernel's gradient has all factors but its own.
    output = gain ** (LINEAR_DEPTH - 1) * x.sum(axis=1, keepdims=True)
    slope = 2 * np.linalg.norm((x * (output - y)).mean(axis=0))
    exact = [slope * math.sqrt(2) * gain ** (LINEAR_DEPTH - 2)] * (LINEAR_DEPTH - 1)
    exact.append(slope * gain ** (LINEAR_DEPTH - 1))
    return {
        "off the product": float(np.max(np.abs(norms / exact - 1))),
        "loss before": before,
        "loss after": squared_error(model, x, y),
    }


def squared_error(model, x, y):
    return float(keras.ops.mean((model(x) - y) ** 2))


def profiles(lab, activation, weight_variance, depth, draws):
    """Signal and gradient of a network of equal layers: `(draws, depth)` each."""
    kernel = keras.initializers.VarianceScaling(
        weight_variance, "fan_in", "untruncated_normal"
    )
    hidden = [
        layers.Dense(WIDTH, activation, kernel_initializer=kernel) for _ in range(depth)
    ]
    model = keras.Sequential([keras.Input((WIDTH,)), *hidden])
    x = np.random.default_rng(lab.seed).normal(size=(SAMPLES, WIDTH)).astype("float32")
    reports = []
    for number in range(draws):
        reinitialize(model, seed=lab.seed * draws + number)
        reports.append(signal_report(model, x))
    return relative(
        [report["measured_variance"] for report in reports],
        [report["gradient_variance"] for report in reports],
    )


def relative(signals, gradients):
    """Turns variances of each layer into those of a network of each depth.

    Returns:
        The variance of the last layer's signal over that of the first, and that of the
        first layer's gradient over that of the last.
    """
    signals, gradients = np.asarray(signals), np.asarray(gradients)
    return signals / signals[:, :1], gradients[:, :1] / gradients


def theory(activation, weight_variance, depth):
    """The same for infinitely wide layers, and inputs of variance 1: `(depth,)`."""
    first = float(weight_variance)
    signals, slopes = signal_profile(activation, weight_variance, depth, first)
    return signals / first, np.cumprod([1.0, *slopes[:-1]])


def row(measured, expected):
    findings = {}
    for name, draws, line in zip(
        ("signal", "gradient"), measured, expected, strict=True
    ):
        findings[name] = typical(draws)[-1]
        findings[f"{name}, theory"] = line[-1]
        off = np.abs(np.log(draws[:, -1] / line[-1]))
        findings[f"{name}, worst draw off by"] = np.exp(off.max())
    return findings


def typical(draws):
    return np.exp(np.log(draws).mean(axis=0))


def draw(column, style, label, measured, expected):
    colour, marker = style
    for panel, draws, line in zip(column, measured, expected, strict=True):
        depth = np.arange(1, len(line) + 1)
        panel.plot(depth, line, color=colour, linestyle="--")
        panel.plot(
            depth, typical(draws), marker, color=colour, markersize=4, label=label
        )
        panel.fill_between(
            depth, draws.min(axis=0), draws.max(axis=0), color=colour, alpha=0.2
        )


def finish(name, column):
    signal, gradient = column
    signal.set_title(TITLES[name])
    signal.set_ylabel("variance of the signal,\nlast layer over first")
    gradient.set_ylabel("variance of the gradient,\nfirst layer over last")
    gradient.set_xlabel("hidden layers")
    for panel in column:
        panel.set_yscale("log")
        panel.grid(alpha=0.3)
    # A wide range keeps small differences from filling the panel.
    signal.set_ylim(bottom=min(signal.get_ylim()[0], LOWEST_SIGNAL))
    signal.legend()


if __name__ == "__main__":
    raise SystemExit(main())
