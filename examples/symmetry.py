"""Symmetry: units that start equal stay equal, and sixteen of them do the work of one.

First, two weights: y = w2 w1 x. If they start equal, they stay equal, so their product
is a square and never becomes the -1 that it should. Then, two hidden layers of sixteen
ReLU units on two circles. If all weights of a layer are one constant, all its units act
as one: a network with a single unit per layer has the same loss at every step. Only a
difference between the units of a layer makes it wide. Random weights are the simplest
way to get one.
"""

import math

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit.experiments.datasets import load_dataset
from keras_initkit.experiments.decision_boundary import plot_decision_boundary
from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, run_study

TWO_WEIGHTS = {"two equal weights": (0.8, 0.8), "two unequal weights": (0.8, 0.7)}
TWO_WEIGHTS_RATE = 0.05
TWO_WEIGHTS_STEPS = 200
UNITS = 16
LAYER_CONSTANTS = (0.4, 0.2, 0.1)
LEARNING_RATE = 0.3
STEPS_PER_EPOCH = 25


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("symmetry", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Trains all networks, and draws losses, identical units and boundaries."""
    figure = Figure(figsize=(17, 8.6), layout="constrained")
    plane, losses, alike, *boundaries = figure.subplots(2, 4).flat
    findings = {}
    for (name, start), style in zip(TWO_WEIGHTS.items(), STYLES[1:], strict=False):
        path = descend(*start)
        draw_path(plane, path, name, style)
        findings[name] = {
            "loss before": two_weights_loss(path[0]),
            "loss after": two_weights_loss(path[-1]),
            "largest difference": np.max(np.abs(path[:, 0] - path[:, 1])),
        }
    finish_plane(plane)
    circles = load_dataset("circles", lab.seed)
    epochs = 6 if lab.quick else 40
    curves = {}
    for number, (name, (units, kernels)) in enumerate(networks(lab.seed).items()):
        panel, (colour, marker) = boundaries[number], STYLES[number]
        style = {"color": colour, "marker": marker, "label": name}
        model = network(units, kernels)
        findings[name], run = trained(lab, name, model, circles, epochs)
        curves[name] = run.logs["loss"]
        steps = STEPS_PER_EPOCH * np.arange(1, epochs + 1)
        # Each curve has its own marker positions, so that equal curves stay visible.
        losses.plot(steps, curves[name], markevery=(number, 5), **style)
        plot_decision_boundary(panel, model, circles)
        panel.set_title(f"{name}: {findings[name]['train accuracy']:.1%} right")
        if units > 1:
            # Hidden layers only: the head has a single unit.
            fractions = run.layers["duplicate_fraction"][:, :2]
            findings[name]["identical units, fewest"] = fractions.min()
            findings[name]["identical units, most"] = fractions.max()
            curve = fractions.mean(axis=1)
            every = (number * STEPS_PER_EPOCH, 5 * STEPS_PER_EPOCH)
            alike.plot(run.layers.steps, curve, markevery=every, **style)
    findings["one constant a layer"]["largest gap to one unit"] = np.max(
        np.abs(np.subtract(curves["one constant a layer"], curves["one unit a layer"]))
    )
    for axes, label in (losses, "loss (nats)"), (alike, "share of identical units"):
        axes.set(xlabel="training step", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend()
    lab.save(figure, "symmetry")
    return findings


def descend(w1, w2):
    """Gradient descent on the mean of (w2 w1 x + x)^2, for x of variance 1."""
    path = [(w1, w2)]
    for _ in range(TWO_WEIGHTS_STEPS):
        step = TWO_WEIGHTS_RATE * 2 * (w1 * w2 + 1)
        w1, w2 = w1 - step * w2, w2 - step * w1
        path.append((w1, w2))
    return np.array(path)


def two_weights_loss(weights):
    return (weights[0] * weights[1] + 1) ** 2


def networks(seed):
    """The units per layer and the three kernels of each start."""
    constant = keras.initializers.Constant
    first, middle, last = LAYER_CONSTANTS
    # Sixteen equal units add up to one unit with larger weights.
    root = math.sqrt(UNITS)
    single = [constant(c) for c in (root * first, UNITS * middle, root * last)]
    he = [keras.initializers.HeNormal(seed=seed + number) for number in range(3)]
    return {
        "one constant": (UNITS, [constant(middle)] * 3),
        "one constant a layer": (UNITS, [constant(c) for c in LAYER_CONSTANTS]),
        "one unit a layer": (1, single),
        "one constant a unit": (UNITS, [constant_of_each_unit] * 3),
        "random (He)": (UNITS, he),
    }


def constant_of_each_unit(shape, dtype=None):
    """Gives all weights of a unit one number, from -0.5 to 0.5 over the units."""
    return keras.ops.broadcast_to(keras.ops.linspace(-0.5, 0.5, shape[-1]), shape)


def network(units, kernels):
    """Builds two hidden ReLU layers and the probability of the inner circle."""
    hidden = [layers.Dense(units, "relu", kernel_initializer=k) for k in kernels[:-1]]
    head = layers.Dense(1, "sigmoid", kernel_initializer=kernels[-1])
    model = keras.Sequential([keras.Input((2,)), *hidden, head])
    optimizer = keras.optimizers.SGD(LEARNING_RATE)
    model.compile(optimizer, "binary_crossentropy")
    return model


def trained(lab, name, model, circles, epochs):
    """Trains on the whole batch again and again."""
    before, _ = loss_and_accuracy(model, circles)
    run = lab.fit(
        name,
        model,
        np.tile(circles.x_train, (STEPS_PER_EPOCH, 1)),
        np.tile(circles.y_train, STEPS_PER_EPOCH),
        epochs=epochs,
        batch_size=len(circles.x_train),
        shuffle=False,
        statistics=("variance", "duplicate_fraction"),
        update_freq=1,
    )
    after, accuracy = loss_and_accuracy(model, circles)
    found = {"loss before": before, "loss after": after, "train accuracy": accuracy}
    return found, run


def loss_and_accuracy(model, circles):
    probability = model(circles.x_train)[:, 0]
    loss = keras.losses.binary_crossentropy(circles.y_train, probability)
    is_inner = keras.ops.convert_to_numpy(probability) > 0.5
    return float(loss), np.mean(is_inner == circles.y_train)


def draw_path(axes, path, name, style):
    """Draws a path from its marker to its end, a ring."""
    colour, marker = style
    label = f"{name}: loss {two_weights_loss(path[-1]):.2f}"
    axes.plot(*path.T, color=colour, label=label)
    axes.plot(*path[0], marker, color=colour)
    axes.plot(*path[-1], "o", color=colour, markerfacecolor="none", markersize=10)


def finish_plane(axes):
    """Adds the curves where the loss is 0 and where the weights are equal."""
    w1 = np.linspace(0.6, 1.6)
    axes.plot(w1, -1 / w1, color="grey", label="w1 w2 = -1: loss 0")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="w1 = w2")
    axes.set(xlabel="w1", ylabel="w2", title="y = w2 w1 x is to become -x")
    axes.set_ylim(-3, 1)  # room for the legend
    axes.legend(loc="lower left", fontsize="small")


if __name__ == "__main__":
    raise SystemExit(main())
