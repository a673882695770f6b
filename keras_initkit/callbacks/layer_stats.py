"""The callback that logs the statistics of every layer's weights and gradients."""

import os
import time
import warnings
import weakref
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from keras_initkit.stats.history import History
from keras_initkit.stats.kernels import layer_table
from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.tap import KEYS, Tap
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter

RUN_NAME = "layer_stats"
FLUSH_SECONDS = 2.0


class LayerStatsCallback(keras.callbacks.Callback):
    """Logs weight and gradient statistics of every layer to TensorBoard.

    The gradients are the ones that the optimizer is given in training: of the training
    mini-batch, in training mode, divided by the loss scale if there is one, before
    clipping and weight decay; under gradient accumulation those of each micro-batch.
    They are measured inside the compiled training step. There is no second forward or
    backward pass, a step that is not recorded computes nothing, and the training is
    bit-identical to one without the callback. (XLA may fuse a step differently when it
    has to hand out a gradient: with `jit_compile=True`, BatchNormalization and
    `include_biases=True`, last bits were seen to differ.)

    Recorded for every trainable kernel (a trainable variable of two or more axes), over
    all of its entries, in float32 or wider:

    | key | what it holds | unit | range |
    |---|---|---|---|
    | `weight_mean` | mean of the weights before the update | weight | any |
    | `weight_variance` | their population variance | weight^2 | >= 0 |
    | `weight_l2_norm` | square root of their sum of squares | weight | >= 0 |
    | `gradient_mean` | mean of the gradient | loss / weight | any |
    | `gradient_variance` | its population variance | (loss / weight)^2 | >= 0 |
    | `gradient_l2_norm` | square root of its sum of squares | loss / weight | >= 0 |

    A variable that gets no gradient has NaN in the gradient's statistics. While
    gradients are accumulated, or steps skipped by a `LossScaleOptimizer`,
    `optimizer.iterations` stands still, and several records have the same step. Under a
    `tf.distribute` strategy each replica records a row of its own: its gradient before
    the average is taken.

    TensorBoard shows `weight_variance/<number>_<layer>` and
    `gradient_variance/<number>_<layer>` as scalars, with the layers numbered in the
    order of execution (in subclassed models, of their making), and a table of the
    layers as text, in the run `<log_dir>/layer_stats`. Each statistic is there also as
    one vector over the layers for each step, `initkit/<key>`. The time of an event is
    that of its writing, at most a few seconds after its step.

    The callback can be used in several calls of `fit`: with the same optimizer, history
    and run go on; with another model, or after it was compiled with a new optimizer,
    whose steps begin at 0, both begin anew, the run as `<log_dir>/layer_stats_2` and so
    on.

    Example:

    ```python
    callback = LayerStatsCallback("logs")
    model.fit(x_train, y_train, callbacks=[callback])
    callback.history["gradient_variance"]  # array of shape (steps, layers)
    # Then: tensorboard --logdir logs
    ```

    Args:
        log_dir: directory for TensorBoard; give each training run one of its own.
        update_freq: `"batch"`, `"epoch"` or an integer. With an integer, the steps that
            it divides are recorded; `"batch"` is the same as 1; with `"epoch"` it is
            the first step of each epoch. A step is the value of
            `optimizer.iterations` before the update, so that steps go on across calls
            of `fit` and resumed runs.
        warmup_steps: integer >= 0. So many first steps of the optimizer are all
            recorded, because initialization shows there.
        include_biases: whether the other trainable variables (biases, scales) are
            recorded too.

    Attributes:
        history: `keras_initkit.stats.history.History` of what was recorded so far.
            `history["gradient_variance"]` is a numpy array of shape (steps, layers),
            with `history.steps` and `history.layers`; `history.to_csv(path)` and
            `history.plot(statistic)` go with it.

    Raises:
        ValueError: before the first step, if an argument is wrong, `log_dir` cannot be
            written, the model is not compiled, or it has no trainable kernel.
    """

    def __init__(
        self,
        log_dir: str | PathLike[str] = "logs",
        update_freq: int | str = 50,
        warmup_steps: int = 20,
        include_biases: bool = False,
    ) -> None:
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.include_biases = include_biases
        self._schedule = Schedule(update_freq, warmup_steps)
        self._history = History()
        self._tap: Any = None
        self._file: Any = None
        self._writer: Any = None
        self._optimizer_of_run: Any = None
        self._runs = 0
        self._last_flush = 0.0
        self._warned = False

    @property
    def history(self) -> History:
        """What was recorded so far, up to the last step."""
        if self._tap is not None:
            self._flush()
        return self._history

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._close()
        tap = Tap(self.model, self._schedule, self.include_biases)
        tap.attach(fit=self.params)
        self._tap = tap
        self._continue_or_begin_run()
        try:
            self._file = EventFile(self._run_directory())
        except OSError as error:
            self._close()
            raise ValueError(
                "Argument `log_dir` must be a directory that can be written "
                f"({error.strerror}). Received: log_dir={self.log_dir!r}"
            ) from error

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._tap.mark_epoch()

    # At the beginning of a batch: for what happens at its end, Keras has to choose
    # between waiting for every step and calling us from another thread.
    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        overdue = time.monotonic() - self._last_flush > FLUSH_SECONDS
        if self._tap.must_read() or overdue:
            self._flush()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._close()

    def _continue_or_begin_run(self) -> None:
        optimizer = self.model.optimizer
        same = self._optimizer_of_run is not None and (
            self._optimizer_of_run() is optimizer
        )
        if not (same and self._history.layers in ([], self._tap.layers)):
            self._optimizer_of_run = weakref.ref(optimizer)
            self._history = History()
            self._runs += 1

    def _run_directory(self) -> Path:
        suffix = f"_{self._runs}" if self._runs > 1 else ""
        return Path(self.log_dir, RUN_NAME + suffix)

    def _flush(self) -> None:
        """Moves the rows that are waiting in the graph to the history and the file."""
        self._last_flush = time.monotonic()
        records = self._tap.read()
        if not len(records.steps):
            return
        if not self._history.layers:
            self._history = History(self._tap.layers, KEYS)
        self._history.append(records)
        if self._file is None:
            return
        try:
            if self._writer is None:
                table = layer_table(self._tap.variables)
                self._writer = LayerStatsWriter(
                    self._file, KEYS, self._tap.layers, table
                )
            self._writer.write(records)
        except OSError as error:
            self._warn_once(error)

    def _warn_once(self, error: OSError) -> None:
        """A full disk must not stop the training, and must not be hidden either."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                "LayerStatsCallback could not write to "
                f"{os.fspath(self._file.path)!r} ({error.strerror}). The training and "
                "`callback.history` go on.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _close(self) -> None:
        """Leaves nothing behind: reads the last rows, unhooks, closes the file."""
        if self._tap is not None:
            self._flush()
            self._tap.detach()
        if self._file is not None:
            self._file.close()
        self._tap = self._file = self._writer = None
