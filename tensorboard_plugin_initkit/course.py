"""The course of the runs: losses, learning rates, and metrics of the last epoch."""

from collections.abc import Sequence
from typing import Any

from tensorboard.data.provider import DataProvider, RunTagFilter

from tensorboard_plugin_initkit.lost import without_lost
from tensorboard_plugin_initkit.metadata import parse_epoch_tag

PLUGIN = "scalars"  # TensorBoard's plugin for all scalars


def read_course(
    provider: DataProvider,
    context: Any,
    experiment: str,
    tag: str,
    most: int,
    runs: Sequence[str],
) -> dict[str, dict[str, list[float]]]:
    """A scalar of each run that has it: its `steps`, ascending, and `values`.

    Args:
        provider: TensorBoard's data.
        context: the context of the request.
        experiment: the experiment of the request.
        tag: the tag of the scalar, such as `LOSS_TAG`.
        most: the largest number of steps to read of a run.
        runs: the names of the runs to read.
    """
    read = provider.read_scalars(
        context,
        experiment_id=experiment,
        plugin_name=PLUGIN,
        downsample=most,
        run_tag_filter=RunTagFilter(runs=runs, tags=[tag]),
    )
    found = {}
    for run, tags in read.items():
        points = without_lost(tags[tag])
        found[run] = {
            "steps": [point.step for point in points],
            "values": [point.value for point in points],
        }
    return found


def read_metrics(
    provider: DataProvider, context: Any, experiment: str, runs: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The losses and metrics of the last epoch, by name, for each run that has any.

    Args:
        provider: TensorBoard's data.
        context: the context of the request.
        experiment: the experiment of the request.
        runs: the names of the runs to read.
    """
    source = {"experiment_id": experiment, "plugin_name": PLUGIN}
    listed = provider.list_scalars(context, **source)
    names = {tag: parse_epoch_tag(tag) for tags in listed.values() for tag in tags}
    wanted = RunTagFilter(runs=runs, tags=[tag for tag, name in names.items() if name])
    read = provider.read_last_scalars(context, **source, run_tag_filter=wanted)
    return {
        run: {str(names[tag]): point.value for tag, point in tags.items()}
        for run, tags in read.items()
    }
