"""The interface for TensorFlow, in which a step is a graph over variables."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf


def value(variable: Any) -> Any:
    # `keras.ops.convert_to_tensor` passes on the variable itself. A function that
    # captures it counts as its writer, and every later reader has to wait.
    return tf.convert_to_tensor(variable)


snapshot = value


def dense(gradient: Any, shape: Sequence[int]) -> Any:
    tensor = tf.convert_to_tensor(gradient)
    tensor.set_shape(shape)
    return tensor


def outside(tensor: Any) -> Any:
    return tensor


def trace_of(tensor: Any) -> Any:
    return None if tf.executing_eagerly() else tensor.graph


def numbers(tensor: Any) -> np.ndarray:
    return tensor.numpy()


# One op for each tensor, because copying many small ones into one takes longer.
_REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": tf.reduce_mean,
    "sum_of_squares": tf.nn.l2_loss,  # half the sum, without a tensor of the squares
    "max": tf.reduce_max,
    "min": tf.reduce_min,
}


def reduce(kind: str, tensors: Sequence[Any]) -> Any:
    numbers = _stacked([_REDUCTIONS[kind](tensor) for tensor in tensors])
    return 2 * numbers if kind == "sum_of_squares" else numbers


def of_each(function: Callable[[Any], Any], tensors: Sequence[Any]) -> Any:
    return tf.concat([function(tensor[None]) for tensor in tensors], axis=0)


def _stacked(scalars: Sequence[Any]) -> Any:
    wide = tf.float64 if any(s.dtype == tf.float64 for s in scalars) else tf.float32
    return tf.stack([s if s.dtype == wide else tf.cast(s, wide) for s in scalars])


def float_bits(tensor: Any) -> Any:
    return tf.bitcast(tensor, tf.int32)


def count(indices: Any, length: int) -> Any:
    counts = tf.raw_ops.DenseBincount(
        input=indices,
        size=length,
        weights=tf.zeros((0,), tf.int32),
        binary_output=False,
    )
    return tf.cast(counts, tf.float32)


def apart(function: Callable[[], Any]) -> Any:
    if tf.executing_eagerly():
        return function()
    # The graph optimizer merges repeated computations, and does not fuse an op with the
    # next one if its result has a second reader. It does not look into a function that
    # is not inlined.
    traced = tf.function(
        function, autograph=False, experimental_attributes={"_noinline": True}
    ).get_concrete_function()
    if not traced.outputs:
        return None
    # Called as an op, because TensorFlow keeps the gradient functions of other calls
    # for as long as the process lives.
    results = tf.raw_ops.StatefulPartitionedCall(
        args=traced.captured_inputs,
        Tout=[tensor.dtype for tensor in traced.outputs],
        f=traced,
    )
    results[0].set_shape(traced.outputs[0].shape)
    return results[0]


def must_recompute(tensor: Any) -> bool:
    return not tf.executing_eagerly()


def eagerly(function: Callable[[], Any]) -> Any:
    # A trace belongs to its thread; `tf.init_scope` would stop gradient tapes.
    with ThreadPoolExecutor(max_workers=1) as other:
        return other.submit(function).result()


def random_state_kept() -> AbstractContextManager:
    return nullcontext()


def slope(function: Callable[[Any], Any], tensor: Any) -> Any:
    tensor = tf.convert_to_tensor(tensor)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        values = function(tensor)
    return tape.gradient(
        values, tensor, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )


def is_pure(function: Callable[[Any], Any], shape: Sequence[int]) -> bool:
    spec = tf.TensorSpec(shape, tf.float32)
    traced = tf.function(function, autograph=False).get_concrete_function(spec)
    return not any(
        operation.op_def.is_stateful and operation.type != "ReadVariableOp"
        for operation in traced.graph.get_operations()
    )


def gradients(forward: Callable) -> list[Any]:
    run_eagerly = tf.config.functions_run_eagerly()
    # Otherwise, the computations of the user's own tf.function would be hidden.
    tf.config.run_functions_eagerly(True)
    try:
        with tf.GradientTape() as tape:
            scalar, tensors = forward(lambda tensor: _watch(tape, tensor))
        results = tape.gradient(scalar, tensors())
    finally:
        tf.config.run_functions_eagerly(run_eagerly)
    return [g if g is None else tf.convert_to_tensor(g) for g in results]


def _watch(tape: tf.GradientTape, tensor: Any) -> Any:
    if not (tf.executing_eagerly() and tensor.dtype.is_floating):
        return tensor
    # A separate tensor for each reader, so each has its own gradient.
    tensor = tf.identity(tensor)
    tape.watch(tensor)
    return tensor


def with_rows(outputs: Any, rows: Any) -> Any:
    return {"logs": outputs, "rows": rows}


def without_rows(outputs: Any) -> tuple[Any, Any, Any]:
    return outputs["logs"], outputs["logs"], outputs["rows"]


def next_batch(arguments: tuple) -> tuple:
    (iterator,) = arguments
    if not hasattr(iterator, "get_next_as_optional"):
        return (iter([next(iterator)]),)
    # If the size is known, a step that finds no batch would still count.
    batch = iterator.get_next_as_optional()
    if not batch.has_value():
        raise StopIteration
    return (iter([batch.get_value()]),)


def next_arguments(arguments: tuple, outputs: Any) -> tuple:
    return arguments


def can_look(model: Any) -> bool:
    return False


def held(model: Any, variable: Any) -> int:
    return int(value(variable))


# A user's tf.function converts the functions that it calls; ours need no conversion.
@tf.autograph.experimental.do_not_convert
def on_all_replicas(function: Callable[[tuple], Any], given: Any) -> Any:
    # Replicas trace their parts of a step in separate threads. Where they meet, the
    # tensors of all of them are available.
    strategy = tf.distribute.get_strategy()
    context = tf.distribute.get_replica_context()
    if context is None or strategy.num_replicas_in_sync == 1:
        return function((given,))

    def meet(strategy: Any, entries: Any) -> Any:
        return function(strategy.experimental_local_results(entries))

    return context.merge_call(meet, args=(given,))


def peek(arguments: tuple, count: int) -> tuple[Any, tuple]:
    (iterator,) = arguments
    if not isinstance(iterator, tf.data.Iterator):
        return None, arguments
    batch = next(iterator)
    batches = tf.data.Dataset.from_generator(
        # No more than are used, because tf.data fetches in advance.
        lambda: itertools.islice(itertools.chain([batch], iterator), count),
        output_signature=iterator.element_spec,
    )
    return batch, (iter(batches),)


def with_state(model: Any, arguments: tuple, function: Callable[[], None]) -> tuple:
    function()
    return arguments


def is_first_process() -> bool:
    return True  # Keras has no strategy of several processes


def where_needed(predicate: Any, compute: Callable[[], Any], otherwise: Any) -> Any:
    if tf.executing_eagerly():
        return compute() if predicate else otherwise
    return tf.where(predicate, _run_if(predicate, compute), otherwise)


def where_wanted(is_wanted: Any, make: Callable[[], Any]) -> Any:
    if tf.executing_eagerly():
        return make() if is_wanted else None
    return _run_if(is_wanted, make)


def _run_if(is_wanted: Any, make: Callable[[], Any]) -> Any:
    """Runs a function in a branch of the graph; the other branch returns zeros.

    A functional `If` always costs a few microseconds, however many tensors its branch
    takes. `tf.cond` becomes a switch for each of them.
    """
    then_branch = tf.function(make, autograph=False).get_concrete_function()
    inputs, outputs = then_branch.captured_inputs, then_branch.outputs
    else_branch = tf.function(
        lambda *inputs: [tf.zeros(t.shape, t.dtype) for t in outputs], autograph=False
    ).get_concrete_function(
        *(tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs)
    )
    results = tf.raw_ops.If(
        cond=is_wanted,
        input=inputs,
        Tout=[tensor.dtype for tensor in outputs],
        then_branch=then_branch,
        else_branch=else_branch,
    )
    if not outputs:
        return None
    results[0].set_shape(outputs[0].shape)
    return results[0]


class Ring:
    """A ring of rows that lives where the training step runs.

    The user's own step may be compiled, even with XLA, and may run a thousand times
    without Python. So the rows wait in a variable. Each row has its own number, because
    only the read of a single variable cannot fall between two writes.

    Args:
        width: the length of a row's vector.
        capacity: the number of rows that wait; the oldest is overwritten.

    Attributes:
        num_lost: the number of rows that were overwritten before they were read.
    """

    def __init__(self, width: int, capacity: int) -> None:
        self._capacity = capacity
        self.num_lost = 0
        self._num_read = 0
        with tf.init_scope():
            self._rows = tf.Variable(
                tf.fill((capacity, 3 + width), tf.constant(-1, tf.float64)),
                trainable=False,
                name="initkit_rows",
            )
            self._num_written = tf.Variable(
                0, dtype=tf.int64, trainable=False, name="initkit_rows_written"
            )

    def post(self, is_wanted: Any, make_row: Callable[[], Any]) -> None:
        if tf.executing_eagerly():
            if is_wanted:
                self._append(*make_row())
            return
        _run_if(is_wanted, lambda: self._append(*make_row()))

    def num_waiting(self) -> int:
        return int(self._num_written.numpy()) - self._num_read

    def read(self) -> list[tuple[int, bool, np.ndarray]]:
        if not self.num_waiting():
            return []
        rows = self._rows.numpy()
        rows = rows[rows[:, 0] >= self._num_read]
        rows = rows[np.argsort(rows[:, 0])]
        if len(rows):
            end = int(rows[-1, 0]) + 1
            self.num_lost += end - self._num_read - len(rows)
            self._num_read = end
        return [(int(row[1]), bool(row[2]), row[3:]) for row in rows]

    def _append(self, step: Any, skipped: Any, values: Any) -> None:
        number = self._num_written.read_value()
        head = [tf.cast(entry, tf.float64) for entry in (number, step, skipped)]
        row = tf.concat([tf.stack(head), tf.cast(values, tf.float64)], axis=0)
        self._rows.scatter_update(tf.IndexedSlices(row, number % self._capacity))
        self._num_written.assign_add(1, read_value=False)


def outbox(width: int, capacity: int) -> Ring:
    return Ring(width, capacity)
