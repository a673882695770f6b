"""The callback that logs the statistics of every layer's weights and gradients."""

import functools
import os
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import keras
import numpy as np

from keras_initkit import arguments
from keras_initkit.callbacks.recorder import RUN_NAME, Recorder, log
from keras_initkit.callbacks.watch import Watch
from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.diagnosis.finding import CRITICAL, WARNING, Finding
from keras_initkit.kernels.selection import Selector, check_selectors
from keras_initkit.stats.history import History, Record
from keras_initkit.stats.overhead import Overhead
from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.session import Session
from keras_initkit.stats.statistics import DEFAULT, Measure, Statistics
from keras_initkit.stats.train_functions import TrainFunctions
from keras_initkit.tensorboard.local_directory import local_directory
from keras_initkit.tensorboard.thinning import is_kept

# TensorBoard keeps ten pictures per run.
MAX_PICTURES = 16


class LayerStatsCallback(keras.callbacks.Callback):
    """Logs weight, gradient and activation statistics of every layer to TensorBoard.

    The gradients are those that the optimizer gets: of the training mini-batch, in
    training mode, without the loss scale, before clipping and weight decay. The
    callback measures them inside the compiled training step. The training is
    bit-identical to one without the callback. `docs/statistics.md` lists all statistics
    and their keys, what each TensorBoard tab shows, and the limits.

    Examples:

    >>> callback = LayerStatsCallback("logs")
    >>> _ = model.fit(x, y, callbacks=[callback], verbose=0)
    >>> callback.history["gradient_variance"].shape  # (steps, layers)
    (20, 3)

    Then: `tensorboard --logdir logs`.

    Args:
        log_dir: directory for TensorBoard; use a separate one for each training run.
            With None, nothing is written, and only the history is kept.
        update_freq: `"auto"`, `"batch"`, `"epoch"` or an integer. `"auto"` records
            every 50th step, or fewer if `max_overhead` requires it. An integer n
            records every n-th step. `"batch"` is the same as 1. `"epoch"` records the
            first step of each epoch. A step is the value of `optimizer.iterations`
            before the update, so steps continue across calls of `fit` and resumed runs.
        warmup_steps: integer >= 0. All of the optimizer's first steps, up to this
            number, are recorded, because initialization shows there.
        statistics: a list of names: `"mean"`, `"variance"` and `"l2_norm"` (the
            default), `"max_abs"`, `"zero_fraction"` and `"nonfinite_count"` each stand
            for the two keys `weight_<name>` and `gradient_<name>`, which you can also
            name alone; `"update_ratio"`, `"pre_activation_mean"`,
            `"pre_activation_variance"`, `"activation_mean"`, `"activation_variance"`,
            `"dead_fraction"`, `"saturated_fraction"`, `"duplicate_fraction"`. The list
            may also have your own functions, which take one tensor, return a scalar,
            and use `keras.ops`. They are applied to weights and gradients and recorded
            as `weight_<function's name>` and `gradient_<function's name>`, with NaN for
            a layer that they cannot measure. Or `"all"`: everything that has a name.
        histogram_steps: like `update_freq`, for histograms of weights, gradients and
            pre-activations, without warm-up; 0 for none.
        layers: the layers to record: a pattern, as for file names, of the layer's name
            or path (`"dense_*"`), a layer or a layer class, a function from a layer to
            a bool, or a list of these. In a list, one must match the layer or a layer
            that contains it. None for all.
        include_biases: whether to also record the other trainable variables (biases,
            scales).
        on_record: a function that is called with each record, in the order of the
            steps, up to `flush_secs` after its step, and maybe from another thread:
            `record.step`, `record.skipped`, `record.loss`, `record.learning_rate`,
            `record.layers` and `record.statistics[key]`, an array of shape (layers,).
            If it raises an exception, this is logged once and training continues.
        max_overhead: the largest share of the training time that recording may take,
            for `update_freq="auto"`. Once in each `fit`, the callback compares the
            times of recorded steps with those of others. If recording takes more, it
            records fewer steps and logs this. It measures nothing if Keras takes
            several steps in one execution. Pictures keep to the same share.
        flush_secs: the longest time, in seconds, until a record is in the event file.
            There it survives even if the process is killed.
        on_finding: a function that is called with each new `Finding`, maybe from
            another thread. If it raises an exception, this is logged and training
            continues.
        stop_on: `"critical"` ends a hopeless training, and `"warning"` one with any
            finding, through `model.stop_training`. With None, the callback ends no
            training.

    Attributes:
        history: the `keras_initkit.stats.history.History` of the records so far.
            `history["gradient_variance"]` is a numpy array of shape (steps, layers),
            with `history.steps`, `.losses`, `.learning_rates`, `.skipped`, `.layers`;
            `history.plot(statistic, over="steps")`, `history.to_pandas()` and
            `history.to_csv(path)` show and convert it.
        findings: a list of `Finding`, the root cause first: `finding.problem`,
            `.layers`, `.since`, `.severity`, `.evidence`, `.cause`, `.fix`. Each is
            logged once, as soon as it is certain. `print(callback.diagnosis())` shows
            them all.
        interval: the current number of steps from one record to the next; None for
            `"epoch"`. TensorBoard shows it as `recording/interval`.

    Raises:
        ValueError: before the first step, if an argument is wrong, `log_dir` cannot be
            written, the model is not compiled or has no trainable kernel, or a function
            in `statistics` can measure no kernel.
    """

    # It does nothing at the end of a batch: for that, Keras would wait for every step.
    def __init__(
        self,
        log_dir: str | PathLike[str] | None = "logs",
        update_freq: int | str = "auto",
        warmup_steps: int = 20,
        statistics: str | Measure | Sequence[Measure] = DEFAULT,
        histogram_steps: int | str = 0,
        layers: Selector | Sequence[Selector] | None = None,
        include_biases: bool = False,
        on_record: Callable[[Record], Any] | None = None,
        max_overhead: float = 0.02,
        flush_secs: float = 2.0,
        on_finding: Callable[[Finding], Any] | None = None,
        stop_on: str | None = None,
    ) -> None:
        super().__init__()
        self._arguments = {
            k: v for k, v in locals().items() if k not in ("self", "__class__")
        }
        directory = None if log_dir is None else local_directory(log_dir)
        self.log_dir = None if log_dir is None else os.fspath(log_dir)
        self._schedule = Schedule(update_freq, warmup_steps)
        self._statistics = Statistics(statistics)
        self._histograms = None
        if not _is_zero(histogram_steps):
            self._histograms = Schedule(histogram_steps, name="histogram_steps")
        check_selectors(layers)
        self._layers = layers
        self.include_biases = arguments.flag("include_biases", include_biases)
        if on_record is not None and not callable(on_record):
            raise arguments.error("on_record", on_record, "a function of one record")
        if on_finding is not None and not callable(on_finding):
            raise arguments.error("on_finding", on_finding, "a function of one finding")
        if stop_on is not None:
            arguments.choice("stop_on", stop_on, [CRITICAL, WARNING])
        self._watch_arguments = on_finding, stop_on
        self._watch = Watch(*self._watch_arguments)
        self._max_overhead = arguments.number("max_overhead", max_overhead, above=0)
        self._overhead: Overhead | None = None
        flush_secs = arguments.number("flush_secs", flush_secs, above=0)
        self._recorder = Recorder(directory, flush_secs, on_record, self._judge)
        self._session: Any = None
        self._num_batches = 0
        self._is_first_batch = False

    @property
    def history(self) -> History:
        """The records so far, up to the last step."""
        return self._recorder.history

    @property
    def findings(self) -> list[Finding]:
        """The findings that are certain so far, the root cause first."""
        return list(self.diagnosis())

    def diagnosis(self) -> Diagnosis:
        """The findings as a page to print."""
        self._recorder.flush()
        return self._watch.diagnosis

    @property
    def interval(self) -> int | None:
        """The current number of steps from one record to the next."""
        return self._session.interval if self._session else self._schedule.interval

    def on_train_begin(self, logs: dict | None = None) -> None:
        # With JAX, `self.model` would copy the whole state of the training.
        self.begin(self._model, fit=self.params)
        self._num_batches = 0
        if self._session.next_step == 0:
            self._is_first_batch = True
        self._watch.begin((self.params or {}).get("steps"))
        if self._schedule.is_auto and self._model.steps_per_execution == 1:
            self._overhead = Overhead(self._session, self._max_overhead)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._session.mark_epoch()
        self.note_weights()
        if self._overhead is not None:
            self._overhead.pause()

    # At the beginning of a batch, because for its end, Keras must either wait for every
    # step or call us from another thread.
    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._num_batches += 1
        if self._overhead is not None:
            self._widen_interval(self._overhead)
        self._session.before_batch()
        if self._is_first_batch:  # until the first batch arrives
            TrainFunctions.of(self._model).look_first(self._look_at)
        self._recorder.note_batch()
        self._stop_if_hopeless()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._watch.note_epoch(logs)
        self._recorder.note_epoch(_numbers(logs))
        self._recorder.flush()
        self._stop_if_hopeless()
        if is_kept(epoch, MAX_PICTURES):
            self._recorder.draw(self._max_overhead)

    def on_train_end(self, logs: dict | None = None) -> None:
        session = self._session
        if self._num_batches and not session.num_rows and not session.faults:
            self._recorder.flush()
            log.warning(
                "keras_initkit: nothing was recorded, because the training step did "
                "not apply the optimizer that the model is compiled with. For another "
                "one: `with layer_stats(model, log_dir, optimizer): model.fit(...)`."
            )
        self._recorder.flush(is_over=True)
        self.note_weights()
        self.end()

    def __reduce__(self) -> tuple:
        """A copy, or an unpickled callback, is a new one with the same arguments."""
        return functools.partial(type(self), **self._arguments), ()

    def begin(
        self,
        model: keras.Model,
        fit: object = None,
        optimizer: Any = None,
        poll_secs: float | None = None,
        run_name: str = RUN_NAME,
    ) -> Session:
        """Attaches a session to a model, and records its measurements.

        Args:
            model: the model.
            fit: what identifies the current call of `fit`, if there is one.
            optimizer: as in `layer_stats`.
            poll_secs: seconds between two looks for rows; half of `flush_secs` if None.
            run_name: name of the run in `log_dir`.

        Raises:
            ValueError: as in the callback.
        """
        self.end()
        session = Session(
            model,
            self._schedule,
            self._statistics,
            self._histograms,
            self.include_biases,
            self._layers,
            optimizer,
        )
        session.attach(fit)
        self._session = session
        if session.next_step == 0:
            self._watch = Watch(*self._watch_arguments)
        self._watch.name = model.name
        if self.log_dir is not None:
            self._watch.name += f" in {self.log_dir}"
        try:
            self._recorder.begin(session, poll_secs, run_name)
        except OSError as error:
            self.end()
            raise ValueError(
                "Argument `log_dir` must be a directory that can be written "
                f"({error.strerror}). Received: log_dir={self.log_dir!r}"
            ) from error
        if session.interval is not None:
            self._recorder.note_interval(session.next_step, session.interval)
        return session

    def note_weights(self) -> None:
        """Records where the training is, so a resumed one can continue this run."""
        self._recorder.note_weights()

    def end(self) -> None:
        """Cleans up. It does nothing if nothing was begun."""
        self._recorder.end()
        self._session = self._overhead = None

    def _look_at(self, batch: Any) -> None:
        self._is_first_batch = False
        self._watch.look_at(self._model, batch)

    def _judge(self, history: History, is_over: bool) -> Diagnosis | None:
        """The diagnosis, if it has changed."""
        has_changed = self._watch.update(history, is_over)
        return self._watch.diagnosis if has_changed else None

    def _stop_if_hopeless(self) -> None:
        finding = self._watch.must_stop
        if finding is not None and not self._model.stop_training:
            log.warning(
                "keras_initkit: training stops because of stop_on=%r: %s.",
                self._watch_arguments[1],
                finding.problem,
            )
            self._model.stop_training = True

    def _widen_interval(self, overhead: Overhead) -> None:
        cost = overhead.lap()
        if cost is None:
            return
        session, self._overhead = self._session, None  # it is known now
        interval = overhead.interval_for(cost)
        if interval > session.interval:
            log.warning(
                "keras_initkit: recording a step costs %.2f ms, %.0f %% of a training "
                'step. To keep to max_overhead=%s, update_freq="auto" records one step '
                "in %d from now on. An integer always records the steps you ask for.",
                1e3 * cost.record,
                100 * cost.record / cost.step,
                self._max_overhead,
                interval,
            )
            session.interval = interval
            self._recorder.note_interval(session.next_step, interval)


def _numbers(logs: dict | None) -> dict[str, float]:
    """The numbers in the logs of an epoch, which TensorBoard can show."""
    kinds = (int, float, np.number)
    return {k: float(x) for k, x in (logs or {}).items() if isinstance(x, kinds)}


def _is_zero(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value == 0
