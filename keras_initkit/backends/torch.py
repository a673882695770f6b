"""The interface for PyTorch, in which every step runs op by op."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import torch

from keras_initkit.backends.stacks import in_stacks

SHORTEST_CHUNK, LONGEST_CHUNK = 32, 1024  # entries to sum one by one


def value(variable: Any) -> Any:
    return variable.value.detach()


def snapshot(variable: Any) -> Any:
    return variable.value.detach().clone()


def dense(gradient: Any, shape: Sequence[int]) -> Any:
    return gradient.detach().to_dense() if gradient.is_sparse else gradient.detach()


def outside(tensor: Any) -> Any:
    return tensor.detach()


def trace_of(tensor: Any) -> Any:
    return None


def numbers(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _sums_of_squares(rows: Any) -> Any:
    # `vector_norm` makes no tensor of the squares, but adds them one by one, which is
    # exact enough for short chunks.
    chunk = math.gcd(rows.shape[1], LONGEST_CHUNK)
    if chunk < SHORTEST_CHUNK:
        return rows.square().sum(1)
    chunks = rows.unflatten(1, (-1, chunk))
    return torch.linalg.vector_norm(chunks, dim=2).square().sum(1)


_REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda rows: rows.mean(1),
    "sum_of_squares": _sums_of_squares,
    "max": lambda rows: rows.amax(1),
    "min": lambda rows: rows.amin(1),
}


def reduce(kind: str, tensors: Sequence[Any]) -> Any:
    return of_each(
        lambda stack: _REDUCTIONS[kind](stack.reshape(len(stack), -1)), tensors
    )


def of_each(function: Callable[[Any], Any], tensors: Sequence[Any]) -> Any:
    return in_stacks(function, tensors, torch.stack, torch.cat)


def float_bits(tensor: Any) -> Any:
    return tensor.contiguous().view(torch.int32)


def count(indices: Any, length: int) -> Any:
    return torch.bincount(indices, minlength=length).to(torch.float32)


def apart(function: Callable[[], Any]) -> Any:
    with torch.no_grad():
        return function()


def must_recompute(tensor: Any) -> bool:
    return False


def eagerly(function: Callable[[], Any]) -> Any:
    return function()


def slope(function: Callable[[Any], Any], tensor: Any) -> Any:
    with torch.enable_grad():
        tensor = torch.as_tensor(tensor).detach().requires_grad_()
        values = function(tensor)
        if not values.requires_grad:
            return torch.zeros_like(tensor)
        (result,) = torch.autograd.grad(values.sum(), tensor, allow_unused=True)
    return torch.zeros_like(tensor) if result is None else result


def is_pure(function: Callable[[Any], Any], shape: Sequence[int]) -> bool:
    """Compares two calls, and the state of PyTorch's generator around them."""
    point = torch.linspace(-1, 1, int(np.prod(shape))).reshape(tuple(shape))
    # Whatever is assigned in the scope stays there, even Keras's own seeds.
    with random_state_kept(), keras.StatelessScope(), torch.no_grad():
        before = torch.get_rng_state()
        first, second = function(point), function(point)
        is_silent = torch.equal(before, torch.get_rng_state())
    return is_silent and torch.equal(first, second)


def gradients(forward: Callable) -> list[Any]:
    watched: dict[int, Any] = {}

    def watch(tensor: Any) -> Any:
        if not tensor.is_floating_point():
            return tensor
        # A separate tensor for each reader, so each has its own gradient.
        tensor = tensor.clone() if tensor.requires_grad else tensor.detach().clone()
        if not tensor.requires_grad:
            tensor.requires_grad_()
        watched[id(tensor)] = tensor
        return tensor

    with torch.enable_grad():
        scalar, tensors = forward(watch)
        listed = list(tensors())
        results: list[Any] = [None] * len(listed)
        places = [i for i, tensor in enumerate(listed) if id(tensor) in watched]
        if places and scalar.requires_grad:
            found = torch.autograd.grad(
                scalar, [listed[i] for i in places], allow_unused=True
            )
            for place, gradient in zip(places, found, strict=True):
                results[place] = gradient
    return results


def random_state_kept() -> AbstractContextManager:
    # Keras uses it for dropout without a seed.
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def with_rows(outputs: Any, rows: Any) -> Any:
    return {"logs": outputs, "rows": rows}


def without_rows(outputs: Any) -> tuple[Any, Any, Any]:
    return outputs["logs"], outputs["logs"], outputs["rows"]


def next_batch(arguments: tuple) -> tuple:
    return arguments  # Keras has one step in each execution


def next_arguments(arguments: tuple, outputs: Any) -> tuple:
    return arguments


def can_look(model: Any) -> bool:
    return not torch.cuda.is_available()


def held(model: Any, variable: Any) -> int:
    return int(variable.value)


def on_all_replicas(function: Callable[[tuple], Any], given: Any) -> Any:
    return function((given,))


def peek(arguments: tuple, count: int) -> tuple[Any, tuple]:
    (batches,) = arguments
    return batches[0], arguments


def with_state(model: Any, arguments: tuple, function: Callable[[], None]) -> tuple:
    function()
    return arguments


def is_first_process() -> bool:
    distributed = torch.distributed
    return not (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_rank()
    )


def where_needed(predicate: Any, compute: Callable[[], Any], otherwise: Any) -> Any:
    return compute() if bool(predicate) else otherwise


def where_wanted(is_wanted: Any, make: Callable[[], Any]) -> Any:
    return make() if bool(is_wanted) else None


class Rows:
    """Rows of steps that run op by op, which are available at once."""

    def __init__(self) -> None:
        self.num_lost = 0
        self._rows: list[tuple] = []

    def post(self, is_wanted: Any, make_row: Callable[[], Any]) -> None:
        if bool(is_wanted):
            self._rows.append(make_row())

    def num_waiting(self) -> int:
        return len(self._rows)

    def read(self) -> list[tuple[int, bool, np.ndarray]]:
        rows, self._rows = self._rows, []
        return [(int(n), bool(s), numbers(row).astype("float64")) for n, s, row in rows]


def outbox(width: int, capacity: int) -> Rows:
    return Rows()
