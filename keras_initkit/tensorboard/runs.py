"""The runs in a log directory: one for each training."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path


def runs_with_events(log_dir: Path, name: str) -> list[Path]:
    """The runs `<name>`, `<name>_2`, ... with events, up to the first missing one.

    Args:
        log_dir: a local directory, which need not exist.
        name: the name of the first run.
    """
    runs = itertools.takewhile(Path.exists, map(log_dir.joinpath, _numbered(name)))
    return [run for run in runs if any(run.glob("*tfevents*"))]


def new_run(log_dir: Path, name: str) -> Path:
    """Makes the first of `<name>`, `<name>_2`, `<name>_3`, ... that does not exist.

    Raises:
        OSError: if it cannot be made.
    """
    return first_made(log_dir, _numbered(name))


def first_made(parent: Path, names: Iterator[str]) -> Path:
    """Makes the first directory that does not exist, in only one of two programs.

    Args:
        parent: the directory to make it in, which is also made if it does not exist.
        names: an endless iterator.

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
