"""Moves what a tap records to where people see it: history, event file, function."""

import errno
import itertools
import logging
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from keras_initkit.callbacks.heartbeat import Heartbeat
from keras_initkit.kernels.selection import layer_table
from keras_initkit.stats import log_bins
from keras_initkit.stats.history import Histograms, History, Record, Records
from keras_initkit.stats.probe import HISTOGRAM_SOURCES
from keras_initkit.stats.tap import Tap
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.histograms import HistogramWriter
from keras_initkit.tensorboard.layer_heatmap import write_layer_heatmap
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter

RUN_NAME = "layer_stats"
WEIGHT_VARIANCE = "weight_variance"
PICTURED = "gradient_variance"
# Warnings go here and not to `warnings`, which a user may have turned into errors.
log = logging.getLogger("keras_initkit")


class Recorder:
    """Empties a tap into a history, an event file and a function.

    From `begin` to `end` it is used from two threads, the caller's and one of its own,
    in which rows are fetched that nobody has asked for in time.

    Args:
        log_dir: directory for TensorBoard; runs are made in it.
        flush_secs: how old a row may become, in seconds.
        on_record: function of a `Record`; None if there is none.
    """

    def __init__(
        self,
        log_dir: str | PathLike[str],
        flush_secs: float,
        on_record: Callable[[Record], Any] | None,
    ) -> None:
        self._log_dir = Path(log_dir).absolute()
        self._flush_secs = flush_secs
        self._on_record: Any = on_record
        self._lock = threading.RLock()
        self._history = History()
        self._run_directory: Any = None
        self._is_first_run = True
        self._optimizer_of_run: Any = None
        self._tap: Any = None
        self._file: Any = None
        self._writer: Any = None
        self._histogram_writers: dict[str, HistogramWriter] = {}
        self._heartbeat: Any = None
        self._intervals: list[tuple[int, int]] = []
        self._intended: np.ndarray | None = None
        self._has_intended = False
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

    def begin(self, tap: Tap, poll_secs: float | None = None) -> None:
        """Goes on in the history and the run of the optimizer, or begins new ones.

        Args:
            tap: it is attached.
            poll_secs: how often it is looked at; without it twice in `flush_secs`.

        Raises:
            OSError: if the file cannot be written.
        """
        self._tap = tap
        self._intended = None
        self._last_drawing = time.monotonic()
        optimizer = tap.optimizer
        same = self._optimizer_of_run and self._optimizer_of_run() is optimizer
        keys = list(tap.statistics.keys)
        known = self._history.layers, list(self._history)
        if not (same and known in (([], []), (tap.layers, keys))):
            self._optimizer_of_run = weakref.ref(optimizer)
            self._history = History()
            self._is_first_run = self._run_directory is None
            self._run_directory = None
            self._num_drawn = 0
        self._first_of_file = self._num_written = len(self._history.steps)
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
            if self._tap is not None:
                self._tap.detach()
            self._close_file()
            self._tap = self._heartbeat = None

    def flush(self) -> None:
        """Fetches the rows that are waiting in the graph, and hands them on."""
        with self._lock:
            self._last_flush = time.monotonic()
            if self._tap is None:
                return
            records = self._tap.read()
            if self._tap.lost:
                self._warn_once(
                    "records came faster than they are fetched; some are lost"
                )
            if len(records.steps):
                if not self._history.layers:
                    keys = self._tap.statistics.keys
                    self._history = History(self._tap.layers, keys)
                self._history.append(records)
            self._write_all(self._tap.read_histograms())
            if self._on_record is not None:
                for record in self._history.last(len(records.steps)):
                    self._hand_on(record)

    def draw(self, max_share: float | None = None) -> None:
        """Draws the records so far as a picture of layers and steps.

        Args:
            max_share: the greatest share of the time since the last picture that this
                one may take; None to draw it whatever it takes.
        """
        with self._lock:
            records = self._history.steps
            if self._writer is None or len(records) == self._num_drawn:
                return
            began = time.monotonic()
            idle = began - self._last_drawing
            if max_share is not None and self._drawing_secs > max_share * idle:
                return
            self._draw(PICTURED)
            self._last_drawing = time.monotonic()
            self._drawing_secs = self._last_drawing - began
            self._num_drawn = len(records)

    def note_intended_variances(self, variances: np.ndarray) -> None:
        """Records the variances that initializers intend for the layers of the tap."""
        with self._lock:
            self._intended = variances

    def note_interval(self, step: int, interval: int) -> None:
        """Records that from this step on one step in `interval` is recorded."""
        with self._lock:
            self._intervals.append((step, interval))

    def _beat(self) -> None:
        with self._lock:
            if self._tap is None:
                return
            if not self._tap.is_attached:  # another fit has taken its place
                self.end()
                return
            filled = self._tap.filled()
            is_late = time.monotonic() - self._last_flush >= self._flush_secs / 2
            if filled > (0 if is_late else 0.5):
                self.flush()

    def _hand_on(self, record: Record) -> None:
        try:
            self._on_record(record)
        except Exception:
            self._warn_once("`on_record` raised an exception", exc_info=True)

    # -- the file ----------------------------------------------------------------------

    def _write_all(self, histograms: dict[str, Histograms]) -> None:
        """Writes what is not written yet; a file that fails is tried again next time.

        A full disk must not stop the training, and must not be hidden either.
        """
        recorded = [self._history.steps, *(h.steps for h in histograms.values())]
        first = [steps[0] for steps in recorded if len(steps)]
        if not first:
            return
        try:
            if self._run_directory is None:
                self._run_directory = self._new_run(min(first))
            if self._file is None:
                self._file = EventFile(self._run_directory)
            if self._writer is None:
                self._make_writers()
            if self._intended is not None and not self._has_intended:
                self._writer.write_intended(WEIGHT_VARIANCE, self._intended)
                self._has_intended = True
            while self._intervals:
                self._writer.write_interval(*self._intervals[0])
                del self._intervals[0]
            unwritten = self._history.since(self._num_written)
            for number in range(len(unwritten.steps)):
                one = slice(number, number + 1)
                self._writer.write(Records(*(part[one] for part in unwritten)))
                self._num_written += 1
            for source, (steps, counts) in histograms.items():
                self._histogram_writers[source].write(steps, counts[:, None])
        except OSError as error:
            self._note_failure(error)

    def _note_failure(self, error: OSError) -> None:
        if error.errno == errno.ENOENT:
            # The file is gone: what it held is written into a new one.
            self._close_file()
            self._num_written = self._first_of_file
        cause = error.strerror or error
        path = os.fspath(self._run_directory or self._log_dir)
        self._warn_once(f"could not write to {path!r} ({cause})")

    def _draw(self, key: str) -> None:
        history = self._history
        if key not in history:
            return
        try:
            write_layer_heatmap(
                self._file, key, history.layers, history.steps, history[key]
            )
        except OSError as error:
            self._note_failure(error)
        except Exception:  # of the library that draws
            self._warn_once("could not draw a picture of the layers", exc_info=True)

    def _make_writers(self) -> None:
        tap = self._tap
        self._writer = LayerStatsWriter(
            self._file,
            tap.statistics.keys,
            tap.layers,
            layer_table(tap.layers, tap.variables),
        )
        self._histogram_writers = {
            source: HistogramWriter(self._file, [source], tap.layers, log_bins.edges())
            for source in HISTOGRAM_SOURCES
        }

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None
        self._has_intended = False

    def _new_run(self, step: int) -> Path:
        """Where the records go of which the first is of this step.

        A training that goes on, in another process, goes on in its run; one that
        begins does not write into that of an earlier one.
        """
        runs = (self._log_dir / _run_name(number) for number in itertools.count(1))
        taken = list(itertools.takewhile(_has_events, runs))
        if step > 0 and self._is_first_run and taken:
            return taken[-1]
        return self._log_dir / _run_name(len(taken) + 1)

    def _warn_once(self, fault: str, exc_info: bool = False) -> None:
        if fault not in self._warned:
            self._warned.add(fault)
            log.warning(
                "keras_initkit: %s. The training and `history` go on.",
                fault,
                exc_info=exc_info,
            )


def _run_name(number: int) -> str:
    return RUN_NAME if number == 1 else f"{RUN_NAME}_{number}"


def _has_events(run: Path) -> bool:
    return any(run.glob("*tfevents*"))
