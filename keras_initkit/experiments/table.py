"""The results as a table: for the terminal, and as CSV."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from keras_initkit.experiments.compare import RunResult


@dataclass(frozen=True)
class Column:
    """A field of `RunResult`, its heading in the terminal, and how it is written."""

    field: str
    heading: str
    text: Callable[[float], str]


def compact(number: float) -> str:
    """Three decimals, or an exponent where they would say little."""
    return f"{number:.3f}" if 0.01 <= abs(number) < 1000 else f"{number:.1e}"


COLUMNS = (
    Column("initial_loss", "initial\nloss", compact),
    Column("final_loss", "final\nloss", compact),
    Column("train_accuracy", "train\naccuracy", "{:.1%}".format),
    Column("test_accuracy", "test\naccuracy", "{:.1%}".format),
    Column("forward_variance_ratio", "forward\nratio", "{:.1e}".format),
    Column("gradient_variance_ratio", "gradient\nratio", "{:.1e}".format),
    Column("seconds", "seconds", "{:.1f}".format),
)

LOSSES = ("initial_loss", "final_loss")


def rich_table(results: list[RunResult], title: str) -> Table:
    """The table for the terminal, 80 characters wide.

    A ratio of 0 to 0 is written `-`. A loss that is not finite is written as it is.
    """
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("\ninitializer", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for result in results:
        cells = [_cell(column, getattr(result, column.field)) for column in COLUMNS]
        table.add_row(result.initializer, *cells)
    return table


def _cell(column: Column, value: float) -> str:
    if math.isnan(value) and column.field not in LOSSES:
        return "-"
    return column.text(value)


def write_csv(results: list[RunResult], path: Path) -> None:
    """One row per result: the initializer and the columns, in full precision.

    A ratio of 0 to 0 is `nan`.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["initializer", *(column.field for column in COLUMNS)])
        for result in results:
            values = [getattr(result, column.field) for column in COLUMNS]
            writer.writerow([result.initializer, *values])
