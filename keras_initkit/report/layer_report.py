"""A table with a row for each layer: for a terminal, a notebook, and for code."""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

# Between two columns.
GAP = "  "


class LayerReport(Mapping[str, Any]):
    """One row for each layer, one column for each quantity.

    It maps the name of a column to its values, and prints as a table, in a notebook
    too.

    Attributes:
        layers: the names of the layers, in the order of execution.
        notes: sentences to print below the table.
        headings: the columns to print, with their headings of one or two lines. None
            prints all under their names.

    Args:
        layers: the names of the layers.
        columns: for each name, an array or a list of shape (layers,) with numbers,
            bools or strings. NaN and None print as `-`.
        notes: sentences about the table.
    """

    headings: ClassVar[Mapping[str, str] | None] = None

    def __init__(
        self,
        layers: Sequence[str],
        columns: Mapping[str, Sequence[Any]],
        notes: Sequence[str] = (),
    ) -> None:
        self.layers = list(layers)
        self.notes = list(notes)
        self._columns = {name: _column(values) for name, values in columns.items()}

    def __getitem__(self, column: str) -> np.ndarray:
        if column not in self._columns:
            raise KeyError(f"Unknown column {column!r}. The columns are {list(self)}")
        return self._columns[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def to_dict(self) -> dict[str, list]:
        """The table as plain lists: `layer` and the columns."""
        columns = {name: values.tolist() for name, values in self._columns.items()}
        return {"layer": self.layers, **columns}

    def short_names(self) -> list[str]:
        """The names of the layers, without the model's if all start with it."""
        model, _, _ = self.layers[0].partition("/") if self.layers else ("", "", "")
        if not all(name.startswith(f"{model}/") for name in self.layers):
            return self.layers
        return [name.removeprefix(f"{model}/") for name in self.layers]

    def to_text(self, width: int | None = None) -> str:
        """The table for a terminal, and the notes.

        Args:
            width: the longest line. Columns that do not fit go into a second table
                below the first, and so on. None for one table.
        """
        head, *body = self._cells()
        columns = list(zip(*_lines_of(head), *body, strict=True))
        widths = [max(map(len, column)) for column in columns]
        names = [cell.ljust(widths[0]) for cell in columns[0]]
        tables = [names]
        for column, size in zip(columns[1:], widths[1:], strict=True):
            is_full = width and len(tables[-1][0]) + len(GAP) + size > width
            if is_full and tables[-1] is not names:
                tables.append(names)
            tables[-1] = [
                line + GAP + cell.rjust(size)
                for line, cell in zip(tables[-1], column, strict=True)
            ]
        texts = ["\n".join(line.rstrip() for line in lines) for lines in tables]
        return "\n\n".join([*texts, *self.notes])

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        head, *body = (
            [html.escape(cell).replace("\n", "<br>") for cell in line]
            for line in self._cells()
        )
        rows = [f"<tr><th>{'</th><th>'.join(head)}</th></tr>"]
        rows += [f"<tr><td>{'</td><td>'.join(line)}</td></tr>" for line in body]
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<table>{''.join(rows)}</table>{notes}"

    def _cells(self) -> list[list[str]]:
        headings = self.headings or {name: name.replace("_", " ") for name in self}
        columns = [[_text(value) for value in self[name]] for name in headings]
        head = ["layer", *headings.values()]
        return [head, *map(list, zip(self.short_names(), *columns, strict=True))]


def _column(values: Sequence[Any]) -> np.ndarray:
    # NumPy would turn everything beside a string into a string.
    has_text = any(isinstance(value, str) for value in values)
    return np.asarray(values, dtype=object if has_text else None)


def _lines_of(head: list[str]) -> list[list[str]]:
    """The headings as lines; shorter headings start further down."""
    parts = [heading.split("\n") for heading in head]
    height = max(map(len, parts))
    padded = [[""] * (height - len(part)) + part for part in parts]
    return [list(line) for line in zip(*padded, strict=True)]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return "-" if np.isnan(value) else f"{value:.3g}"
    return str(value)
