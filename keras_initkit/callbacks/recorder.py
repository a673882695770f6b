"""Moves what a session records to where people see it: history, file, function."""

import errno
import logging
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keras_initkit import backends
from keras_initkit.callbacks.heartbeat import Heartbeat
from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.kernels.intention import intended_variances
from keras_initkit.kernels.selection import layer_table
from keras_initkit.stats.history import Histograms, History, Record, Records
from keras_initkit.stats.session import Session
from keras_initkit.tensorboard.runs import new_run, runs_with_events

RUN_NAME = "layer_stats"
PICTURED = "gradient_variance"
INTENDED = "weight_variance"
# Rows that wait at most before a thread wakes to fetch them.
MAX_WAITING = 64
# In which run the training of an optimizer is, of which layers: what only this process
# knows, where nothing was marked before an interrupt.
_runs: weakref.WeakKeyDictionary[Any, tuple[Path, list[str]]] = (
    weakref.WeakKeyDictionary()
)
# Warnings go here and not to `warnings`, which a user may have turned into errors.
log = logging.getLogger("keras_initkit")


class Recorder:
    """Empties a session into a history, an event file and a function.

    From `begin` to `end` it is used from two threads, the caller's and one of its own,
    in which rows are fetched that nobody has asked for in time.

    Args:
        log_dir: local directory for TensorBoard; runs are made in it. None: no
            files.
        flush_secs: how old a row may become, in seconds.
        on_record: function of a `Record`; None if there is none.
        judge: function of the history and whether the training is over: what is wrong,
            where that has changed; else None.
    """

    def __init__(
        self,
        log_dir: Path | None,
        flush_secs: float,
        on_record: Callable[[Record], Any] | None,
        judge: Callable[[History, bool], Diagnosis | None],
    ) -> None:
        self._log_dir: Any = log_dir and log_dir.absolute()
        self._flush_secs = flush_secs
        self._on_record: Any = on_record
        self._judge = judge
        self._diagnosis: Diagnosis | None = None  # not yet written
        self._lock = threading.RLock()
        self._history = History()
        self._run_name = RUN_NAME
        self._run_directory: Any = None
        self._optimizer_of_run: Any = None
        self._session: Any = None
        self._file: Any = None
        self._histograms: list[tuple[str, Histograms]] = []  # not yet written
        self._is_writer = True
        self._heartbeat: Any = None
        self._notes: list[Callable[[Any], None]] = []  # what else the file holds
        self._num_noted = 0  # of them in the file
        self._start: tuple[int, str] | None = None  # the first mark
        self._num_drawn = 0
        self._last_drawing, self._drawing_secs = 0.0, 0.0
        self._first_of_file = self._num_written = 0
        self._last_flush = 0.0
        self._warned: set[str] = set()

    @property
    def history(self) -> History:
        """What was recorded so far, up to the last step."""
        self.flush()
        return self._history

    def begin(
        self,
        session: Session,
        poll_secs: float | None = None,
        run_name: str = RUN_NAME,
    ) -> None:
        """Goes on in the history and the run of the optimizer, or begins new ones.

        Args:
            session: it is attached.
            poll_secs: how often it is looked at; without it twice in `flush_secs`.
            run_name: of the first run in `log_dir`; others have a number behind it.

        Raises:
            OSError: if the file cannot be written.
        """
        self._session = session
        self._run_name = run_name
        self._last_drawing = time.monotonic()
        plan = session.plan
        optimizer = plan.optimizer
        same = self._optimizer_of_run and self._optimizer_of_run() is optimizer
        keys = list(plan.statistics.keys)
        known = self._history.layers, list(self._history)
        if not (same and known in (([], []), (plan.layers, keys))):
            self._optimizer_of_run = weakref.ref(optimizer)
            self._history = History()
            self._run_directory = None
            self._num_drawn = 0
        self._first_of_file = self._num_written = self._history.num_records
        del self._notes[: self._num_noted]
        self._num_noted = 0
        self._start = None
        is_first = backends.current().is_first_process()
        self._is_writer = is_first and self._log_dir is not None
        if self._is_writer:
            self._log_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._log_dir):
                pass  # so that it is known before training whether there can be files
        self._last_flush = time.monotonic()
        self._heartbeat = Heartbeat(poll_secs or self._flush_secs / 2, self._beat)
        self._heartbeat.start()

    def end(self) -> None:
        """Leaves nothing behind: reads the last rows, unhooks, closes the file."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
        with self._lock:
            self.flush()
            self.draw()
            if self._session is not None:
                self._session.detach()
            self._close_file()
            self._session = self._heartbeat = None

    def flush(self, is_over: bool = False) -> None:
        """Fetches the rows that wait, and hands them on.

        Args:
            is_over: whether the training has ended.
        """
        with self._lock:
            self._last_flush = time.monotonic()
            if self._session is None:
                return
            records, histograms = self._session.read()
            for fault in self._session.plan.faults:
                self._warn_once(fault)
            if self._session.num_lost:
                self._warn_once(
                    "records came faster than they are fetched; some are lost"
                )
            if len(records.steps):
                if not self._history.layers:
                    plan = self._session.plan
                    self._history = History(
                        plan.layers, plan.statistics.keys, plan.accumulates
                    )
                self._history.append(records)
            if len(records.steps) or is_over:
                judged = self._judged(is_over)
                if judged is not None:  # an empty one says that all is well
                    self._diagnosis = judged
            if self._is_writer:
                self._histograms += histograms.items()
            self._write_all()
            if self._on_record is not None:
                for record in self._history.last(len(records.steps)):
                    self._hand_on(record)

    def _judged(self, is_over: bool) -> Diagnosis | None:
        try:
            return self._judge(self._history, is_over)
        except Exception:
            self._warn_once("the records could not be judged", exc_info=True)
            return None

    def note_batch(self) -> None:
        """To be called now and then: has rows fetched before too many wait."""
        if self._session.num_waiting >= MAX_WAITING and self._heartbeat is not None:
            self._heartbeat.wake()

    def draw(self, max_share: float | None = None) -> None:
        """Draws the records so far as a picture of layers and steps.

        Args:
            max_share: the greatest share of the time since the last picture that this
                one may take; None to draw it whatever it takes.
        """
        with self._lock:
            num_records = self._history.num_records
            if self._file is None or num_records == self._num_drawn:
                return
            began = time.monotonic()
            idle = began - self._last_drawing
            if max_share is not None and self._drawing_secs > max_share * idle:
                return
            self._draw(PICTURED)
            self._last_drawing = time.monotonic()
            self._drawing_secs = self._last_drawing - began
            self._num_drawn = num_records

    def note_interval(self, step: int, interval: int) -> None:
        """Records that from this step on one step in `interval` is recorded."""
        with self._lock:
            self._notes.append(lambda file: file.write_interval(step, interval))

    def note_epoch(self, logs: Mapping[str, float]) -> None:
        """Records the losses and metrics of the epoch that has ended."""
        with self._lock:
            step = self._session.next_step
            self._notes.append(lambda file: file.write_epoch(step, logs))

    def note_weights(self) -> None:
        """Records where the training is, so that it finds its run when it goes on.

        To be called where checkpoints are made: between epochs, and at the end.
        """
        with self._lock:
            self.flush()
            mark = self._session.mark() if self._session is not None else None
            if mark is not None:
                self._start = self._start or mark
                self._notes.append(lambda file: file.write_mark(mark))
                self._write_all()

    def _beat(self) -> None:
        with self._lock:
            if self._session is None:
                return
            if not self._session.is_attached:  # another fit has taken its place
                self.end()
                return
            is_late = time.monotonic() - self._last_flush >= self._flush_secs / 2
            waiting = self._session.num_waiting
            if waiting and (is_late or waiting >= MAX_WAITING):
                self.flush()

    def _hand_on(self, record: Record) -> None:
        try:
            self._on_record(record)
        except Exception:
            self._warn_once("`on_record` raised an exception", exc_info=True)

    # -- the file ----------------------------------------------------------------------

    def _write_all(self) -> None:
        """Writes what is not written yet; a file that fails is tried again next time.

        A full disk must not stop the training, and must not be hidden either.
        """
        recorded = [self._history.steps, *(h.steps for _, h in self._histograms)]
        if not any(map(len, recorded)) or not self._is_writer:
            return
        try:
            if self._run_directory is None:
                self._run_directory = self._own_run() or new_run(
                    self._log_dir, self._run_name
                )
                plan = self._session.plan
                _runs[plan.optimizer] = self._run_directory, plan.layers
            if self._file is None:
                self._file = self._new_file()
            for note in self._notes[self._num_noted :]:
                note(self._file)
                self._num_noted += 1
            unwritten = self._history.since(self._num_written)
            for number in range(len(unwritten.steps)):
                one = slice(number, number + 1)
                record = Records(*(part[one] for part in unwritten))
                if not record.steps[0]:
                    self._write_intended(record)
                self._file.write(record)
                self._num_written += 1
            while self._histograms:
                self._file.write_histograms(*self._histograms[0])
                del self._histograms[0]
            if self._diagnosis is not None:
                step = int(self._history.steps[-1])
                self._file.write_diagnosis(step, self._diagnosis)
                self._diagnosis = None
        except OSError as error:
            self._note_failure(error)

    def _write_intended(self, start: Records) -> None:
        plan = self._session.plan
        keys = list(plan.statistics.keys)
        if INTENDED in keys:
            at_start = start.values[0, keys.index(INTENDED)]
            values = intended_variances(plan.model, plan.variables, at_start)
            self._file.write_intended(INTENDED, values)

    def _note_failure(self, error: OSError) -> None:
        if error.errno == errno.ENOENT:
            # The file is gone: what it held is written into a new one.
            self._close_file()
            self._num_written = self._first_of_file
            self._num_noted = 0
        cause = error.strerror or error
        path = os.fspath(self._run_directory or self._log_dir)
        self._warn_once(f"could not write to {path!r} ({cause})")

    def _draw(self, key: str) -> None:
        history = self._history
        if key not in history:
            return
        try:
            self._file.draw(history, key)
        except OSError as error:
            self._note_failure(error)
        except Exception:  # of the library that draws
            self._warn_once("could not draw a picture of the layers", exc_info=True)

    def _new_file(self) -> Any:
        # TensorBoard's protocol buffers, and Pillow, are loaded when they are needed.
        from keras_initkit.tensorboard.run_file import RunFile

        plan = self._session.plan
        return RunFile(
            self._run_directory,
            plan.statistics.keys,
            plan.layers,
            layer_table(plan.layers, plan.variables),
        )

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _own_run(self) -> Path | None:
        """The run of a training that goes on; None where that cannot be proven.

        It is the one that this process knows, or one with a mark of the same step and
        weights. Of several, which began alike, it is the one that went on the least
        from there, and of these the last.
        """
        if self._start is None or not self._start[0]:
            return None
        plan, runs = self._session.plan, runs_with_events(self._log_dir, self._run_name)
        known, layers = _runs.get(plan.optimizer, (None, None))
        if known in runs and layers == plan.layers:
            return known
        from keras_initkit.tensorboard.marks import read_marks

        marks = {run: read_marks(run) for run in reversed(runs)}
        own = [run for run in marks if self._start in marks[run]]
        return min(own, key=lambda run: marks[run][-1].step, default=None)

    def _warn_once(self, fault: str, exc_info: bool = False) -> None:
        if fault not in self._warned:
            self._warned.add(fault)
            log.warning(
                "keras_initkit: %s. The training and `history` go on.",
                fault,
                exc_info=exc_info,
            )
