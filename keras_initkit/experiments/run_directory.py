"""The directories that a comparison or a study writes to."""

import itertools
from pathlib import Path

from keras_initkit.tensorboard.local_directory import local_directory
from keras_initkit.tensorboard.runs import first_made


def run_directories(
    log_dir: str | Path, output: str | Path | None, below: str = ""
) -> tuple[Path, Path]:
    """Makes a new directory for TensorBoard's files, and one for all other files.

    Args:
        log_dir: the parent of the new run directory.
        output: where pictures and tables go; None for the run directory.
        below: a directory between `log_dir` and the run directory, if any.

    Returns:
        The run directory and the output directory.

    Raises:
        ValueError: `log_dir` or `output` is not on this machine.
        OSError: a directory cannot be made.
    """
    parent = local_directory(log_dir) / below
    if not output:
        run_directory = fresh_run_directory(parent)
        return run_directory, run_directory
    output_directory = local_directory(output, "output")
    output_directory.mkdir(parents=True, exist_ok=True)
    return fresh_run_directory(parent), output_directory


def fresh_run_directory(parent: Path) -> Path:
    """Makes the first free one of `<parent>/001`, `<parent>/002`, ...

    TensorBoard shows all event files of a directory as one run. Two comparisons in one
    directory would be mixed.

    Raises:
        OSError: the directory cannot be made.
    """
    return first_made(parent, (f"{number:03d}" for number in itertools.count(1)))
