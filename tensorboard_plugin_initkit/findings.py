"""The findings of the runs, from their event files."""

from collections.abc import Sequence
from typing import Any

from tensorboard.data.provider import DataProvider, RunTagFilter

from tensorboard_plugin_initkit.metadata import (
    FINDINGS_DATA_TAG,
    PLUGIN_NAME,
    parse_findings,
)


def read_findings(
    provider: DataProvider, context: Any, experiment: str, runs: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The last findings of each run, the root cause first.

    A finding is a dictionary with the attributes of
    `keras_initkit.diagnosis.finding.Finding`. A healthy run has an empty list. A run
    whose event file holds no findings at all is left out.

    Args:
        provider: TensorBoard's data.
        context: the context of the request.
        experiment: the experiment of the request.
        runs: the names of the runs to read.
    """
    read = provider.read_tensors(
        context,
        experiment_id=experiment,
        plugin_name=PLUGIN_NAME,
        downsample=1,  # keeps the last
        run_tag_filter=RunTagFilter(runs=runs, tags=[FINDINGS_DATA_TAG]),
    )
    return {
        run: parse_findings(points[-1].numpy.item())
        for run, tags in read.items()
        for points in tags.values()
        if points
    }
