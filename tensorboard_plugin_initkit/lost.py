"""Steps that a training repeated, because it resumed from an older checkpoint."""

from collections.abc import Sequence
from typing import Any


def without_lost(points: Sequence[Any]) -> list[Any]:
    """The points that no later record replaces, by ascending steps.

    A training that resumes from a checkpoint repeats steps. Their earlier records
    belong to weights that were lost. The fast loader leaves them out itself.

    Args:
        points: each with its `step`, in the order of writing.
    """
    kept: list[Any] = []
    for point in reversed(points):
        if not kept or point.step < kept[-1].step:
            kept.append(point)
    return kept[::-1]
