"""Keras's default against PyTorch's: one network, initialized both ways.

Keras draws Dense kernels with Glorot's variance, 1 / fan_in in square layers, and zero
biases. PyTorch draws Linear kernels and biases with variance 1 / (3 fan_in). A ReLU
halves the signal. So Keras's signal loses a factor of 2 in each layer, and PyTorch's a
factor of 6, until only its biases are left: a signal that is the same for every image.
"""

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_initkit import TorchUniform, TorchUniformBias
from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, epochs_for, run_study

DEPTHS = (2, 5, 10, 20)  # hidden layers
WIDTH = 128
LEARNING_RATE = 0.001  # both frameworks' default for Adam
BATCH = 100
PROBE = 500  # images to measure the signal on
STATISTICS = ("variance", "pre_activation_variance")


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("framework_defaults", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Follows the signal through the deepest networks, and trains all of them."""
    digits = lab.digits(*(4_000, 2_000) if lab.quick else (10_000, 10_000))
    depths = (DEPTHS[0], DEPTHS[-1]) if lab.quick else DEPTHS
    trained = ("Keras", "PyTorch") if lab.quick else tuple(defaults(1, 0))
    figure = Figure(figsize=(16, 4.8), layout="constrained")
    figure.suptitle(f"ReLU networks, drawn as Keras and as PyTorch do; {digits.name}")
    *signal, accuracy = figure.subplots(1, 3)
    findings = {}
    for name, (colour, marker) in zip(defaults(1, 0), STYLES, strict=False):
        style = {"color": colour, "marker": marker, "markersize": 5, "label": name}
        networks = {d: network(name, digits.num_features, d, lab.seed) for d in depths}
        squares, differences = signals(networks[DEPTHS[-1]], digits.x_test[:PROBE])
        for panel, values in zip(signal, (squares, differences), strict=True):
            panel.plot(np.arange(1, DEPTHS[-1] + 1), values, **style)
        scores = {
            depth: train(lab, digits, name, model)
            for depth, model in networks.items()
            if name in trained
        }
        accuracy.plot(list(scores), list(scores.values()), **style)
        findings[name] = {
            "z^2, layer 20": squares[-1],
            "its factor a layer": factor_a_layer(squares),
            "factor of differences": factor_a_layer(differences),
        } | {f"accuracy, {depth}": score for depth, score in scores.items()}
    dress(*signal, accuracy)
    lab.save(figure, "framework_defaults")
    return findings


def defaults(fan_in, seed):
    """The kernel and bias initializers of a Dense layer, for each framework."""
    glorot, zeros = keras.initializers.GlorotUniform(seed), keras.initializers.Zeros()
    torch, torch_bias = TorchUniform(seed), TorchUniformBias(fan_in, seed + 1)
    return {
        "Keras": (glorot, zeros),
        "PyTorch": (torch, torch_bias),
        "PyTorch, no biases": (torch, zeros),
        "He": (keras.initializers.HeUniform(seed), zeros),
    }


def network(name, num_features, depth, seed):
    """Builds hidden ReLU layers and a linear head, each with its own seeds."""
    fans = [num_features, *[WIDTH] * depth]
    model = keras.Sequential([keras.Input((num_features,))])
    for number, fan_in in enumerate(fans):
        is_head = number == depth
        # Two seeds per layer: one for the kernel, one for the biases.
        kernel, bias = defaults(fan_in, 1000 * seed + 2 * number)[name]
        model.add(
            layers.Dense(
                10 if is_head else WIDTH,
                None if is_head else "relu",
                kernel_initializer=kernel,
                bias_initializer=bias,
                name="head" if is_head else f"hidden_{number + 1}",
            )
        )
    return model


def signals(model, x):
    """The mean of z^2 and its difference between images, for each hidden layer.

    The second is the variance of z = W a + b over the images, averaged over the units.
    Both are in float64, because float32 loses the differences.
    """
    squares, differences = [], []
    a = x.astype("float64")
    for layer in model.layers[:-1]:
        kernel, bias = map(ops.convert_to_numpy, (layer.kernel, layer.bias))
        z = a @ kernel + bias
        squares.append(np.mean(z**2))
        differences.append(z.var(axis=0).mean())
        a = np.maximum(z, 0)
    return squares, differences


def factor_a_layer(values):
    """The average factor of a layer in the last half."""
    half = len(values) // 2
    return (values[-1] / values[half - 1]) ** (1 / half)


def train(lab, digits, name, model):
    """The test accuracy after training."""
    depth = len(model.layers) - 1
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    run = f"{depth:02d}_layers_{name.replace(',', '').replace(' ', '_')}"
    # Tracing statistics takes longer than training: a quick run records two layers.
    recorded = ["hidden_1", "head"] if lab.quick else None
    lab.fit(
        run,
        model,
        digits.x_train,
        digits.y_train,
        epochs=epochs_for(120 if lab.quick else 300, len(digits.x_train), BATCH),
        batch_size=BATCH,
        statistics=STATISTICS[:1] if lab.quick else STATISTICS,
        layers=recorded,
    )
    logits = ops.convert_to_numpy(model(digits.x_test))
    return np.mean(logits.argmax(axis=1) == digits.y_test)


def dress(signal, difference, accuracy):
    """Titles, axes and legends."""
    signal.set_title("Signal before training: what biases keep alive ...")
    signal.set_ylabel("mean of z^2")
    level = 2 / (5 * WIDTH)
    signal.axhline(level, color="grey", linestyle=":", label="2 / (5 fan_in)")
    difference.set_title("... is not what tells images apart")
    difference.set_ylabel("variance of z over the images")
    for axes in (signal, difference):
        axes.set(xlabel="hidden layer", yscale="log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    signal.legend()
    accuracy.axhline(0.1, color="grey", linestyle=":", label="chance")
    accuracy.set(xlabel="hidden layers", ylabel="test accuracy", ylim=(0, 1))
    accuracy.set_xticks(DEPTHS)
    accuracy.set_title("Accuracy after training with Adam")


if __name__ == "__main__":
    raise SystemExit(main())
