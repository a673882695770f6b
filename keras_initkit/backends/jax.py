"""The interface for JAX, in which a step is one compiled function of its state."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_initkit.backends import keras_private
from keras_initkit.backends.stacks import in_stacks


def value(variable: Any) -> Any:
    return variable.value


def snapshot(variable: Any) -> Any:
    return variable.value


def dense(gradient: Any, shape: Sequence[int]) -> Any:
    return gradient.todense() if hasattr(gradient, "todense") else gradient


def outside(tensor: Any) -> Any:
    # Its tangent is zero, so JAX passes on the primal value, which belongs to the trace
    # around the differentiation.
    return jax.lax.stop_gradient(tensor)


def trace_of(tensor: Any) -> Any:
    return getattr(tensor, "_trace", None)


def numbers(tensor: Any) -> np.ndarray:
    if isinstance(tensor, jax.Array) and not tensor.is_fully_addressable:
        # Each process has all of a replicated array.
        tensor = tensor.addressable_data(0)
    return np.asarray(tensor)


_REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda rows: jnp.mean(rows, axis=1),
    "sum_of_squares": lambda rows: jnp.sum(jnp.square(rows), axis=1),
    "max": lambda rows: jnp.max(rows, axis=1),
    "min": lambda rows: jnp.min(rows, axis=1),
}


def reduce(kind: str, tensors: Sequence[Any]) -> Any:
    return of_each(
        lambda stack: _REDUCTIONS[kind](stack.reshape(len(stack), -1)), tensors
    )


def of_each(function: Callable[[Any], Any], tensors: Sequence[Any]) -> Any:
    return in_stacks(function, tensors, jnp.stack, jnp.concatenate)


def float_bits(tensor: Any) -> Any:
    return jax.lax.bitcast_convert_type(tensor, jnp.int32)


def count(indices: Any, length: int) -> Any:
    return jnp.bincount(indices, length=length).astype("float32")


def apart(function: Callable[[], Any]) -> Any:
    return function()


def must_recompute(tensor: Any) -> bool:
    return False


def eagerly(function: Callable[[], Any]) -> Any:
    # A trace belongs to its thread.
    with ThreadPoolExecutor(max_workers=1) as other:
        return other.submit(function).result()


def random_state_kept() -> AbstractContextManager:
    return nullcontext()


def slope(function: Callable[[Any], Any], tensor: Any) -> Any:
    return jax.grad(lambda x: jnp.sum(function(x)))(jnp.asarray(tensor))


def is_pure(function: Callable[[Any], Any], shape: Sequence[int]) -> bool:
    """Whatever it assigns stays in the scope, even the state of a draw."""
    spec = jax.ShapeDtypeStruct(tuple(shape), jnp.float32)
    with keras.StatelessScope() as scope:
        jaxpr = jax.make_jaxpr(function)(spec)
    is_silent = not jaxpr.effects and "random" not in str(jaxpr)
    return is_silent and not scope.state_mapping


def gradients(forward: Callable) -> list[Any]:
    cotangents: dict[int, Any] = {}
    places: dict[int, int] = {}
    alive: list[Any] = []  # Python reuses the ids of dead objects

    def run(zero: Any) -> Any:
        def watch(tensor: Any) -> Any:
            if not jnp.issubdtype(tensor.dtype, jnp.floating):
                return tensor
            # JAX differentiates whatever depends on the zero, and notes its cotangent.
            tensor = _tap(len(alive), cotangents, tensor + zero.astype(tensor.dtype))
            places[id(tensor)] = len(alive)
            alive.append(tensor)
            return tensor

        # Whatever the layers assign stays in the scope.
        with keras.StatelessScope(collect_losses=True):
            scalar, tensors = forward(watch)
            listed.extend(tensors())
        return scalar

    listed: list[Any] = []
    jax.grad(run)(jnp.zeros(()))
    return [cotangents.get(places.get(id(tensor), -1)) for tensor in listed]


def _tap(place: int, cotangents: dict[int, Any], tensor: Any) -> Any:
    """The tensor itself; notes its cotangent once that is known."""

    @jax.custom_vjp
    def identity(x: Any) -> Any:
        return x

    def backward(_: Any, cotangent: Any) -> tuple[Any]:
        cotangents[place] = cotangent
        return (cotangent,)

    identity.defvjp(lambda x: (x, None), backward)
    return identity(tensor)


def with_rows(outputs: Any, rows: Any) -> Any:
    logs, state = outputs
    return {"logs": logs, "rows": rows}, state


def without_rows(outputs: Any) -> tuple[Any, Any, Any]:
    together, state = outputs
    return (together["logs"], state), together["logs"], together["rows"]


def next_batch(arguments: tuple) -> tuple:
    state, iterator = arguments
    return state, iter([next(iterator)])


def next_arguments(arguments: tuple, outputs: Any) -> tuple:
    _, state = outputs
    return (state, *arguments[1:])


def can_look(model: Any) -> bool:
    return keras_private.jax_state_is_synced(model)


def held(model: Any, variable: Any) -> int:
    return int(keras_private.held_by_jax(model, variable))


def on_all_replicas(function: Callable[[tuple], Any], given: Any) -> Any:
    return function((given,))


def peek(arguments: tuple, count: int) -> tuple[Any, tuple]:
    state, iterator = arguments
    batch = next(iterator)
    return batch, (state, itertools.chain([batch], iterator))


def with_state(model: Any, arguments: tuple, function: Callable[[], None]) -> tuple:
    state, *rest = arguments
    keras_private.put_jax_state(model, state)
    function()
    return (keras_private.take_jax_state(model), *rest)


def is_first_process() -> bool:
    return jax.process_index() == 0


def where_needed(predicate: Any, compute: Callable[[], Any], otherwise: Any) -> Any:
    return jax.lax.cond(predicate, compute, lambda: otherwise)


def where_wanted(is_wanted: Any, make: Callable[[], Any]) -> Any:
    if not isinstance(is_wanted, jax.core.Tracer):
        return make() if bool(is_wanted) else None
    shape = jax.eval_shape(make)
    return jax.lax.cond(is_wanted, make, lambda: jnp.zeros(shape.shape, shape.dtype))


class Rows:
    """Rows of steps, compiled or not: each calls the host."""

    def __init__(self) -> None:
        self.num_lost = 0
        self._rows: list[tuple[int, bool, np.ndarray]] = []

    def post(self, is_wanted: Any, make_row: Callable[[], Any]) -> None:
        if isinstance(is_wanted, jax.core.Tracer):

            def call_host() -> None:
                jax.debug.callback(self._keep, *make_row())

            jax.lax.cond(is_wanted, call_host, lambda: None)
        elif bool(is_wanted):
            self._keep(*make_row())

    def num_waiting(self) -> int:
        return len(self._rows)

    def read(self) -> list[tuple[int, bool, np.ndarray]]:
        jax.effects_barrier()
        rows, self._rows = self._rows, []
        return rows

    def _keep(self, step: Any, skipped: Any, values: Any) -> None:
        self._rows.append((int(step), bool(skipped), np.asarray(values, "float64")))


def outbox(width: int, capacity: int) -> Rows:
    return Rows()
