"""What is traced into a training step, and where its numbers are kept until read."""

import dataclasses
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import keras
from keras import ops

from keras_initkit.stats import log_bins
from keras_initkit.stats.forward_pass import Signal
from keras_initkit.stats.hook import Given
from keras_initkit.stats.measurement import Measurement
from keras_initkit.stats.measures import NUM_PROJECTIONS, units_of, widen
from keras_initkit.stats.statistics import SOURCES, Statistics

HISTOGRAM_SOURCES = (*SOURCES, "pre_activation")


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """The step that is being traced, or run eagerly.

    Attributes:
        number: int64 scalar, `optimizer.iterations` before the update.
        is_recorded: boolean scalar.
        has_histograms: boolean scalar; None where no step has.
        scale: what the optimizer multiplied the loss with; None if with nothing.
        optimizer: what the step belongs to.
        given: what reached the optimizer, one entry for each replica.
    """

    number: Any
    is_recorded: Any
    has_histograms: Any
    scale: Any
    optimizer: Any
    given: tuple[Given, ...]

    @property
    def may_be_skipped(self) -> bool:
        """Whether the optimizer leaves out steps whose gradients are not finite."""
        return isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)

    def was_skipped(self) -> Any:
        """After the update: whether it was left out.

        The optimizer then has lowered its scale, and begins to count anew.
        """
        if not self.may_be_skipped:
            return False
        lowered = self.optimizer.dynamic_scale <= self.scale
        return ops.logical_and(lowered, ops.equal(self.optimizer.step_counter, 0))


class Probe:
    """Measures n variables around an update, and keeps a row for each recorded step.

    Args:
        variables: what is measured.
        statistics: what is measured of each.
        backend: the module of the Keras backend in use.
        capacity: how many rows are kept until they are read.
        histogram_capacity: the same of histograms; 0 if there are none.

    Attributes:
        ring: the rows: whether the step was skipped, then the statistics.
        histogram_rings: for each source the counts of all layers.
    """

    def __init__(
        self,
        variables: Sequence[Any],
        statistics: Statistics,
        backend: ModuleType,
        capacity: int,
        histogram_capacity: int,
    ) -> None:
        self._variables = variables
        self._statistics = statistics
        self._backend = backend
        self._measurement = Measurement(statistics, backend)
        size = len(variables)
        counts = {source: len(statistics.names(source)) for source in SOURCES}
        counts["duplicates"] = int(statistics.duplicates)
        counts["forward"] = len(statistics.forward)
        # A row is made in parts, at the moments when the tensors are there.
        self._parts = {
            part: backend.scratch((count * size,)) for part, count in counts.items()
        }
        if statistics.duplicates:
            self._units = [units_of(v) for v in variables]
            self._unit_keys = backend.scratch((NUM_PROJECTIONS * sum(self._units),))
        if statistics.update:
            self._copies = [backend.scratch(v.shape, v.dtype) for v in variables]
        self.ring = backend.Ring(capacity, 1 + len(statistics.keys) * size)
        self.histogram_rings = {
            source: backend.Ring(histogram_capacity, size * log_bins.NUM_BINS)
            for source in HISTOGRAM_SOURCES
            if histogram_capacity
        }

    def before_update(self, step: Step) -> None:
        """Adds what is measured before the optimizer changes anything."""
        weights = [self._backend.value(variable) for variable in self._variables]
        signals = self._signals(step)
        # What is there before the gradients has an `if` of its own: in one with them,
        # no weight could be updated before the last gradient is there.
        self._run(
            step,
            record=lambda: self._measure_weights_and_signals(weights, signals),
            histograms=lambda: self._count_weights_and_signals(step, weights, signals),
        )
        self._run(
            step,
            record=lambda: self._measure_gradients(step),
            histograms=lambda: self._count_gradients(step),
        )

    def after_update(self, step: Step) -> None:
        """Adds what is measured of the update, and writes the row."""
        if self._waits_for_update(step):
            self._backend.run_if(step.is_recorded, lambda: self._append_row(step))

    def _run(
        self, step: Step, record: Callable[[], None], histograms: Callable[[], None]
    ) -> None:
        """Runs each where it is wanted, in one `if`: on every step each costs a bit."""
        run_if = self._backend.run_if
        if step.has_histograms is None:
            run_if(step.is_recorded, record)
            return

        def run_wanted() -> None:
            run_if(step.is_recorded, record)
            run_if(step.has_histograms, histograms)

        run_if(ops.logical_or(step.is_recorded, step.has_histograms), run_wanted)

    def _measure_weights_and_signals(
        self, weights: list[Any], signals: list[list[Signal]]
    ) -> None:
        measurement, parts = self._measurement, self._parts
        parts["weight"].assign(measurement.of_tensors("weight", weights))
        if self._statistics.forward:
            parts["forward"].assign(measurement.forward(signals))
        if self._statistics.duplicates:
            self._unit_keys.assign(measurement.unit_keys(weights))
        if self._statistics.update:
            for copy, weight in zip(self._copies, weights, strict=True):
                copy.assign(weight)

    def _measure_gradients(self, step: Step) -> None:
        gradients = self._gradients(step)
        measured = self._measurement.of_tensors("gradient", gradients)
        self._parts["gradient"].assign(measured)
        if self._statistics.duplicates:
            keys = self._backend.value(self._unit_keys)
            fractions = self._measurement.duplicates(keys, self._units, gradients)
            self._parts["duplicates"].assign(fractions)
        if not self._waits_for_update(step):
            self._append_row(step)

    def _waits_for_update(self, step: Step) -> bool:
        return self._statistics.update or step.may_be_skipped

    def _append_row(self, step: Step) -> None:
        parts = [self._backend.value(part) for part in self._parts.values()]
        if self._statistics.update:
            before = [self._backend.value(copy) for copy in self._copies]
            after = [self._backend.value(variable) for variable in self._variables]
            parts.append(self._measurement.updates(before, after))
        skipped = ops.reshape(ops.cast(step.was_skipped(), "float64"), (1,))
        self.ring.append(step.number, ops.concatenate([skipped, *parts]))

    def _count_weights_and_signals(
        self, step: Step, weights: list[Any], signals: list[list[Signal]]
    ) -> None:
        self._append_counts("weight", step, [[weight] for weight in weights])
        z = [
            [s.pre_activation() for s in of_layer if s.has_pre_activation]
            for of_layer in signals
        ]
        self._append_counts("pre_activation", step, z)

    def _count_gradients(self, step: Step) -> None:
        gradients = [[] if g is None else [g] for g in self._gradients(step)]
        self._append_counts("gradient", step, gradients)

    def _append_counts(self, source: str, step: Step, tensors: list[list[Any]]) -> None:
        counts = ops.concatenate([self._counts(of_layer) for of_layer in tensors])
        self.histogram_rings[source].append(step.number, counts)

    def _counts(self, tensors: list[Any]) -> Any:
        """One histogram of several tensors; NaN if there is none."""
        if not tensors:
            return ops.full((log_bins.NUM_BINS,), float("nan"), "float64")
        counts = [self._backend.histogram(widen(tensor)) for tensor in tensors]
        return sum(counts[1:], start=counts[0])

    def _gradients(self, step: Step) -> list[Any]:
        """Each variable's gradient, dense and without the loss scale; None for none.

        Over several replicas the sum: the loss of each is divided by their number.
        """
        replicas = [
            dict(zip(map(id, given.variables), given.gradients, strict=True))
            for given in step.given
        ]
        gradients: list[Any] = []
        for variable in self._variables:
            parts: list[Any] = [replica.get(id(variable)) for replica in replicas]
            if any(part is None for part in parts):
                gradients.append(None)
                continue
            shape = variable.shape
            parts = [widen(self._backend.dense(part, shape)) for part in parts]
            gradient = sum(parts[1:], start=parts[0])
            if step.scale is not None:
                gradient = gradient / ops.cast(step.scale, gradient.dtype)
            gradients.append(gradient)
        return gradients

    def _signals(self, step: Step) -> list[list[Signal]]:
        """For each variable the signals of its layer's calls, if it is the kernel."""
        of_kernels: dict[int, list[Signal]] = {}
        for given in step.given:
            for signal in given.signals:
                kernel = getattr(signal.layer, "kernel", None)
                of_kernels.setdefault(id(kernel), []).append(signal)
        return [of_kernels.get(id(variable), []) for variable in self._variables]
