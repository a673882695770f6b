"""Too large, too small: what weights do to the units of tanh and sigmoid.

Large weights hold almost all units at their bounds, where the activation is flat, and
training does not free them. The weights of the remaining units are so large that the
gradient even grows from layer to layer. Small weights keep all units on the slope, but
that does not help: all digits get the same output, and each layer divides the gradient
by ten.
"""

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, run_study

DEPTH = 6
WIDTH = 100
# The weights' standard deviation times the root of the fan-in. The right value is
# Glorot's, times 4 for sigmoid, whose steepest slope is 1/4.
RIGHT = {"tanh": 1, "sigmoid": 4}
FACTORS = {"x 0.1": 0.1, "x 1": 1, "x 10": 10}
LEARNING_RATE = 0.02
MOMENTUM = 0.9
BATCH = 50
RECORDED = 40  # steps from one record to the next
STATISTICS = ("gradient_variance", "saturated_fraction")
PROBE = 1000  # digits on which the spread of the outputs is measured


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("saturation", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Trains both activations with three sizes of weights, and draws a row for each."""
    digits = lab.digits(2_000 if lab.quick else 10_000, PROBE)
    epochs = 2 if lab.quick else 6
    findings = {}
    figure = Figure(figsize=(12.8, 6.2), layout="constrained")
    figure.suptitle(
        f"Six layers of tanh or sigmoid on {digits.name}: weights of the right size, "
        "ten times too large, and ten times too small",
        fontsize="large",
    )
    rows = figure.subplots(2, 4)
    for (activation, right), row in zip(RIGHT.items(), rows, strict=True):
        heatmap, *curves = row
        for (name, factor), style in zip(FACTORS.items(), STYLES[1::2], strict=False):
            model = network(digits, activation, factor * right, lab.seed)
            spread = spread_of_answers(model, digits.x_test)
            trained = lab.fit(
                f"{activation}/{name.replace(' ', '')}",
                model,
                digits.x_train,
                digits.y_train,
                epochs=epochs,
                batch_size=BATCH,
                update_freq=RECORDED,
                warmup_steps=1,
                statistics=STATISTICS,
            )
            gradient = trained.layers["gradient_variance"][0]
            saturated = trained.layers["saturated_fraction"][:, :DEPTH]
            answers = keras.ops.convert_to_numpy(model(digits.x_train)).argmax(axis=1)
            findings[f"{activation} {name}"] = {
                "saturated": saturated[0].mean(),
                "at the end": saturated[-1].mean(),
                "spread x": (spread[-1] / spread[0]) ** (1 / (DEPTH - 1)),
                # Between kernels of one shape, from layer to layer toward the input.
                "gradient x": (gradient[1] / gradient[-2]) ** (1 / (DEPTH - 2)),
                "gradient 1": gradient[0],
                "loss": trained.logs["loss"][-1],
                "accuracy": np.mean(answers == digits.y_train),
            }
            for panel, values in zip(
                curves, (spread, gradient, trained.logs["loss"]), strict=True
            ):
                colour, marker = style
                numbers = np.arange(1, len(values) + 1)
                panel.plot(numbers, values, color=colour, marker=marker, label=name)
        draw_saturation(heatmap, saturated, trained.layers.steps)
        finish(row, activation)
    rows[0, 0].figure.colorbar(heatmap.images[0], ax=rows[:, 0])
    rows[0, 1].legend(title="weights")
    lab.save(figure, "saturation")
    return findings


def network(digits, activation, factor, seed):
    """Builds six hidden layers and the logits of the classes."""
    model = keras.Sequential([keras.Input((digits.num_features,))])
    for number in range(DEPTH):
        fan_in = WIDTH if number else digits.num_features
        deviation = factor / fan_in**0.5
        kernel = keras.initializers.RandomNormal(
            stddev=deviation, seed=10 * seed + number
        )
        name = f"layer_{number + 1}"
        model.add(layers.Dense(WIDTH, activation, kernel_initializer=kernel, name=name))
    kernel = keras.initializers.GlorotNormal(seed=10 * seed + DEPTH)
    model.add(layers.Dense(digits.num_classes, kernel_initializer=kernel, name="head"))
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, MOMENTUM),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def spread_of_answers(model, x):
    """The standard deviation of a unit's outputs over the digits, for each layer."""
    spread, signal = [], keras.ops.convert_to_tensor(x)
    for layer in model.layers[:-1]:
        signal = layer(signal)
        spread.append(float(keras.ops.mean(keras.ops.std(signal, axis=0))))
    return spread


def draw_saturation(panel, saturated, steps):
    """Draws layers from the bottom up, training steps to the right."""
    panel.imshow(
        saturated.T,
        origin="lower",
        aspect="auto",
        extent=(0, steps[-1] + RECORDED, 0.5, DEPTH + 0.5),
        cmap="cividis",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )


def finish(row, activation):
    """Labels the four panels of an activation."""
    saturated, spread, gradient, loss = row
    saturated.set_title(f"{activation} x 10:\nshare of saturated units")
    saturated.set(xlabel="training step", ylabel="layer")
    spread.set_title(
        f"{activation}: how much a unit's answers\ndiffer from digit to digit, at start"
    )
    gradient.set_title(
        f"{activation}: variance of the kernels'\ngradients, at start (7: head)"
    )
    loss.set_title(f"{activation}: training loss (nats);\ndotted: ln 10, a blind guess")
    loss.axhline(np.log(10), color="grey", linestyle=":")
    loss.set_xlabel("epoch")
    for panel in (spread, gradient):
        panel.set(yscale="log", xlabel="layer")
    for panel in (spread, gradient, loss):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))


if __name__ == "__main__":
    raise SystemExit(main())
