"""Pretrained: the first layers of a network that knows the digits 0 to 4 learn 5 to 9.

The hidden layers start with the weights of the other network, and the head is new. The
study compares this with a start from He's kernels, and with the same trained weights in
random order, which keep their distribution but know nothing.
"""

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit import Pretrained
from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, epochs_for, run_study

UNITS = 128
HIDDEN = ("hidden_1", "hidden_2")
WEIGHTS = ("kernel", "bias")
CLASSES = 5  # in each half
BATCH_SIZE = 64
EVALUATE_EVERY = 5
SMOOTHED = 5  # evaluations: a single one varies by a percent
GOAL = 0.95
STATISTICS = ("variance", "l2_norm")


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("pretrained", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Trains on the digits 0 to 4, and then each start on 5 to 9."""
    digits = lab.digits(28_000 if lab.quick else 60_000, 10_000)
    x, y = half(digits.x_train, digits.y_train, first=True)
    source = network(digits.num_features, starts(None, lab.seed)["scratch"], lab.seed)
    epochs = epochs_for(200 if lab.quick else 1400, len(x), BATCH_SIZE)
    lab.fit("digits 0-4", source, x, y, epochs, BATCH_SIZE, statistics=STATISTICS)
    path = lab.log_dir / "digits_0-4.keras"
    source.save(path)

    x, y = half(digits.x_train, digits.y_train, first=False)
    x, y = x[: 12_800 if lab.quick else None], y[: 12_800 if lab.quick else None]
    epochs = epochs_for(200 if lab.quick else 460, len(x), BATCH_SIZE)
    test = half(digits.x_test, digits.y_test, first=False)
    seeds = [lab.seed + 1 + number for number in range(1 if lab.quick else 3)]
    curves = {}
    for seed in seeds:
        for name, weights in starts(path, seed).items():
            evaluation = Evaluation(*test)
            run = f"digits 5-9, {name}, seed {seed}"
            model = network(digits.num_features, weights, seed)
            lab.fit(
                run,
                model,
                x,
                y,
                epochs,
                BATCH_SIZE,
                callbacks=[evaluation],
                statistics=STATISTICS,
            )
            curves.setdefault(name, []).append(smoothed(evaluation.accuracies))
    findings = {
        name: {
            f"steps to {GOAL:.0%}": np.median([steps_to_goal(run) for run in runs]),
            "accuracy at step 100": np.mean(
                [run[100 // EVALUATE_EVERY] for run in runs]
            ),
            "accuracy at the end": np.mean([run[-1] for run in runs]),
        }
        for name, runs in curves.items()
    }
    lab.save(picture(curves, findings, digits.name), "pretrained")
    return findings


def half(x, y, first):
    """The samples of the digits 0 to 4, or of 5 to 9 with the classes 0 to 4."""
    chosen = (y < CLASSES) == first
    return x[chosen], y[chosen] % CLASSES


def starts(path, seed):
    """The initializers `(kernel, bias)` of each hidden layer, for each start."""
    seeds = keras.random.SeedGenerator(seed)
    he = keras.initializers.HeNormal(seeds)
    scratch = {"scratch": [(he, "zeros")] * len(HIDDEN)}
    if path is None:
        return scratch
    pretrained = [
        [Pretrained(path, f"{layer}/{weight}") for weight in WEIGHTS]
        for layer in HIDDEN
    ]
    mixed = [
        [shuffled(path, f"{layer}/{w}", seed) for w in WEIGHTS] for layer in HIDDEN
    ]
    return {**scratch, "pretrained": pretrained, "pretrained, shuffled": mixed}


def shuffled(path, name, seed):
    """The entries of a trained weight in a random order."""
    layer, weight = name.split("/")
    trained = getattr(keras.saving.load_model(path).get_layer(layer), weight)
    values = keras.ops.convert_to_numpy(trained)
    order = np.random.default_rng(seed).permutation(values.size)
    return Pretrained(values.ravel()[order].reshape(values.shape))


def network(features, weights, seed):
    """Builds two hidden ReLU layers and a new head."""
    model = keras.Sequential([keras.Input((features,))])
    for name, (kernel, bias) in zip(HIDDEN, weights, strict=True):
        model.add(
            layers.Dense(
                UNITS,
                "relu",
                kernel_initializer=kernel,
                bias_initializer=bias,
                name=name,
            )
        )
    head = keras.initializers.GlorotUniform(seed)
    model.add(layers.Dense(CLASSES, kernel_initializer=head, name="head"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    return model


class Evaluation(keras.callbacks.Callback):
    """Measures the accuracy on some samples at one step in five."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y
        self.step = 0
        self.accuracies = []

    def on_train_batch_begin(self, batch, logs=None):
        if self.step % EVALUATE_EVERY == 0:
            classes = np.argmax(self.model.predict_on_batch(self.x), axis=1)
            self.accuracies.append(np.mean(classes == self.y))
        self.step += 1


def smoothed(accuracies):
    """The mean of each evaluation and up to four before it."""
    sums = np.cumsum([0.0, *accuracies])
    ends = np.arange(1, len(sums))
    begins = np.maximum(ends - SMOOTHED, 0)
    return (sums[ends] - sums[begins]) / (ends - begins)


def steps_to_goal(accuracies):
    """The first step that reaches the goal; infinite if there is none."""
    reached = np.flatnonzero(accuracies >= GOAL)
    return EVALUATE_EVERY * reached[0] if len(reached) else np.inf


def picture(curves, findings, digits):
    """Draws the error over the steps: all runs, and their median."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for (name, runs), (colour, _) in zip(curves.items(), STYLES, strict=False):
        steps = EVALUATE_EVERY * np.arange(len(runs[0]))
        goal = findings[name][f"steps to {GOAL:.0%}"]
        label = f"{name}: {GOAL:.0%} after {goal:.0f} steps"
        axes.plot(steps, 1 - np.median(runs, axis=0), color=colour, label=label)
        for run in runs:
            axes.plot(steps, 1 - run, color=colour, alpha=0.25, linewidth=1)
    axes.axhline(1 - GOAL, color="grey", linestyle=":")
    axes.set(
        yscale="log",
        xlabel="training step on the digits 5 to 9",
        ylabel="share of test digits that are wrong",
        title=f"{digits}: learning 5 to 9, with and without the layers of 0 to 4",
    )
    axes.legend()
    return figure


if __name__ == "__main__":
    raise SystemExit(main())
