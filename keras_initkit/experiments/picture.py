"""One picture of a comparison: the losses, and the gradients over depth."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_initkit.experiments.compare import RunResult

# Okabe and Ito's palette (2008), which works with any color vision. The markers
# distinguish the curves in print.
STYLES = (
    ("#000000", "o"),
    ("#D55E00", "s"),
    ("#56B4E9", "v"),
    ("#0072B2", "^"),
    ("#E69F00", "D"),
    ("#009E73", "P"),
    ("#CC79A7", "X"),
    ("#6A3D9A", "*"),
)

# An exploding run leaves the picture, so it does not squash all the others.
HIGHEST_LOSS_OVER_SMALLEST_START = 10

HALF = 50  # percent: above it, the words go on the bar

# Room below the curves for two lines, as a share of the curves' height.
NOTES_HEIGHT = 0.12


def draw(networks: Mapping[str, list[RunResult]], title: str, path: Path) -> None:
    """Writes a PNG, a row for each network.

    A row shows the loss over steps, the gradient variance over depth at step 0, and the
    final accuracy, with what went wrong.

    Args:
        networks: the results of each network, by its description.
        title: the line above the panels.
        path: where the PNG goes.
    """
    figure = Figure(figsize=(15, 5 * len(networks)), dpi=100, layout="constrained")
    figure.suptitle(title)
    rows = figure.subfigures(len(networks), 1, squeeze=False)[:, 0]
    for row, (description, results) in zip(rows, networks.items(), strict=True):
        row.suptitle(description, fontsize="medium")
        loss, start, accuracy = row.subplots(1, 3)
        _draw_losses(loss, results)
        loss.legend(fontsize="x-small", loc="upper right", ncols=2)
        _draw_gradients(start, results)
        _draw_accuracies(accuracy, results)
    figure.savefig(path)


def _draw_accuracies(axes: Axes, results: list[RunResult]) -> None:
    places = np.arange(len(results))
    accuracies = [100 * run.test_accuracy for run in results]
    styles = itertools.islice(itertools.cycle(STYLES), len(results))
    axes.barh(places, accuracies, color=[colour for colour, _ in styles], alpha=0.6)
    for place, run, accuracy in zip(places, results, accuracies, strict=True):
        words = f" {accuracy:.1f} %" + f": {run.outcome}" * bool(run.outcome)
        axes.text(
            accuracy,
            float(place),
            words,
            va="center",
            ha="right" if accuracy > HALF else "left",
            fontsize="small",
        )
    axes.set_yticks(places, [run.initializer for run in results])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_title("Accuracy on the test set, percent")


def _draw_losses(axes: Axes, results: list[RunResult]) -> None:
    starts = [run.losses[0] for run in results if np.isfinite(run.losses[0])]
    highest = HIGHEST_LOSS_OVER_SMALLEST_START * min(starts, default=1)
    peaks = {
        run.initializer: run.losses.max(initial=0, where=np.isfinite(run.losses))
        for run in results
    }
    for run, (colour, marker) in zip(results, itertools.cycle(STYLES), strict=False):
        axes.plot(
            run.loss_steps,
            run.losses,
            color=colour,
            marker=marker,
            markersize=5,
            label=run.initializer,
        )
    axes.set_yscale("log", nonpositive="mask")
    axes.set_ylim(top=highest)
    axes.set_title("Loss on the training set")
    axes.set_xlabel("training steps")
    axes.set_ylabel("cross-entropy (nats)")
    _finish(
        axes,
        [
            f"{name}: up to {peak:.0e}, off the scale"
            for name, peak in peaks.items()
            if peak > highest
        ]
        + [
            f"{run.initializer}: not finite from step {run.loss_steps[lost][0]}"
            for run in results
            if (lost := ~np.isfinite(run.losses)).any()
        ],
    )


def _draw_gradients(axes: Axes, results: list[RunResult]) -> None:
    for run, (colour, marker) in zip(results, itertools.cycle(STYLES), strict=False):
        variance = run.gradient_variance_start
        layers = np.arange(len(variance))
        # Without zeros, because a logarithmic axis warns if there is nothing else.
        positive = np.where(variance > 0, variance, np.nan)
        axes.plot(layers, positive, color=colour, marker=marker, markersize=5)
    axes.set_yscale("log")
    axes.set_title("Gradient variance at step 0")
    axes.set_xlabel("layer, from the input to the head")
    axes.set_ylabel("variance of the kernel's gradient")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(
        axes,
        [
            f"{run.initializer}: 0 in every layer"
            for run in results
            if not run.gradient_variance_start.any()
        ]
        + [
            f"{run.initializer}: not finite"
            for run in results
            if not np.isfinite(run.gradient_variance_start).all()
        ],
    )


def _finish(axes: Axes, notes: list[str]) -> None:
    """Adds the grid, and notes on values that the axes cannot show."""
    axes.grid(alpha=0.3)
    axes.margins(y=NOTES_HEIGHT)
    axes.text(0.02, 0.02, "\n".join(notes), transform=axes.transAxes, fontsize="small")
