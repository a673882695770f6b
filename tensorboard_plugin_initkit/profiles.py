"""The statistics of a run, read from TensorBoard and packed for the page."""

from typing import Any, NamedTuple

import numpy as np
from tensorboard.data.provider import DataProvider, RunTagFilter

from tensorboard_plugin_initkit.lost import without_lost
from tensorboard_plugin_initkit.metadata import (
    PLUGIN_NAME,
    intended_tag,
    naming_key,
    parse_plugin_content,
    parse_vector_tag,
    start_tag,
    vector_tag,
)
from tensorboard_plugin_initkit.unreadable import UNREADABLE, why_unreadable


class Profiles(NamedTuple):
    """A statistic over the depth of a network, at the steps that TensorBoard kept.

    Attributes:
        steps: float64, shape (steps,), ascending.
        intended: float32, shape (layers,); NaN if unknown.
        values: float32, shape (steps, layers).
    """

    steps: np.ndarray
    intended: np.ndarray
    values: np.ndarray

    def to_bytes(self) -> bytes:
        """The numbers, little-endian: the shape as two uint32, then the attributes."""
        shape = np.array(self.values.shape, "<u4")
        parts = (
            shape,
            self.steps.astype("<f8"),
            self.intended.astype("<f4"),
            self.values.astype("<f4"),
        )
        return b"".join(part.tobytes() for part in parts)


class ProfileReader:
    """Reads the statistics that `LayerStatsCallback` wrote.

    Args:
        provider: TensorBoard's data.
        most: the largest number of steps to read of a run.
    """

    def __init__(self, provider: DataProvider, most: int) -> None:
        self._provider = provider
        self._most = most

    def runs(self, context: Any, experiment: str) -> list[dict[str, Any]]:
        """All runs by name, as one dictionary for JSON each.

        It has the run's `name`, its `layers`, the names of its `statistics` and its
        `last_step`; or its `name` and an `error`, if it cannot be read.
        """
        listed = self._provider.list_tensors(
            context, experiment_id=experiment, plugin_name=PLUGIN_NAME
        )
        return [_run_as_dict(name, listed[name]) for name in sorted(listed)]

    def read(
        self, context: Any, experiment: str, run: str, key: str, num_layers: int
    ) -> Profiles:
        """The profiles of a statistic.

        Args:
            context: the context of the request.
            experiment: the experiment of the request.
            run: the name of a run that `runs` lists without an error.
            key: one of its statistics.
            num_layers: the number of layers of the run. If two networks were trained in
                one directory, profiles of another length are left out.

        Raises:
            ValueError, or another one of `UNREADABLE`: if they are not numbers.
        """
        tags = [vector_tag(key), start_tag(key), intended_tag(key)]
        read = self._provider.read_tensors(
            context,
            experiment_id=experiment,
            plugin_name=PLUGIN_NAME,
            downsample=self._most,
            run_tag_filter=RunTagFilter(runs=[run], tags=tags),
        )
        found = read.get(run, {})
        points, start, intended = (
            [
                point
                for point in found.get(tag, ())
                if point.numpy.shape == (num_layers,)
            ]
            for tag in tags
        )
        points = without_lost([*without_lost(start)[:1], *points])
        values = np.array([p.numpy for p in points], "f4")
        return Profiles(
            np.array([p.step for p in points], "f8"),
            np.array(intended[-1].numpy, "f4")
            if intended
            else np.full(num_layers, np.nan, "f4"),
            values.reshape(len(points), num_layers),
        )


def _run_as_dict(name: str, tags: Any) -> dict[str, Any]:
    keys = sorted(key for key in map(parse_vector_tag, tags) if key is not None)
    if not keys:
        return {"name": name, "error": "No step was recorded yet."}
    first = tags[vector_tag(naming_key(keys))]
    try:
        layers = parse_plugin_content(first.plugin_content)
    except UNREADABLE as error:
        return {"name": name, "error": why_unreadable(error)}
    return {
        "name": name,
        "layers": layers,
        "statistics": keys,
        "last_step": max(tags[vector_tag(key)].max_step for key in keys),
    }
