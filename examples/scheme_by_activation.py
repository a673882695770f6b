"""Which initializer for which activation: seven by nine, ten and thirty layers deep.

All seven networks of one activation and one depth train at once, each at two rates, as
one network whose kernels have an extra axis. The better rate counts.
"""

import keras
import numpy as np
from keras import layers, ops
from matplotlib import colormaps
from matplotlib.figure import Figure

from keras_initkit.experiments.study import Findings, Lab, epochs_for, run_study

SCHEMES = (
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
)
ACTIVATIONS = (
    "tanh",
    "sigmoid",
    "linear",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
)
HEADS = ("zeros", "glorot_normal", "lecun_normal", "he_normal")
WIDTH = 64
RATES = {10: (0.03, 0.01), 30: (0.01, 0.003)}  # smaller for deeper networks
QUICK = {10: ("sigmoid", "gelu"), 30: ("relu",)}
QUICK_SCHEMES = ("glorot_normal", "he_normal", "orthogonal")
MOMENTUM = 0.9
BATCH = 32
TEST = 2000
TRAINED = 0.5  # the accuracy from which a network counts as learning
ALIKE = 0.02  # two standard errors of an accuracy of 0.75 on 2000 digits


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("scheme_by_activation", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Trains all networks, and draws three heatmaps for each depth."""
    steps = 100 if lab.quick else 300
    digits = lab.digits(steps * BATCH, TEST)
    schemes = QUICK_SCHEMES if lab.quick else SCHEMES
    plan = QUICK if lab.quick else dict.fromkeys(RATES, ACTIVATIONS)
    findings = {}
    for depth, activations in plan.items():
        for activation in activations:
            run = f"{depth}_layers/{activation}"
            kernels = [schemes] * (depth + 1)
            accuracy, gradient = train(lab, run, digits, activation, kernels, steps)
            row = f"{activation}, {depth}"
            findings[row] = dict(zip(schemes, accuracy, strict=True))
            findings[f"{row}, gradient"] = dict(zip(schemes, gradient[1], strict=True))
            # 0 / 0 if the gradient vanishes completely.
            with np.errstate(invalid="ignore"):
                ratio = gradient[0] / gradient[1]
            findings[f"{row}, ratio"] = dict(zip(schemes, ratio, strict=True))
    kernels = [["he_normal"] * len(HEADS)] * min(RATES) + [HEADS]
    accuracy, _ = train(lab, "heads", digits, "relu", kernels, steps)
    findings["head"] = dict(zip(HEADS, accuracy, strict=True))
    print_best(findings, plan)
    lab.save(picture(findings, plan, schemes, digits.name), "scheme_by_activation")
    return findings


def train(lab, run, digits, activation, kernels, steps):
    """Trains one network for each scheme and rate, all of them at once.

    Returns the test accuracy of each scheme at its better rate, and the variance of the
    gradient at the first step in the second and the last hidden layer.
    """
    depth, schemes = len(kernels) - 1, kernels[-1]
    rates = RATES[depth][-1:] if lab.quick else RATES[depth]
    model = network(digits, activation, kernels, rates, lab.seed)
    trained = lab.fit(
        run,
        model,
        digits.x_train,
        digits.y_train,
        epochs=epochs_for(steps, len(digits.x_train), BATCH),
        batch_size=BATCH,
        # The second and the last hidden layer: two kernels of one shape.
        layers=["layer_02", f"layer_{depth:02d}"],
        statistics=[
            variance_of(scheme, number, len(rates))
            for number, scheme in enumerate(schemes)
        ],
    )
    answers = ops.convert_to_numpy(ops.argmax(model(digits.x_test), axis=-1))
    right = np.mean(answers == digits.y_test[:, None], axis=0)
    gradient = np.array([trained.layers[f"gradient_{s}"][0] for s in schemes])
    gradient /= rates[0] ** 2  # of the loss itself, without its weight
    return right.reshape(len(schemes), -1).max(axis=1), gradient.T


def network(digits, activation, kernels, rates, seed):
    """Builds networks side by side: kernels of (schemes x rates, inputs, units)."""
    weights = np.tile(rates, len(kernels[-1])).astype("float32")

    def dense(layer, equation, shape, activation=None):
        return layers.EinsumDense(
            equation,
            shape,
            activation,
            bias_axes="sj",
            kernel_initializer=stacked(
                kernels[layer - 1], len(rates), 100 * seed + layer
            ),
            name=f"layer_{layer:02d}",
        )

    def loss(y, logits):
        y = ops.broadcast_to(ops.reshape(y, (-1, 1)), ops.shape(logits)[:2])
        each = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
        # With plain momentum, a loss times a rate trains at that rate.
        return ops.sum(each * weights, axis=-1)

    depth = len(kernels) - 1
    inputs = keras.Input((digits.num_features,))
    signal = dense(1, "bi,sij->bsj", (len(weights), WIDTH), activation)(inputs)
    signal = ops.transpose(signal, (1, 0, 2))  # products are fast in this order
    for layer in range(2, depth + 1):
        signal = dense(layer, "sbi,sij->sbj", (None, WIDTH), activation)(signal)
    logits = dense(depth + 1, "sbi,sij->sbj", (None, digits.num_classes))(signal)
    model = keras.Model(inputs, ops.transpose(logits, (1, 0, 2)))
    model.compile(keras.optimizers.SGD(1.0, MOMENTUM), loss)
    return model


def stacked(schemes, rates, seed):
    """An initializer that draws each scheme's kernel once for all rates."""

    def draw(shape, dtype=None):
        kernels = []
        for scheme in schemes:
            config = {} if scheme == "zeros" else {"seed": seed}
            one = keras.initializers.get({"class_name": scheme, "config": config})
            kernels += [ops.convert_to_tensor(one(shape[1:], dtype))] * rates
        return ops.stack(kernels)

    return draw


def variance_of(scheme, number, rates):
    """The variance in one scheme's part of a tensor, under the scheme's name.

    For a gradient, the part is that of the first rate, so it has this rate squared.
    """

    def variance(tensor):
        return ops.var(tensor[number * rates : number * rates + 1])

    variance.__name__ = scheme
    return variance


def print_best(findings, plan):
    """Prints the best initializers for each activation."""
    for depth, activations in plan.items():
        for activation in activations:
            row = findings[f"{activation}, {depth}"]
            best = max(row.values())
            alike = [scheme for scheme, value in row.items() if value > best - ALIKE]
            names = ", ".join(sorted(alike, key=row.get, reverse=True))
            if best < TRAINED:
                names = "none trains"
            print(f"{depth} layers, {activation}: {names} ({best:.1%})")


def picture(findings, plan, schemes, name):
    """Draws three heatmaps for each depth: activations down, schemes across."""
    figure = Figure(figsize=(11, 0.7 + 2.5 * len(plan)), layout="constrained")
    figure.suptitle(
        f"Which initializer for which activation? {name}, {WIDTH} units a layer "
        "(blank: 0)",
        fontsize="large",
    )
    kinds = {
        "": ("test accuracy in %", np.array, (0, 1), 100),
        ", ratio": ("log10 of gradient variance, layer 2 / last", log10, (-4, 4), 1),
        ", gradient": ("log10 of gradient variance, last layer", log10, (-12, 0), 1),
    }
    rows = figure.subplots(len(plan), len(kinds), sharey="row", squeeze=False)
    for (depth, activations), row in zip(plan.items(), rows, strict=True):
        for panel, (kind, look) in zip(row, kinds.items(), strict=True):
            title, transform, (low, high), unit = look
            values = transform(
                [list(findings[f"{a}, {depth}{kind}"].values()) for a in activations]
            )
            colours = colormaps["PuOr" if low == -high else "cividis"].resampled(9)
            shown = np.maximum(values, low)
            image = panel.imshow(shown, colours, aspect="auto", vmin=low, vmax=high)
            write_numbers(panel, image, values, unit)
            panel.set_title(f"{depth} layers: {title}", fontsize="small")
            panel.set_xticks(
                range(len(schemes)),
                [s.replace("_", "\n").replace("ogo", "o-\ngo") for s in schemes],
                fontsize=8,
            )
            panel.set_yticks(range(len(activations)), activations)
    return figure


def log10(values):
    """The logarithm, rounded to whole numbers."""
    with np.errstate(divide="ignore"):
        return np.round(np.log10(values))


def write_numbers(panel, image, values, unit):
    """Writes each cell's number, unless it is 0, in white on dark cells."""
    for (row, column), value in np.ndenumerate(values):
        if value != 0:
            dark = np.mean(image.to_rgba(max(value, image.norm.vmin))[:3]) < 0.5
            colour, text = "white" if dark else "black", f"{value * unit:.0f}"
            where = {"ha": "center", "va": "center"}
            panel.text(column, row, text, **where, color=colour, fontsize="small")


if __name__ == "__main__":
    raise SystemExit(main())
