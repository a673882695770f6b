"""A fresh directory for each comparison."""

from pathlib import Path


def fresh_run_directory(parent: str | Path) -> Path:
    """Makes the first free one of `<parent>/001`, `<parent>/002`, ...

    TensorBoard shows all event files of a directory as one run, so a comparison that
    wrote where an earlier one did would be mixed with it.

    Raises:
        OSError: the directory cannot be made.
    """
    number = 1
    while (directory := Path(parent) / f"{number:03d}").exists():
        number += 1
    directory.mkdir(parents=True)
    return directory
