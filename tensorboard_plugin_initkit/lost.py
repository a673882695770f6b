"""Steps that a training lived twice, as it went on from an older checkpoint."""

from collections.abc import Sequence
from typing import Any


def without_lost(points: Sequence[Any]) -> list[Any]:
    """Those that no later record takes the place of, by ascending steps.

    A training that goes on from a checkpoint repeats steps; what was recorded of them
    before belongs to weights that were lost. The fast loader leaves it out itself.

    Args:
        points: each with its `step`, in the order in which they were written.
    """
    kept: list[Any] = []
    for point in reversed(points):
        if not kept or point.step < kept[-1].step:
            kept.append(point)
    return kept[::-1]
