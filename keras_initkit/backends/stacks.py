"""Takes tensors of one shape together: each operation costs more than its numbers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Larger tensors are not copied into a stack: that would take longer than it saves.
MAX_STACKED = 2**14


def in_stacks(
    function: Callable[[Any], Any],
    tensors: Sequence[Any],
    stack: Callable[[list[Any]], Any],
    concatenate: Callable[[list[Any]], Any],
) -> Any:
    """What a function makes of each tensor: shape (tensors, ...).

    Args:
        function: of tensors of one shape, shape (n, ...), to n results.
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
        group = [tensors[place] for place in places]
        results.append(function(stack(group) if len(group) > 1 else group[0][None]))
    order = [place for places in groups.values() for place in places]
    together = concatenate(results) if len(results) > 1 else results[0]
    return together if order == sorted(order) else together[np.argsort(order)]
