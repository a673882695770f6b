"""One recording of one model, which counts steps and collects rows."""

import logging
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_initkit import arguments, backends
from keras_initkit.backends import keras_private
from keras_initkit.kernels.selection import Selector
from keras_initkit.stats.faults import Faults
from keras_initkit.stats.fingerprint import fingerprint
from keras_initkit.stats.history import Histograms, Records
from keras_initkit.stats.plan import Plan, may_skip
from keras_initkit.stats.row import HISTOGRAM_SOURCES
from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.statistics import Statistics
from keras_initkit.stats.train_functions import TrainFunctions

log = logging.getLogger("keras_initkit")


# Step, values, whether the step was skipped, loss and learning rate.
_Decoded = tuple[int, np.ndarray, bool, float, float]


class _Delivery(NamedTuple):
    """The rows of one call of the train function, with the schedules at that time."""

    rows: tuple
    interval: int | None
    epoch_start: int
    counter: int  # the optimizer's counter before the call


class Session:
    """Records the steps of a model that a schedule selects, from `attach` to `detach`.

    A selected step measures every trainable kernel before the update, its gradient as
    the optimizer gets it (divided by the loss scale, if there is one), the forward pass
    that led to it, and the update. Keras's own train function takes all other steps.

    Examples:

    >>> session = Session(model, Schedule(update_freq=1))
    >>> session.attach()
    >>> ask = keras.callbacks.LambdaCallback(
    ...     on_train_batch_begin=lambda batch, logs: session.before_batch()
    ... )
    >>> _ = model.fit(x, y, batch_size=len(x), callbacks=[ask], verbose=0)
    >>> records, histograms = session.read()
    >>> records.steps
    array([0])

    Args:
        model: a `keras.Model`, built or not.
        schedule: the steps to record.
        statistics: what to record of each step.
        histograms: the schedule of the histograms, or None.
        include_biases: whether to record every trainable variable, not only kernels.
        layers: as in `select_variables`.
        optimizer: the optimizer of the training, if the model is not compiled with it.

    Attributes:
        plan: what to record.
        interval: the number of steps from one record to the next; you may change it.
        fit: identifies the call of `fit` that it was attached for.
        outbox: where the user's own training loop leaves its rows, if there is one.
        num_rows: the number of rows so far, read or not.
        faults: the reasons for missing rows; each was logged.

    Raises:
        ValueError: if there is no optimizer, or no trainable kernel to record.
    """

    def __init__(
        self,
        model: keras.Model,
        schedule: Schedule,
        statistics: Statistics | None = None,
        histograms: Schedule | None = None,
        include_biases: bool = False,
        layers: Selector | Sequence[Selector] | None = None,
        optimizer: Any = None,
    ) -> None:
        if optimizer is None:
            optimizer = getattr(model, "optimizer", None)
            if optimizer is None:
                raise ValueError(
                    "Argument `model` must be compiled with an optimizer. Call "
                    "`model.compile(optimizer, loss)` first. "
                    f"Received: model {model.name!r}, which has no optimizer"
                )
        arguments.instance(
            "optimizer", optimizer, keras.optimizers.Optimizer, "a Keras optimizer"
        )
        self._model = model
        self._schedule = schedule
        self._histograms = histograms
        self.plan = Plan(
            model,
            optimizer,
            statistics or Statistics(),
            include_biases,
            layers,
            histograms is not None,
        )
        self.interval = schedule.interval
        self.num_rows = 0
        self.faults: set[str] = set()
        self.fit: object = None
        self.outbox: backends.Outbox | None = None
        self._functions: TrainFunctions | None = None
        self._deliveries: deque[_Delivery] = deque()
        self._counter = 0  # the optimizer's, before the next or current batch
        self._updates = 1  # the optimizer's updates in one step
        self._epoch_start = -1
        self._is_epoch_start = self._must_look = True

    def attach(self, fit: object = None) -> None:
        """Attaches the session, so `before_batch` chooses the train function.

        Args:
            fit: identifies the current call of `fit`. Sessions that an interrupted call
                left behind have another one, and are detached.
        """
        self.fit = fit
        self._functions = TrainFunctions.of(self._model)
        self._functions.add(self)
        self._count()
        self._must_look = True  # other callbacks may load another state

    def detach(self) -> None:
        """Detaches the session. Keras's own train function takes all further steps."""
        if self._functions is not None:
            self._functions.remove(self)
        self._functions = None

    @property
    def is_attached(self) -> bool:
        """Tells whether it is attached: neither detached nor replaced since."""
        return self._functions is not None and self._functions.has(self)

    def mark_epoch(self) -> None:
        """Tells the schedules that the next batch is the first of an epoch."""
        self._is_epoch_start = self._must_look = True

    def look_up(self) -> None:
        """Looks up the number of the next step instead of counting it."""
        self._must_look = True

    def before_batch(self) -> None:
        """Decides about the next batch. Call it once before each."""
        self._count()
        if self._is_epoch_start:
            self._epoch_start, self._is_epoch_start = self.next_step, False
        if self._functions is not None:
            self._functions.choose()

    def selects(self, step: Any) -> Any:
        """Tells whether it wants anything of a step, which may be a tensor."""
        is_wanted = self._schedule.selects(step, self.interval)
        if self._histograms is not None:
            is_wanted = is_wanted | self._histograms.selects(step)
        return is_wanted

    @property
    def next_step(self) -> int:
        """The number of the next step: `optimizer.iterations` before it."""
        return self._step(self._counter)

    def wants(self, ahead: int) -> tuple[bool, bool]:
        counter = self._counter + self._updates * ahead
        steps = {self._step(counter + update) for update in range(self._updates)}
        when = self.interval, self._epoch_start
        return (
            any(self._schedule.selects(step, *when) for step in steps),
            any(self._selects_histograms(step, self._epoch_start) for step in steps),
        )

    def receive(self, rows: tuple, faults: Faults) -> None:
        self.note_faults(faults)
        if rows:
            self.num_rows += len(rows)
            self._updates = len(rows)
            self._deliveries.append(
                _Delivery(rows, self.interval, self._epoch_start, self._counter)
            )

    def note_faults(self, faults: Faults) -> None:
        """Logs each fault once, with its traceback."""
        for fault, trace in faults.items():
            if fault not in self.faults:
                self.faults.add(fault)
                log.warning("keras_initkit: %s. Training continues.%s", fault, trace)

    def mark(self) -> tuple[int, str] | None:
        """The next step and the fingerprint of the weights, between two epochs.

        None if the weights are not there: the model is not built, or the user's own
        training loop keeps them elsewhere.
        """
        plan = self.plan
        if not plan.variables:
            return None
        counter = keras_private.raw_iterations(plan.optimizer)
        try:
            step = self._step(backends.current().held(self._model, counter))
            return step, fingerprint(plan.layers, plan.variables)
        except Exception:  # whatever a framework raises where there is no tensor
            return None

    def wait(self) -> None:
        """Waits for the running steps."""
        counter = keras_private.raw_iterations(self.plan.optimizer)
        backends.current().held(self._model, counter)

    @property
    def num_waiting(self) -> int:
        """The number of recorded steps that were not read yet."""
        in_loop = self.outbox.num_waiting() if self.outbox is not None else 0
        return len(self._deliveries) + in_loop

    @property
    def num_lost(self) -> int:
        """The number of recorded steps that were lost, because nothing read them."""
        return self.outbox.num_lost if self.outbox is not None else 0

    def read(self) -> tuple[Records, dict[str, Histograms]]:
        """Returns the records since the last call, in the order of the steps.

        It waits until they are computed. Any thread may call it, but only one at a
        time.

        Returns:
            The rows, and the histograms of each source for some steps.
        """
        rows, counts = [], []
        while self._deliveries:
            delivery = self._deliveries.popleft()
            for number, row in enumerate(delivery.rows):
                record = self._decoded(row)
                step = record[0]
                if step != self._step(delivery.counter + number):
                    self._must_look = True  # something else has trained in between
                when = step, delivery.interval, delivery.epoch_start
                if self._schedule.selects(*when):
                    rows.append(record)
                if "counts" in row and self._selects_histograms(step, *when[2:]):
                    counts.append((step, backends.current().numbers(row["counts"])))
        for step, skipped, vector in self._from_loop():
            num_values = len(self.plan.layers) * len(self.plan.statistics.keys)
            if self._schedule.selects(step, self.interval):
                rate = float(vector[-1])
                rows.append((step, vector[:num_values], skipped, math.nan, rate))
            if self._selects_histograms(step, self._epoch_start):
                of_step = vector[num_values:-1].reshape(*self.plan.histogram_shape)
                counts.append((step, of_step))
        return self._records(rows), _histograms(counts)

    def _from_loop(self) -> list[tuple[int, bool, np.ndarray]]:
        rows = self.outbox.read() if self.outbox is not None else []
        self.num_rows += len(rows)
        return rows

    def _count(self) -> None:
        """Finds the next step: counted, or looked up if the count may be wrong."""
        backend, optimizer = backends.current(), self.plan.optimizer
        if self._must_look or may_skip(optimizer) or backend.can_look(self._model):
            self._must_look = False
            variable = keras_private.raw_iterations(optimizer)
            self._counter = backend.held(self._model, variable)
        else:
            self._counter += self._updates * self._model.steps_per_execution

    def _step(self, counter: int) -> int:
        """The value of `optimizer.iterations`, which skips accumulated steps."""
        return counter // keras_private.accumulated_steps(self.plan.optimizer)

    def _selects_histograms(self, step: int, epoch_start: int) -> bool:
        return self._histograms is not None and bool(
            self._histograms.selects(step, epoch_start=epoch_start)
        )

    def _decoded(self, row: dict[str, Any]) -> _Decoded:
        numbers = backends.current().numbers
        skipped = row["skipped"]
        if not isinstance(skipped, bool):
            skipped = bool(numbers(skipped))
        step = int(numbers(row["step"]))
        values = np.asarray(numbers(row["values"]), "float64")
        return (
            step,
            values,
            skipped,
            _number(row["loss"]),
            _number(row["learning_rate"]),
        )

    def _records(self, rows: list[_Decoded]) -> Records:
        keys, layers = len(self.plan.statistics.keys), len(self.plan.layers)
        steps, values, skipped, losses, rates = (
            zip(*rows, strict=True) if rows else [()] * 5
        )
        return Records(
            np.array(steps, "int64"),
            np.array(values, "float64").reshape(len(rows), keys, layers),
            np.array(skipped, bool),
            np.array(losses, "float64"),
            np.array(rates, "float64"),
        )


def _number(logged: Any) -> float:
    """A number of a step, such as its loss, which may be any user's object."""
    try:
        if not isinstance(logged, (int, float)):
            logged = backends.current().numbers(logged)
        return float(np.mean(logged))
    except Exception:
        return math.nan


def _histograms(counts: list[tuple[int, np.ndarray]]) -> dict[str, Histograms]:
    if not counts:
        return {}
    steps = np.array([step for step, _ in counts], "int64")
    by_source = np.stack([of_step for _, of_step in counts], axis=1)
    return {
        source: Histograms(steps, np.asarray(of_source, "float64"))
        for source, of_source in zip(HISTOGRAM_SOURCES, by_source, strict=True)
    }
