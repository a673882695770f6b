"""The runs in a log directory: one for each training, none of another's."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path


def runs_with_events(log_dir: Path, name: str) -> list[Path]:
    """Those of `<name>`, `<name>_2`, ... before the first missing one that have events.

    Args:
        log_dir: a local directory, which need not exist.
        name: of the first run.
    """
    runs = itertools.takewhile(Path.exists, map(log_dir.joinpath, _numbered(name)))
    return [run for run in runs if any(run.glob("*tfevents*"))]


def new_run(log_dir: Path, name: str) -> Path:
    """Makes the first of `<name>`, `<name>_2`, `<name>_3`, ... that is not there.

    Raises:
        OSError: if it cannot be made.
    """
    return first_made(log_dir, _numbered(name))


def first_made(parent: Path, names: Iterator[str]) -> Path:
    """Makes the first directory that is not there: of two programs only one can.

    Args:
        parent: the directory that it is made in, and made itself if it is not there.
        names: without end.

    Raises:
        OSError: if it cannot be made.
    """
    while True:
        directory = parent / next(names)
        directory.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            directory.mkdir()
            return directory


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in itertools.count(2))
