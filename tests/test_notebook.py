"""The notebook's cells run one after another, on small data."""

import ast
import json
from pathlib import Path

import keras
import numpy as np

NOTEBOOK = Path(__file__).parents[1] / "examples" / "tour.ipynb"


def code_cells():
    """The code without magics, which only a notebook knows."""
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        lines = [line for line in cell["source"] if not line.startswith("%")]
        if cell["cell_type"] == "code" and lines:
            yield "".join(lines)


def run(cell, names):
    """Runs a cell; returns the value of its last line, as a notebook does."""
    *statements, last = ast.parse(cell).body
    if not isinstance(last, ast.Expr):
        statements, last = [*statements, last], None
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_tour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7200, 28, 28), dtype="uint8")
    digits = (images[:, 0, 0] // 26).astype("uint8")
    load = lambda: ((images, digits), (images, digits))  # noqa: E731
    monkeypatch.setattr(keras.datasets.mnist, "load_data", load)
    names, shown = {}, []
    for cell in code_cells():
        shown.append(run(cell, names))
    rich = [value for value in shown if hasattr(value, "_repr_html_")]
    assert {type(value).__name__ for value in rich} == {
        "Diagnosis",
        "History",
        "SignalReport",
    }
    assert all(value._repr_html_().startswith("<") for value in rich)
    assert "weights_too_small" in str(rich[1])
    assert names["history"]["gradient_variance"].shape[1] == 31


def test_nothing_that_was_run_is_stored():
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs")
