"""Reduces tensors of one shape together: each operation costs more than its numbers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Larger tensors are not copied into a stack: that would take longer than it saves.
MAX_STACKED = 2**14


def reduce_in_stacks(
    function: Callable[[Any], Any],
    tensors: Sequence[Any],
    stack: Callable[[list[Any]], Any],
    concatenate: Callable[[list[Any]], Any],
) -> Any:
    """One number of each tensor: shape (tensors,).

    Args:
        function: of rows, shape (n, entries), to one number each.
        tensors: of any shapes.
        stack: the backend's own, as is `concatenate`.
    """
    groups: dict[Any, list[int]] = {}
    for place, tensor in enumerate(tensors):
        shape = tuple(tensor.shape)
        is_small = math.prod(shape) <= MAX_STACKED
        groups.setdefault((shape, tensor.dtype) if is_small else place, []).append(
            place
        )
    results = []
    for places in groups.values():
        rows = [tensors[place].reshape(-1) for place in places]
        results.append(function(stack(rows) if len(rows) > 1 else rows[0][None]))
    order = np.argsort([place for places in groups.values() for place in places])
    return concatenate(results)[order]
