"""The runs of `trainable_depth.py`, and their results."""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from deep_networks import ARCHITECTURES

LEARNING_RATES = (1e-3, 1e-2, 1e-1)
WIDTH = 300
# Both are as published: a thousand layers of 300 units would take hours.
NARROW_WIDTH, NARROW_FROM_DEPTH = 128, 1000


class Cell(NamedTuple):
    """One number of the table."""

    network: str
    depth: int
    width: int
    initializer: str


class Run(NamedTuple):
    """Everything that determines one training."""

    network: str
    depth: int
    width: int
    initializer: str
    learning_rate: float
    seed: int
    steps: int


class Outcome(NamedTuple):
    """The result of a training, with accuracies from 0 to 1.

    Attributes:
        train_accuracy: on a part of the training images.
        held_out_accuracy: on the held-out part of the training set.
        test_accuracy: on the test set.
        steps_taken: fewer than `Run.steps` if the loss stopped being finite.
        seconds: drawing, training and evaluating, but not building and tracing.
    """

    train_accuracy: float
    held_out_accuracy: float
    test_accuracy: float
    steps_taken: int
    seconds: float


class Spread(NamedTuple):
    """The median over the seeds, the smallest and the largest."""

    median: float
    low: float
    high: float


class Results:
    """The finished runs, in a file that gets each at once.

    Args:
        path: a file of JSON lines, which need not exist.

    Attributes:
        outcomes: by run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[Run, Outcome] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.outcomes[Run(**row["run"])] = Outcome(**row["outcome"])

    def add(self, run: Run, outcome: Outcome) -> None:
        self.outcomes[run] = outcome
        row = {"run": run._asdict(), "outcome": outcome._asdict()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@dataclass(frozen=True)
class Study:
    """The runs to make.

    Args:
        networks: names from `ARCHITECTURES`.
        depths: numbers of hidden layers, in the order to run them.
        initializers: the only ones to run; None for all of each network.
        seeds: the first one chooses the learning rate.
        steps: the steps of each training.
        width: the width of all networks; None for 300, and 128 from depth 1000.
    """

    networks: tuple[str, ...]
    depths: tuple[int, ...]
    initializers: tuple[str, ...] | None
    seeds: tuple[int, ...]
    steps: int
    width: int | None

    def width_of(self, depth: int) -> int:
        if self.width is not None:
            return self.width
        return NARROW_WIDTH if depth >= NARROW_FROM_DEPTH else WIDTH

    def initializers_of(self, network: str) -> list[str]:
        return [
            name
            for name in ARCHITECTURES[network].initializers
            if self.initializers is None or name in self.initializers
        ]

    def cells(self, network: str, depth: int) -> list[Cell]:
        """The cells of one network at one depth."""
        return [
            Cell(network, depth, self.width_of(depth), name)
            for name in self.initializers_of(network)
        ]

    def selection(self, cell: Cell) -> list[Run]:
        """The runs that choose the learning rate."""
        return [Run(*cell, rate, self.seeds[0], self.steps) for rate in LEARNING_RATES]

    def repeats(self, cell: Cell, learning_rate: float) -> list[Run]:
        """The runs with the other seeds."""
        return [Run(*cell, learning_rate, seed, self.steps) for seed in self.seeds[1:]]

    def chosen_rate(self, cell: Cell, results: Results) -> float | None:
        """The best rate on the held-out images; None if some are not tried yet."""
        runs = self.selection(cell)
        if not all(run in results.outcomes for run in runs):
            return None
        best = max(runs, key=lambda run: results.outcomes[run].held_out_accuracy)
        return best.learning_rate

    def outcomes(self, cell: Cell, results: Results) -> list[Outcome]:
        """The outcome of each seed; empty if some are missing."""
        rate = self.chosen_rate(cell, results)
        if rate is None:
            return []
        first = Run(*cell, rate, self.seeds[0], self.steps)
        runs = [first, *self.repeats(cell, rate)]
        if not all(run in results.outcomes for run in runs):
            return []
        return [results.outcomes[run] for run in runs]

    def spread(self, cell: Cell, results: Results, field: str) -> Spread | None:
        """The spread of one field of the outcomes; None if some are missing."""
        values = [getattr(o, field) for o in self.outcomes(cell, results)]
        if not values:
            return None
        return Spread(statistics.median(values), min(values), max(values))
