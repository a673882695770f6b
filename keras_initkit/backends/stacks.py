"""Stacks tensors of one shape, because each operation has a fixed cost."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Larger tensors are not copied into a stack, which would take longer than it saves.
MAX_STACKED = 2**14


def in_stacks(
    function: Callable[[Any], Any],
    tensors: Sequence[Any],
    stack: Callable[[list[Any]], Any],
    concatenate: Callable[[list[Any]], Any],
) -> Any:
    """The results of a function for each tensor: shape (tensors, ...).

    Args:
        function: takes n tensors of one shape, shape (n, ...), and returns n results.
        tensors: of any shapes.
        stack: the backend's function, like `concatenate`.
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
