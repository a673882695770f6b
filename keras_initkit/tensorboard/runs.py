"""The runs in a log directory: one for each training, none of another's."""

import itertools
from pathlib import Path


def runs_with_events(log_dir: Path, name: str) -> list[Path]:
    """Those of `<name>`, `<name>_2`, `<name>_3`, ... before the first free one.

    Args:
        log_dir: a local directory, which need not exist.
        name: of the first run.
    """
    runs = (log_dir / _numbered(name, number) for number in itertools.count(1))
    return list(itertools.takewhile(_has_events, runs))


def free_run(log_dir: Path, name: str) -> Path:
    """The first one of those that has no events; it is not made."""
    return log_dir / _numbered(name, len(runs_with_events(log_dir, name)) + 1)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _has_events(run: Path) -> bool:
    return any(run.glob("*tfevents*"))
