"""Uniform or normal: seeds differ more than shapes of the draw, except orthogonal.

The study draws kernels of one variance uniform, normal, truncated normal and
orthogonal, for a shallow and a deep tanh network, with many seeds each. Between the
first three, these seeds show no difference in accuracy, which does not prove that there
is none. Orthogonal kernels do better in the deep network: their entries look normal,
but all their singular values are equal.
"""

from itertools import pairwise

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, epochs_for, run_study

DEPTHS = (2, 10)  # hidden layers
WIDTH = 32
LEARNING_RATE = 0.02
BATCH = 100
INDEPENDENT = ("normal", "uniform", "truncated")  # with independent entries
DISTRIBUTIONS = (*INDEPENDENT, "orthogonal")
SHOWN_WIDTH = 256  # width of the kernel whose entries and singular values are drawn
PERMUTATIONS = 10_000


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("uniform_or_normal", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Draws one kernel of each kind, and trains the networks with every seed."""
    digits = lab.digits(6_000 if lab.quick else 20_000, 2_000 if lab.quick else 10_000)
    seeds = 16 if lab.quick else 40
    figure = Figure(figsize=(16, 4.8), layout="constrained")
    figure.suptitle(
        f"Kernels of variance 1 / fan_in, drawn in four ways; {digits.name}"
    )
    entries, spectrum, *panels = figure.subplots(1, 4)
    findings = draw_kernels(entries, spectrum, lab.seed)
    for depth, panel in zip(DEPTHS, panels, strict=True):
        accuracies = train(lab, digits, depth, seeds)
        findings |= compare(accuracies, depth, lab.seed)
        draw_accuracies(panel, accuracies)
        panel.set_title(f"{depth} hidden layers, {seeds} seeds")
    lab.save(figure, "uniform_or_normal")
    return findings


def initializer(name, seed):
    """Has variance 1 / fan_in if a layer has no more units than inputs."""
    if name == "orthogonal":
        return keras.initializers.Orthogonal(seed=seed)
    distribution = {"normal": "untruncated_normal", "truncated": "truncated_normal"}
    return keras.initializers.VarianceScaling(
        1, "fan_in", distribution.get(name, name), seed
    )


def draw_kernels(entries, spectrum, study_seed):
    """Draws the entries and the singular values of a square kernel of each kind."""
    n = SHOWN_WIDTH
    findings = {}
    for name, (colour, _) in zip(DISTRIBUTIONS, STYLES, strict=False):
        kernel = keras.ops.convert_to_numpy(initializer(name, study_seed)((n, n)))
        singular = np.linalg.svd(kernel, compute_uv=False)
        findings[f"one kernel, {name}"] = {
            "kurtosis": np.mean(kernel**4) / np.mean(kernel**2) ** 2,
            "largest singular value": singular[0],
        }
        # Dashed, so the curve below it shows.
        style = {"color": colour, "linestyle": "--" if name == "orthogonal" else "-"}
        scaled = kernel.ravel() * n**0.5
        entries.hist(
            scaled, bins=50, range=(-4, 4), density=True, histtype="step", **style
        )
        spectrum.plot(np.arange(1, n + 1), singular, label=name, **style)
    entries.set(xlabel="entry * sqrt(fan_in)", ylabel="density")
    entries.set_title("The entries: three shapes")
    spectrum.set(
        xlabel=f"from the largest of {n} to the smallest", ylabel="singular value"
    )
    spectrum.set_title("The singular values: two kinds")
    spectrum.legend()
    return findings


def train(lab, digits, depth, seeds):
    """Returns the test accuracy of every distribution and seed, `(4, seeds)`."""
    model = ensemble(digits.num_features, depth, seeds, lab.seed)
    y = np.repeat(digits.y_train[:, None], len(DISTRIBUTIONS) * seeds, axis=1)
    statistics = [
        variance_of(name, slice(n * seeds, (n + 1) * seeds))
        for n, name in enumerate(DISTRIBUTIONS)
    ]
    run = f"{depth}_layers"
    epochs = epochs_for(60 if lab.quick else 200, len(y), BATCH)
    lab.fit(run, model, digits.x_train, y, epochs, BATCH, statistics=statistics)
    logits = keras.ops.convert_to_numpy(model(digits.x_test))
    right = logits.argmax(axis=-1) == digits.y_test[:, None]
    return right.mean(axis=0).reshape(-1, seeds)


def ensemble(num_features, depth, seeds, study_seed):
    """Builds all networks as one. They train at once and share only the inputs.

    A kernel is `(members, inputs, units)`; the members with normal kernels come first.
    """
    members = len(DISTRIBUTIONS) * seeds
    fans = [num_features, *[WIDTH] * depth, 10]
    rng = np.random.default_rng([study_seed, depth])
    model = keras.Sequential([keras.Input((num_features,))])
    for number, shape in enumerate(pairwise(fans)):
        layer = layers.EinsumDense(
            "bmi,mio->bmo" if number else "bi,mio->bmo",
            output_shape=(members, shape[1]),
            bias_axes="mo",
            activation="tanh" if number < depth else None,
            name=f"hidden_{number + 1}" if number < depth else "head",
        )
        model.add(layer)
        kernels = [
            initializer(name, int(rng.integers(2**31)))(shape)
            for name in DISTRIBUTIONS
            for _ in range(seeds)
        ]
        layer.kernel.assign(keras.ops.stack(kernels))
    # The loss is a mean over the members, which the rate undoes.
    optimizer = keras.optimizers.SGD(LEARNING_RATE * members, momentum=0.9)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    return model


def variance_of(name, members):
    """A statistic for `LayerStatsCallback`: the variance of some of the networks."""

    def variance(tensor):
        return keras.ops.var(tensor[members])

    variance.__name__ = f"variance_{name}"
    return variance


def compare(accuracies, depth, study_seed):
    """Means, the spread of seeds, and the differences between distributions."""
    variances = accuracies.var(axis=1, ddof=1)
    normal = DISTRIBUTIONS.index("normal")
    errors = np.sqrt((variances + variances[normal]) / accuracies.shape[1])
    rows = {}
    for name, runs, error in zip(DISTRIBUTIONS, accuracies, errors, strict=True):
        rows[f"{depth} layers, {name}"] = {
            "test accuracy": runs.mean(),
            "sd of seeds": runs.std(ddof=1),
            "over normal": runs.mean() - accuracies[normal].mean(),
            "+- (95 %)": 1.96 * error,
        }
    p = p_value(accuracies[: len(INDEPENDENT)], study_seed)
    rows[f"{depth} layers, first three"] = {"p": p}
    return rows


def p_value(groups, study_seed):
    """The probability that chance alone drives the means at least as far apart.

    Chance shuffles the numbers in `groups`, `(groups, seeds)`, over all groups.
    """
    rng = np.random.default_rng(study_seed)
    shuffled = rng.permuted(np.tile(groups.ravel(), (PERMUTATIONS, 1)), axis=1)
    means = shuffled.reshape(PERMUTATIONS, *groups.shape).mean(axis=2)
    # Slightly less, because rounding makes equal means differ.
    found = groups.mean(axis=1).var() * (1 - 1e-9)
    return (1 + np.sum(means.var(axis=1) >= found)) / (1 + PERMUTATIONS)


def draw_accuracies(axes, accuracies):
    """Draws a point for each seed, and the means with their 95 % intervals."""
    for place, (runs, (colour, _)) in enumerate(zip(accuracies, STYLES, strict=False)):
        spread = np.linspace(-0.3, 0.3, len(runs))
        axes.scatter(place + spread, runs, s=12, color=colour, alpha=0.5, linewidths=0)
        error = 1.96 * runs.std(ddof=1) / len(runs) ** 0.5
        axes.errorbar(
            place, runs.mean(), error, color=colour, fmt="_", markersize=36, capsize=9
        )
    axes.set_xticks(range(len(DISTRIBUTIONS)), DISTRIBUTIONS)
    axes.set_ylabel("test accuracy, a point for each seed")


if __name__ == "__main__":
    raise SystemExit(main())
