"""Zeros, too large, He: one network on two circles, started in three ways.

With zeros, no gradient ever reaches a kernel: all units stay identical, and the loss
stays at ln 2. With ten times a standard normal, the network is confident and wrong: the
loss starts very high, and training is spent on bringing it down. With He's variance,
the network learns.
"""

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit.experiments.datasets import load_dataset
from keras_initkit.experiments.decision_boundary import plot_decision_boundary
from keras_initkit.experiments.study import Findings, Lab, run_study

UNITS = (10, 5)
LEARNING_RATE = 0.01
STEPS_PER_EPOCH = 50
STATISTICS = ("variance", "l2_norm", "duplicate_fraction")


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("zero_large_he", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Trains the three networks, and draws their losses and decision boundaries."""
    circles = load_dataset("circles", lab.seed)
    # Whole-batch descent: each step gets the same batch.
    x = np.tile(circles.x_train, (STEPS_PER_EPOCH, 1))
    y = np.tile(circles.y_train, STEPS_PER_EPOCH)
    epochs = 6 if lab.quick else 40
    findings = {}
    figure = Figure(figsize=(16, 4.5), layout="constrained")
    loss, *boundaries = figure.subplots(1, 4)
    for panel, (name, kernels) in zip(
        boundaries, initializers(lab.seed).items(), strict=True
    ):
        model = network(kernels)
        first, _ = loss_and_accuracy(model, circles)
        trained = lab.fit(
            name,
            model,
            x,
            y,
            epochs=epochs,
            batch_size=len(circles.x_train),
            shuffle=False,
            statistics=STATISTICS,
        )
        last, accuracy = loss_and_accuracy(model, circles)
        findings[name] = {
            "loss before": first,
            "loss after": last,
            "train accuracy": accuracy,
            # Hidden layers only: the head has a single unit.
            "identical units": trained.layers["duplicate_fraction"][-1, :2].mean(),
        }
        steps = np.arange(epochs + 1) * STEPS_PER_EPOCH
        loss.plot(steps, [first, *trained.logs["loss"]], label=name)
        plot_decision_boundary(panel, model, circles)
        panel.set_title(f"{name}: {accuracy:.1%} right")
    loss.set(yscale="log", xlabel="training step", ylabel="loss (nats)")
    loss.axhline(np.log(2), color="grey", linestyle=":", label="ln 2")
    loss.legend()
    lab.save(figure, "zero_large_he")
    return findings


def initializers(seed):
    """The initializers of the three kernels, for each start."""
    layers_seeds = [seed + number for number in range(3)]
    normal, he = keras.initializers.RandomNormal, keras.initializers.HeNormal
    return {
        "zeros": ["zeros"] * 3,
        "normal x 10": [normal(stddev=10, seed=s) for s in layers_seeds],
        "He": [he(seed=s) for s in layers_seeds],
    }


def network(kernels):
    """Builds two hidden ReLU layers and the probability of the inner circle."""
    model = keras.Sequential([keras.Input((2,))])
    for units, kernel in zip(UNITS, kernels[:-1], strict=True):
        model.add(layers.Dense(units, "relu", kernel_initializer=kernel))
    model.add(layers.Dense(1, "sigmoid", kernel_initializer=kernels[-1]))
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimizer, "binary_crossentropy")
    return model


def loss_and_accuracy(model, circles):
    """Loss and accuracy over the training points."""
    # The whole output: from a slice, Keras could not find the logits for the loss.
    probability, y = model(circles.x_train), circles.y_train[:, None]
    loss = keras.ops.mean(keras.losses.binary_crossentropy(y, probability))
    is_inner = keras.ops.convert_to_numpy(probability) > 0.5
    return float(loss), np.mean(is_inner == y)


if __name__ == "__main__":
    raise SystemExit(main())
