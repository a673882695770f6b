"""Zeros, uniform, normal, Xavier: five tanh layers learn ten thousand digits.

Weights that ignore the width of their layer push most units against the bounds of
tanh, where it has no slope. With zeros, no kernel moves at all. Xavier's weights keep
the outputs of all five layers between 0 and the bounds, and the network learns.
"""

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, run_study

DEPTH = 5
WIDTH = 100
LEARNING_RATE = 0.05
BATCH = 50
STATISTICS = ("variance", "saturated_fraction")
FLAT = 0.995  # beyond it tanh has less than 1 % of its slope: it is 1 - tanh^2
BINS = np.linspace(-1, 1, 22)  # an odd number of bins, so that 0 is inside one
LABELS = {
    "zeros": "zeros",
    "uniform": "uniform(-1, 1)",
    "normal": "standard normal",
    "Xavier": "Xavier (Glorot)",
}
RIGHT, WRONG = (0.0, 0.35, 0.65), (0.8, 0.2, 0.0)
GRID = 10
PROBE = 1000  # digits on which the activations are counted


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("xavier_mnist", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Trains the four networks, and draws their activations, costs and answers."""
    digits = lab.digits(2_000 if lab.quick else 10_000, 10_000)
    epochs = 3 if lab.quick else 12
    findings = {}
    figure = Figure(figsize=(13.8, 9.6), layout="constrained")
    figure.suptitle(
        f"Five tanh layers learn to read {digits.name}: how their units' answers are "
        "distributed (log scale), what that costs, and what is read right",
        fontsize="x-large",
    )
    panels = figure.subplots(4, DEPTH + 2, width_ratios=[1] * DEPTH + [1.4, 1.9])
    for row, (name, initializer), (colour, _) in zip(
        panels, initializers(lab.seed).items(), STYLES, strict=False
    ):
        model = network(digits, initializer)
        watch = Activations(digits.x_test[:PROBE])
        first = float(model.loss(digits.y_train, model(digits.x_train)))
        trained = lab.fit(
            name,
            model,
            digits.x_train,
            digits.y_train,
            epochs=epochs,
            batch_size=BATCH,
            callbacks=[watch],
            statistics=STATISTICS,
        )
        logits = keras.ops.convert_to_numpy(model(digits.x_test))
        answers = logits.argmax(axis=1)
        accuracy = np.mean(answers == digits.y_test)
        start = watch.seen[0]
        findings[name] = {
            "loss before": first,
            "loss after": trained.logs["loss"][-1],
            "test accuracy": accuracy,
            "spread 1": start[0].std(),
            "spread 5": start[-1].std(),
            # The share of all outputs, not of units, with almost no slope.
            "flat 1": np.mean(np.abs(start[0]) > FLAT),
            "flat 5": np.mean(np.abs(start[-1]) > FLAT),
        }
        row[0].set_ylabel(LABELS[name], fontsize="large")
        draw_histograms(row[:DEPTH], watch.seen, colour)
        draw_cost(row[DEPTH], [first, *trained.logs["loss"]], colour)
        draw_digits(row[-1], digits, answers)
        row[-1].set_title(f"{accuracy:.1%} of the test digits right")
    for number, panel in enumerate(panels[0, :DEPTH], start=1):
        panel.set_title(f"layer {number}")
    panels[0, DEPTH].set_title("cost (nats) over epochs")
    panels[0, DEPTH].text(0, 1, "dotted: ln 10, a blind guess", fontsize="small")
    panels[0, 0].legend(fontsize="small", loc="upper left")
    lab.save(figure, "xavier_mnist")
    return findings


def initializers(seed):
    """For each start, the kernel initializer of a layer by its number."""
    uniform, normal = keras.initializers.RandomUniform, keras.initializers.RandomNormal
    xavier = keras.initializers.GlorotNormal
    return {
        "zeros": lambda layer: "zeros",
        "uniform": lambda layer: uniform(-1, 1, seed=10 * seed + layer),
        "normal": lambda layer: normal(stddev=1, seed=10 * seed + layer),
        "Xavier": lambda layer: xavier(seed=10 * seed + layer),
    }


def network(digits, initializer):
    """Builds five tanh layers and the logits of the classes."""
    model = keras.Sequential([keras.Input((digits.num_features,))])
    for number in range(DEPTH):
        kernel = initializer(number)
        name = f"layer_{number + 1}"
        model.add(layers.Dense(WIDTH, "tanh", kernel_initializer=kernel, name=name))
    kernel = initializer(DEPTH)
    model.add(layers.Dense(digits.num_classes, kernel_initializer=kernel, name="head"))
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


class Activations(keras.callbacks.Callback):
    """Keeps the outputs of the hidden layers, before training and after each epoch."""

    def __init__(self, x):
        super().__init__()
        self.x = x
        self.seen = []

    def on_train_begin(self, logs=None):
        self.look()

    def on_epoch_end(self, epoch, logs=None):
        self.look()

    def look(self):
        """Adds a row of arrays, one for each layer."""
        signal, answers = keras.ops.convert_to_tensor(self.x), []
        for layer in self.model.layers[:-1]:
            signal = layer(signal)
            answers.append(keras.ops.convert_to_numpy(signal))
        self.seen.append(answers)


def draw_histograms(row, seen, colour):
    """Draws a panel per layer: before training, after one epoch, after the last."""
    for layer, panel in enumerate(row):
        share = [np.histogram(answers[layer], BINS)[0] for answers in seen]
        share = 100 * np.array(share) / seen[0][layer].size
        panel.stairs(share[0], BINS, fill=True, color="0.75", label="before")
        panel.stairs(share[1], BINS, color="black", lw=0.8, label="1 epoch")
        label = f"{len(seen) - 1} epochs"
        panel.stairs(share[-1], BINS, color=colour, lw=2, label=label)
        panel.set(yscale="log", ylim=(0.1, 150), yticks=[], xticks=[-1, 0, 1])
        panel.minorticks_off()


def draw_cost(panel, losses, colour):
    """Draws the loss on the training digits, and that of a blind guess."""
    panel.axhline(np.log(10), color="grey", ls=":")
    panel.plot(losses, color=colour, marker="o", markersize=4)
    panel.set(yscale="log", ylim=(0.01, 100))
    panel.grid(alpha=0.3)


def draw_digits(panel, digits, answers):
    """Draws a hundred test digits: blue if the answer is right, red if it is wrong."""
    side = int(digits.num_features**0.5)
    images = digits.x_test[: GRID**2].reshape(-1, side, side, 1)
    # Four shades of ink keep the picture small.
    ink = np.round(3 * (images - images.min()) / np.ptp(images)) / 3
    right = (answers == digits.y_test)[: GRID**2, None]
    colours = np.where(right, RIGHT, WRONG)[:, None, None, :]
    # Ink in the full color, paper in a pale one.
    tiles = 1 - (0.15 + 0.85 * ink) * (1 - colours)
    rows = tiles.reshape(GRID, GRID, side, side, 3).swapaxes(1, 2)
    picture = rows.reshape(GRID * side, GRID * side, 3)
    panel.imshow(picture, interpolation="nearest")
    panel.axis("off")


if __name__ == "__main__":
    raise SystemExit(main())
