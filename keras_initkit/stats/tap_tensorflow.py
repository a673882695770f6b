"""What the tap needs of TensorFlow: a ring of rows in the graph, and a cheap `if`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


class Ring:
    """A ring buffer of rows that lives where the training step runs.

    A row is float64, which holds any float32 statistic, and any step below 2**53,
    exactly. It carries its own number and its step, because the read of one variable
    is the only read that cannot fall between two writes.

    Args:
        capacity: number of rows kept; the oldest is overwritten.
        width: number of values in a row.
    """

    def __init__(self, capacity: int, width: int) -> None:
        self.capacity = capacity
        with tf.init_scope():
            self._rows = tf.Variable(
                tf.fill((capacity, 2 + width), tf.constant(-1, tf.float64)),
                trainable=False,
                name="initkit_rows",
            )
            self._written = tf.Variable(
                0, dtype=tf.int64, trainable=False, name="initkit_rows_written"
            )

    def append(self, step: Any, values: Any) -> None:
        """Writes, in the graph, a row: its number, its step, its (width,) values."""
        number = self._written.read_value()
        head = tf.stack([tf.cast(number, tf.float64), tf.cast(step, tf.float64)])
        row = tf.concat([head, values], axis=0)
        self._rows.scatter_update(tf.IndexedSlices(row, number % self.capacity))
        self._written.assign_add(1)

    def read(self) -> np.ndarray:
        """One transfer of all slots: (capacity, 2 + width); number -1 where empty."""
        return self._rows.numpy()


def run_if(predicate: Any, body: Callable[[], None]) -> None:
    """Runs `body` in the graph where the predicate is true; nothing elsewhere."""
    _if(predicate, body, lambda *inputs: None, [])


def vector_if(predicate: Any, body: Callable[[], Any], size: int) -> Any:
    """The float64 vector that `body` returns where the predicate is true; else zeros.

    Args:
        predicate: boolean scalar tensor.
        body: function of nothing to a float64 tensor of shape (size,).
        size: length of the vector.
    """
    return _if(
        predicate, body, lambda *inputs: tf.zeros((size,), tf.float64), [tf.float64]
    )


def _if(
    predicate: Any, body: Callable[[], Any], otherwise: Callable[..., Any], dtypes: list
) -> Any:
    """`tf.cond` as a single op.

    `tf.cond` is lowered to a Switch for every tensor and every variable that its
    branches use, and each of them is paid for on every step. The functional `If` costs
    the same few microseconds however many it takes.
    """
    if tf.executing_eagerly():
        return body() if predicate else otherwise()
    then_branch = tf.function(body, autograph=False).get_concrete_function()
    inputs = then_branch.captured_inputs
    else_branch = tf.function(otherwise, autograph=False).get_concrete_function(
        *(tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs)
    )
    outputs = tf.raw_ops.If(
        cond=predicate,
        input=inputs,
        Tout=dtypes,
        then_branch=then_branch,
        else_branch=else_branch,
    )
    return outputs[0] if dtypes else None


def value(variable: Any) -> Any:
    """What a Keras variable holds now, as a tensor; a tensor is returned as it is.

    `keras.ops.convert_to_tensor` hands on the variable itself. A branch that captures
    one counts as its writer, and whoever reads the variable later has to wait for it.
    """
    return tf.convert_to_tensor(variable)


def sum_of_squares(tensor: Any) -> Any:
    """The sum of the squares of all entries, without a tensor of the squares."""
    return 2 * tf.nn.l2_loss(tensor)


def dense(gradient: Any) -> Any:
    """The gradient as a tensor; rows of `IndexedSlices` that occur twice are added."""
    return tf.convert_to_tensor(gradient)
