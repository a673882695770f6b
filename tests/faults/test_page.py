"""Every claim of `docs/faults.md` has a test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.endswith("| Test |")
]


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_a_test_that_exists(row):
    file, name = re.search(r"\| `(tests/\S+\.py)::(test_\w+)` \|$", row).groups()
    assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_there_are_rows():
    assert len(ROWS) > 20
