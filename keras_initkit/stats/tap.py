"""The one place that hooks a model: it stands where the gradients reach the optimizer.

`optimizer.apply(gradients, variables)` is what every Keras trainer and every custom
training loop calls. A tap puts a callable in its place on the optimizer instance, so
that the statistics of what passes through are computed inside the compiled step.
"""

import dataclasses
import importlib
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.selection import Selector, select_variables
from keras_initkit.stats import log_bins
from keras_initkit.stats.history import Histograms, Records
from keras_initkit.stats.hook import Given, Hook
from keras_initkit.stats.probe import Probe, Step
from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.statistics import Statistics

MIN_CAPACITY = 64  # rows: 3 MB for 1,000 layers, and a transfer of under a millisecond
HISTOGRAM_SHARE = 16  # so many times fewer of histograms: 49 MB for 1,000 layers
# Until it is seen how often a step applies the optimizer.
FIRST_ROWS_PER_STEP = 16
INTERVAL, EPOCH_START = 1, 2  # places in a tap's clock


class Tap:
    """Records one row of statistics for each training step that a schedule selects.

    On a selected step the chosen statistics are computed of every trainable kernel
    before the update, of its gradient as the optimizer is given it, divided by the loss
    scale if there is one, of the forward pass that led to it, and of what the update
    did. On other steps nothing is computed. Where a strategy has several replicas, the
    gradient is the sum of theirs, which is that of the whole batch.

    Example:

    >>> with Tap(model, Schedule(update_freq=1)) as tap:
    ...     model.train_on_batch(x, y)
    ...     records = tap.read()
    >>> records.steps
    array([0])

    Args:
        model: a `keras.Model`, built or not.
        schedule: which steps are recorded.
        statistics: what is recorded of each.
        histograms: the schedule of the histograms; None if there are none.
        include_biases: whether every trainable variable is recorded, not only kernels.
        layers: as in `select_variables`.
        optimizer: what the model is trained with, if it is not compiled with it.
        capacity: how many rows are kept at least until they are read.

    Attributes:
        statistics: what is recorded.
        backend: the module of the Keras backend in use.
        optimizer: what the tap is attached to.
        variables: the recorded variables, in the order of `select_variables`; empty
            until the model is built.
        layers: their names.
        fit: what identifies the call of `fit` that it was attached for.
        needs_forward_pass: whether anything is recorded of the forward pass.
        has_traced: whether a step has met the hook.
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
        capacity: int = MIN_CAPACITY,
    ) -> None:
        self.backend = backend_module()
        self._model = model
        self._schedule = schedule
        self._histograms = histograms
        self._include_biases = include_biases
        self._selectors = layers
        self._least_capacity = capacity
        self._hook: Hook | None = None
        self._clock: Any = None
        self._probe: Any = None
        self._steps_since_read = 0
        self._rows_per_step = 0
        self.statistics = statistics or Statistics()
        self.optimizer: Any = optimizer or getattr(model, "optimizer", None)
        self.variables: list[Any] = []
        self.layers: list[str] = []
        self.fit: object = None
        self.needs_forward_pass = bool(self.statistics.forward or histograms)
        self.has_traced = False

    def attach(self, fit: object = None) -> None:
        """Hooks the optimizer and asks the model for a new train function.

        The trainer has made its train function before a callback is called, and one
        that was traced before would never meet the hook.

        Args:
            fit: what identifies the current call of `fit`. Taps that an interrupted
                call left behind carry another one, and are removed.

        Raises:
            ValueError: if there is no optimizer, or no trainable kernel to record.
        """
        if self.optimizer is None:
            raise ValueError(
                "The model must be compiled with an optimizer before its gradients "
                f"can be recorded. Received: model {self._model.name!r} with "
                f"optimizer={self.optimizer}"
            )
        if self._model.built:
            self._prepare()
        self.fit = fit
        # Whether the tap is attached, the interval, the first step of the epoch.
        self._times = np.array([1, self._schedule.interval or 1, -1])
        self._clock = keras.Variable(
            self._times, dtype="int64", trainable=False, name="initkit_clock"
        )
        self._hook = Hook.on(self._model, self.optimizer, self.backend)
        self._hook.add(self)
        self._hook.retrace()

    def detach(self) -> None:
        """Takes the hook off the optimizer and the traced statistics off the model.

        A function of the user's own that was traced in between records no more.
        """
        if self._hook is None:
            return
        hook, self._hook = self._hook, None
        self._clock.assign([0, 1, -1])
        if hook.has(self):  # and not replaced in another fit, which may be running
            hook.remove(self)
            hook.retrace()

    def __enter__(self) -> "Tap":
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def mark_epoch(self) -> None:
        """Tells the schedule that the next step is the first of an epoch."""
        self._set_clock(EPOCH_START, self.next_step())

    def next_step(self) -> int:
        """The number of the next step, on the host."""
        return int(self.backend.value(self.optimizer.iterations))

    def set_interval(self, interval: int) -> None:
        """Changes how many steps lie between two recorded ones, from now on."""
        self._set_clock(INTERVAL, interval)

    def must_read(self) -> bool:
        """Whether the next call of the train function could overwrite unread rows.

        To be asked once before each call.
        """
        self._steps_since_read += self._model.steps_per_execution
        least = self._histogram_capacity() or self._capacity(self._least_capacity)
        rows = self._rows_per_step or FIRST_ROWS_PER_STEP
        return self._steps_since_read * rows > least

    @property
    def is_attached(self) -> bool:
        """Whether the hook is there, and hands what passes through to this tap."""
        return self._hook is not None and self._hook.has(self)

    @property
    def lost(self) -> int:
        """How many rows were overwritten before they were read."""
        return sum(ring.lost for ring in self._rings())

    def filled(self) -> float:
        """The share of the room for rows that is taken by rows not yet read."""
        return max((r.pending() / r.capacity for r in self._rings()), default=0.0)

    def read(self) -> Records:
        """The rows recorded since the last call, in the order of the steps."""
        keys, layers = len(self.statistics.keys), len(self.layers)
        rows = self._probe.ring.read() if self._probe else np.empty((0, 2))
        steps = self._steps_since_read - self._model.steps_per_execution
        if steps > 0:
            self._rows_per_step = max(self._rows_per_step, math.ceil(len(rows) / steps))
        self._steps_since_read = self._model.steps_per_execution
        values = rows[:, 2:].reshape((len(rows), keys, layers))
        return Records(rows[:, 0].astype(np.int64), values, rows[:, 1] != 0)

    def read_histograms(self) -> dict[str, Histograms]:
        """The histograms recorded since the last call, for each source."""
        histograms = {}
        rings = self._probe.histogram_rings if self._probe else {}
        for source, ring in rings.items():
            rows = ring.read()
            shape = (len(rows), len(self.layers), log_bins.NUM_BINS)
            counts = rows[:, 1:].reshape(shape)
            histograms[source] = Histograms(rows[:, 0].astype(np.int64), counts)
        return histograms

    def before_update(self, given: tuple[Given, ...]) -> Step:
        """Adds to the step what is measured before the update; called by the hook."""
        self.has_traced = True
        if self._probe is None:
            try:
                self._prepare()
            except ValueError:
                self.detach()
                raise
        active, interval, epoch_start = ops.unstack(self.backend.value(self._clock), 3)
        number = ops.cast(self.backend.value(self.optimizer.iterations), "int64")
        is_active = ops.equal(active, 1)
        is_recorded = self._schedule.selects(number, interval, epoch_start)
        has_histograms = None
        if self._histograms:
            has_histograms = self._histograms.selects(number, epoch_start=epoch_start)
            has_histograms = ops.logical_and(is_active, has_histograms)
        trainable = self._model.trainable_variables
        step = Step(
            number=number,
            is_recorded=ops.logical_and(is_active, is_recorded),
            has_histograms=has_histograms,
            scale=_loss_scale(self.optimizer),
            optimizer=self.optimizer,
            given=tuple(
                dataclasses.replace(replica, variables=replica.variables or trainable)
                for replica in given
            ),
        )
        self._probe.before_update(step)
        return step

    def after_update(self, step: Step) -> None:
        """Adds to the step what is measured after the update; called by the hook."""
        self._probe.after_update(step)

    def _prepare(self) -> None:
        """Looks at the model, which is built by now, and makes room for the numbers."""
        self.variables = select_variables(
            self._model, self._include_biases, self._selectors
        )
        self.layers = layer_names(self._model, self.variables)
        self._probe = Probe(
            self.variables,
            self.statistics,
            self.backend,
            self._capacity(self._least_capacity),
            self._histogram_capacity(),
        )

    def _capacity(self, least: int) -> int:
        # Not fewer rows, however few the schedule selects: the number of the step
        # stands still for skipped steps and while gradients are accumulated.
        return max(least, self._model.steps_per_execution)

    def _histogram_capacity(self) -> int:
        share = self._least_capacity // HISTOGRAM_SHARE
        return self._capacity(share) if self._histograms else 0

    def _rings(self) -> list[Any]:
        if self._probe is None:
            return []
        return [self._probe.ring, *self._probe.histogram_rings.values()]

    def _set_clock(self, place: int, number: int) -> None:
        self._times[place] = number
        self._clock.assign(self._times)


def _loss_scale(optimizer: Any) -> Any:
    """What the optimizer multiplies the loss with, a scalar tensor; None if nothing.

    It is asked here and not in the branch that needs it, so that the optimizer does not
    have to wait for that branch before it may change its scale.
    """
    one = ops.ones(())
    scale = optimizer.scale_loss(one)
    return None if scale is one else scale


def backend_module() -> ModuleType:
    """The file beside this one that serves the Keras backend in use."""
    name = keras.backend.backend()
    if name != "tensorflow":
        raise ValueError(
            "Gradient statistics are recorded with the TensorFlow backend of Keras "
            "only, so far. Set the environment variable KERAS_BACKEND=tensorflow "
            f"before keras is imported. Received: backend={name!r}"
        )
    return importlib.import_module(f"keras_initkit.stats.tap_{name}")
