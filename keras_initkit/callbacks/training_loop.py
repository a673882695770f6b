"""Layer statistics in the user's own training loop, which calls no callback."""

import contextlib
from collections.abc import Iterator
from os import PathLike
from typing import Any

import keras
import numpy as np

from keras_initkit import arguments
from keras_initkit.callbacks.layer_stats import LayerStatsCallback
from keras_initkit.callbacks.recorder import RUN_NAME, log
from keras_initkit.kernels.names import given_name
from keras_initkit.stats.history import History
from keras_initkit.stats.loop import recorded_loop

# Seconds between two looks for rows, because nothing tells when a step begins.
POLL_SECS = 0.05


@contextlib.contextmanager
def layer_stats(
    model: keras.Model,
    log_dir: str | PathLike[str] | None = "logs",
    optimizer: Any = None,
    **options: Any,
) -> Iterator[LayerStatsCallback]:
    """Records the same as `LayerStatsCallback`, in your own training loop.

    Inside the `with` block, it records every call of `optimizer.apply`,
    `apply_gradients` or `stateless_apply`: in `model.train_on_batch`, in a loop that
    runs op by op, and in a `tf.function` or `jax.jit` that you call for the first time
    inside the block. It can measure the forward pass only if that is in the same
    function as the optimizer. Afterward, nothing is left on the model or the optimizer.
    A function that was traced inside still computes its rows, which nothing reads.

    Examples:

    >>> with layer_stats(model, "logs", warmup_steps=0, update_freq=10) as stats:
    ...     for _ in range(30):
    ...         _ = model.train_on_batch(x, y)
    >>> stats.history["gradient_variance"].shape  # (steps, layers)
    (3, 3)

    With TensorFlow and a loop from scratch:

    ```python
    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_function(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    with layer_stats(model, "logs", optimizer):
        for x, y in dataset:
            train_step(x, y)
    ```

    If you train several networks together, as in a GAN, give each its own
    `with layer_stats(...)`. In one `log_dir`, the run of a model that you named is
    `layer_stats/<name>`.

    A thread fetches the rows 20 times per second. In a TensorFlow graph, up to 256 rows
    wait for it. If it comes too late, this is logged.

    Args:
        model: a `keras.Model`.
        log_dir: as in `LayerStatsCallback`.
        optimizer: the Keras optimizer of the loop. By default the one that the model is
            compiled with.
        **options: the other arguments of `LayerStatsCallback`. An `update_freq` of
            `"epoch"` is not possible, because there are no epochs. `"auto"` is every
            50th step, because nothing tells how long a step takes.

    Yields:
        A `LayerStatsCallback`, with `history` and so on.

    Raises:
        ValueError: if an argument is wrong, there is no optimizer, `log_dir` cannot be
            written or the model has no trainable kernel.
    """
    arguments.instance("model", model, keras.Model, "a `keras.Model`")
    for name in ("update_freq", "histogram_steps"):
        given = options.get(name)
        if isinstance(given, str) and given == "epoch":
            expected = "a number of steps: your own training loop has no epochs"
            raise arguments.error(name, given, expected)
    callback = LayerStatsCallback(log_dir, **options)
    callback.set_model(model)
    given = given_name(model)
    session = callback.begin(
        model,
        optimizer=optimizer,
        poll_secs=POLL_SECS,
        run_name=f"{RUN_NAME}/{given}" if given else RUN_NAME,
    )
    iterations = session.plan.optimizer.iterations
    first = int(iterations)
    callback.note_weights()
    try:
        with recorded_loop(model, session):
            yield callback
    finally:
        last = int(iterations)
        callback.note_weights()
        callback.end()
        if last > first and not session.num_rows and not session.faults:
            log.warning(
                "keras_initkit: nothing was recorded in %d steps of layer_stats: the "
                "tf.function of the training step was traced before. Call it for the "
                "first time inside `with layer_stats(...)`.",
                last - first,
            )
        elif session.num_rows and not _has_gradients(callback.history):
            log.warning(
                "keras_initkit: no gradient of model %r was recorded: the optimizer "
                "was not applied to its variables in any recorded step. Pass the "
                "optimizer that trains this model to `layer_stats`.",
                model.name,
            )


def _has_gradients(history: History) -> bool:
    """Tells whether there is a gradient, or none was asked for."""
    keys = [key for key in history if key.startswith("gradient_")]
    return not keys or not all(np.isnan(history[key]).all() for key in keys)
