"""The histograms of one layer, which TensorBoard's own tab also shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.data.provider import DataProvider, RunTagFilter

from tensorboard_plugin_initkit.lost import without_lost
from tensorboard_plugin_initkit.metadata import histogram_tag, parse_histogram_tag

PLUGIN = "histograms"
MOST = 100
"""The page has pixels for this many steps."""


def read_sources(
    provider: DataProvider, context: Any, experiment: str, runs: Sequence[str]
) -> dict[str, list[str]]:
    """The sources of each run's histograms: "gradient", "pre_activation", "weight".

    Args:
        provider: TensorBoard's data.
        context: the context of the request.
        experiment: the experiment of the request.
        runs: the names of the runs to read.
    """
    listed = provider.list_tensors(
        context,
        experiment_id=experiment,
        plugin_name=PLUGIN,
        run_tag_filter=RunTagFilter(runs=runs),
    )
    return {
        run: sorted({source for tag in tags if (source := parse_histogram_tag(tag))})
        for run, tags in listed.items()
    }


def read_histograms(
    provider: DataProvider,
    context: Any,
    experiment: str,
    run: str,
    source: str,
    layers: Sequence[str],
    layer: str,
) -> dict[str, list[Any]]:
    """The histograms of a layer: ascending `steps`, and the `bins` of each.

    A bin is its left edge, its right edge and its count. It reads at most `MOST` steps.

    Args:
        provider: TensorBoard's data.
        context: the context of the request.
        experiment: the experiment of the request.
        run: the name of a run.
        source: "weight", "gradient" or "pre_activation".
        layers: the names of the run's layers.
        layer: one of them.

    Raises:
        ValueError, or another one of `UNREADABLE`: if they are not histograms.
    """
    tag = histogram_tag(source, layers.index(layer), layer, len(layers))
    read = provider.read_tensors(
        context,
        experiment_id=experiment,
        plugin_name=PLUGIN,
        downsample=MOST,
        run_tag_filter=RunTagFilter(runs=[run], tags=[tag]),
    )
    points = without_lost(read.get(run, {}).get(tag, ()))
    return {
        "steps": [point.step for point in points],
        "bins": [_bins(point.numpy) for point in points],
    }


def _bins(rows: np.ndarray) -> list[list[float]]:
    if rows.ndim != 2 or rows.shape[1] != 3 or not np.isfinite(rows).all():
        raise ValueError(f"Expected bins. Received: an array of shape {rows.shape}")
    return rows.tolist()
