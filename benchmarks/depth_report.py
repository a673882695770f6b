"""The tables and the picture of `trainable_depth.py`."""

import csv
from pathlib import Path

import numpy as np
from deep_networks import ARCHITECTURES
from depth_results import Results, Study
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_initkit.experiments.picture import STYLES

# Each initializer has the same color in every panel.
STYLE_OF = {
    "he_normal": STYLES[1],
    "glorot_uniform": STYLES[2],
    "gaussian_critical": STYLES[4],
    "orthogonal": STYLES[6],
    "scaled_orthogonal": STYLES[6],
    "lsuv": STYLES[0],
    "critical": STYLES[3],
    "scaled_depth": STYLES[3],
    "looks_linear": STYLES[5],
    "zero_branches": STYLES[7],
}

ACCURACIES = {
    "train_accuracy": "Training accuracy",
    "test_accuracy": "Test accuracy",
}
CHANCE = 0.11
# Training accuracy of gaussian_critical by depth, with the learning rate 0.001.
PUBLISHED = {10: 0.81, 30: 0.81, 60: 0.69, 100: 0.50}


def markdown(study: Study, results: Results) -> str:
    """A table for each accuracy and network: the medians, or `-` if unknown.

    Rows are initializers, columns depths.
    """
    return "\n".join(
        f"{title} of {network} networks after {study.steps} steps, "
        f"median of {len(study.seeds)} seeds:\n\n"
        f"{_table(study, results, network, field)}\n"
        for network in study.networks
        for field, title in ACCURACIES.items()
    )


def _table(study: Study, results: Results, network: str, field: str) -> str:
    heads = [f"depth {d}, width {study.width_of(d)}" for d in study.depths]
    rows = [["initializer", *heads], ["---"] * (1 + len(heads))]
    for name in study.initializers_of(network):
        spreads = _spreads(study, results, network, name, field)
        rows.append([name, *(_short(s.median) if s else "-" for s in spreads)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _spreads(
    study: Study, results: Results, network: str, initializer: str, field: str
) -> list:
    """The `Spread` at each depth, or None."""
    return [
        study.spread(cell, results, field)
        for depth in study.depths
        for cell in study.cells(network, depth)
        if cell.initializer == initializer
    ]


def _short(accuracy: float) -> str:
    """The published format: .81, and 1.00."""
    return f"{accuracy:.2f}".removeprefix("0")


def write_csv(study: Study, results: Results, path: Path) -> None:
    """Writes a row for each number of the tables, with the range over the seeds."""
    spread = ("median", "min", "max")
    columns = [f"{field}_{kind}" for field in ACCURACIES for kind in spread]
    head = ("network", "depth", "width", "initializer", "learning_rate", *columns)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for network in study.networks:
            for depth in study.depths:
                for cell in study.cells(network, depth):
                    spreads = [study.spread(cell, results, f) for f in ACCURACIES]
                    if all(spreads):
                        rate = study.chosen_rate(cell, results)
                        writer.writerow([*cell, rate, *sum(spreads, ())])


def draw(study: Study, results: Results, path: Path) -> None:
    """Writes a PNG: training accuracy over depth, a panel for each network."""
    columns = min(2, len(study.networks))
    rows = -(-len(study.networks) // columns)
    figure = Figure(figsize=(5 * columns, 4.2 * rows), dpi=120, layout="constrained")
    figure.suptitle(f"MNIST after {study.steps} steps of plain SGD, batch 256")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, network in zip(panels.flat, study.networks, strict=False):
        _draw_network(axes, study, results, network)
    for axes in panels[-1]:
        axes.set_xlabel("depth: hidden layers")
    median = f"median of {len(study.seeds)} seeds, and their range"
    figure.supylabel(f"training accuracy ({median})")
    panels[0, 0].set_ylim(0, 1)
    figure.savefig(path)


def _draw_network(axes: Axes, study: Study, results: Results, network: str) -> None:
    for name in study.initializers_of(network):
        spreads = _spreads(study, results, network, name, "train_accuracy")
        known = [(d, *s) for d, s in zip(study.depths, spreads, strict=True) if s]
        if known:
            depths, medians, lows, highs = np.transpose(known)
            colour, marker = STYLE_OF[name]
            axes.plot(depths, medians, color=colour, marker=marker, label=name)
            axes.fill_between(depths, lows, highs, color=colour, alpha=0.2, linewidth=0)
    if "gaussian_critical" in ARCHITECTURES[network].initializers:
        axes.plot(
            *zip(*PUBLISHED.items(), strict=True),
            linestyle="",
            marker="x",
            markersize=9,
            color="grey",
            label="gaussian_critical, published",
        )
    axes.axhline(CHANCE, color="grey", linestyle=":", label="chance")
    axes.set_xscale("log")
    axes.set_xticks(study.depths, study.depths, minor=False)
    axes.minorticks_off()
    axes.set_title(network)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
