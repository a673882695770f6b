"""Layer statistics in a training loop of the user's own, which calls no callback."""

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

# Nobody says when a step begins: rows are looked for so often, in seconds.
POLL_SECS = 0.05


@contextlib.contextmanager
def layer_stats(
    model: keras.Model,
    log_dir: str | PathLike[str] | None = "logs",
    optimizer: Any = None,
    **options: Any,
) -> Iterator[LayerStatsCallback]:
    """Records as `LayerStatsCallback` does, in a training loop of your own.

    Within it, what passes through `optimizer.apply`, `apply_gradients` or
    `stateless_apply` is recorded: that of `model.train_on_batch`, of a loop that runs
    op by op, and of a `tf.function` or `jax.jit` that is traced within, which means
    called for the first time. Of the forward pass something is known only if it is in
    the same function as the optimizer. Afterwards nothing is left on the model or the
    optimizer; a function that was traced within goes on to compute its rows, which
    nobody reads.

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

    Several networks that are trained together, as the two of a GAN, each have their own
    `with layer_stats(...)`. In one `log_dir`, the run of a model to which you gave a
    name is `layer_stats/<name>`.

    A thread fetches the rows, 20 times a second. In a graph of TensorFlow's, 256 of
    them wait for it; if it comes too late, that is logged.

    Args:
        model: a `keras.Model`.
        log_dir: as in `LayerStatsCallback`.
        optimizer: the Keras optimizer of the loop; without it the one that the model is
            compiled with.
        **options: the other arguments of `LayerStatsCallback`; an `update_freq` of
            `"epoch"` is not possible, as there are no epochs, and `"auto"` is every
            50th step, as nobody tells when a step begins.

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
            expected = "a number of steps: a training loop of your own has no epochs"
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
                "first time within `with layer_stats(...)`.",
                last - first,
            )
        elif session.num_rows and not _has_gradients(callback.history):
            log.warning(
                "keras_initkit: no gradient of model %r was recorded: in none of the "
                "recorded steps was the optimizer applied to its variables. Give "
                "`layer_stats` the optimizer that trains this model.",
                model.name,
            )


def _has_gradients(history: History) -> bool:
    """Whether there is any; also if none was to be recorded."""
    keys = [key for key in history if key.startswith("gradient_")]
    return not keys or not all(np.isnan(history[key]).all() for key in keys)
