"""The results as a table for the terminal, as CSV and as JSON."""

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from keras_initkit.experiments.compare import RunResult


@dataclass(frozen=True)
class Column:
    """A field of `RunResult`, its heading in the terminal, and its format."""

    field: str
    heading: str
    text: Callable[[float], str]


def compact(number: float) -> str:
    """Three decimals, or an exponent for very large and small numbers."""
    return f"{number:.3f}" if 0.01 <= abs(number) < 1000 else f"{number:.1e}"


SHOWN = (
    Column("test_accuracy", "test\naccuracy", "{:.1%}".format),
    Column("final_loss", "final\nloss", compact),
    Column("gradient_variance_ratio", "gradient\nratio", "{:.1e}".format),
)
NUMBERS = (
    "initial_loss",
    "final_loss",
    "train_accuracy",
    "test_accuracy",
    "forward_variance_ratio",
    "gradient_variance_ratio",
    "seconds",
)


def rich_table(results: list[RunResult], title: str) -> Table:
    """The table for the terminal, 80 characters wide.

    A ratio of 0 to 0 shows as `-`. A loss that is not finite shows as it is.
    """
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("\ninitializer", no_wrap=True)
    for column in SHOWN:
        table.add_column(column.heading, justify="right", no_wrap=True)
    table.add_column("\n  what went wrong")
    for result in results:
        cells = [_cell(column, getattr(result, column.field)) for column in SHOWN]
        table.add_row(result.initializer, *cells, f"  {result.outcome}")
    return table


def _cell(column: Column, value: float) -> str:
    if math.isnan(value) and column.field != "final_loss":
        return "-"
    return column.text(value)


def write_csv(networks: Mapping[str, list[RunResult]], path: Path) -> None:
    """Writes a row per result: its network, initializer and numbers in full precision.

    A ratio of 0 to 0 is `nan`.

    Args:
        networks: the results of each network, by its name.
        path: where the file goes.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["network", "initializer", *NUMBERS, "outcome"])
        for network, results in networks.items():
            for result in results:
                numbers = [getattr(result, name) for name in NUMBERS]
                writer.writerow([network, result.initializer, *numbers, result.outcome])


def as_json(results: list[RunResult]) -> list[dict[str, Any]]:
    """The results and their findings for JSON. A number that is not finite is None."""
    return [
        {
            "initializer": result.initializer,
            **{
                name: number if math.isfinite(number := getattr(result, name)) else None
                for name in NUMBERS
            },
            "outcome": result.outcome,
            "findings": [finding.to_dict() for finding in result.findings],
        }
        for result in results
    ]
