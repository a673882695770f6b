"""Plans the record of a model's updates, and makes rows of it."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_initkit import backends
from keras_initkit.backends import keras_private
from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.selection import Selector, select_variables
from keras_initkit.kernels.signals import Signal
from keras_initkit.stats import log_bins
from keras_initkit.stats.measurable import unmeasurable
from keras_initkit.stats.measures import widen
from keras_initkit.stats.row import HISTOGRAM_SOURCES, Row
from keras_initkit.stats.statistics import Statistics
from keras_initkit.stats.update_hook import Given


class Tensors(NamedTuple):
    """The tensors of a row before the update, with one entry for each layer.

    Attributes:
        weights: the weights.
        scaled_gradients: dense, as the optimizer gets them; None for a layer without.
        signals: the signals of all calls of the layer.
        scale: the factor by which the optimizer multiplied the loss, or None.
    """

    weights: list[Any]
    scaled_gradients: list[Any]
    signals: list[list[Signal]]
    scale: Any

    def gradients(self) -> list[Any]:
        """The gradients of the loss itself; None for a layer without."""
        if self.scale is None:
            return self.scaled_gradients
        return [
            None if g is None else g / ops.cast(self.scale, g.dtype)
            for g in self.scaled_gradients
        ]


class Plan:
    """The variables and statistics to record of a model, in order.

    Args:
        model: a `keras.Model`, built or not.
        optimizer: the optimizer whose updates to record.
        statistics: the statistics of each layer.
        include_biases: whether to record every trainable variable, not only kernels.
        layers: as in `select_variables`.
        has_histograms: whether histograms may be requested.

    Attributes:
        model: as given.
        optimizer: as given.
        statistics: as given.
        variables: the recorded variables; empty until the model is built.
        layers: their names.
        row: computes the statistics.
        faults: the user's functions that cannot measure some layers, in words.
        has_histograms: as given.
        needs_signals: whether it records anything of the forward pass.
        key: equal for plans of one model that make equal rows.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: Any,
        statistics: Statistics,
        include_biases: bool = False,
        layers: Selector | Sequence[Selector] | None = None,
        has_histograms: bool = False,
    ) -> None:
        self.model = model
        self._include_biases = include_biases
        self._selectors = layers
        self.optimizer = optimizer
        self.statistics = statistics
        self.row = Row(statistics)
        self.faults: list[str] = []
        self.variables: list[Any] = []
        self.layers: list[str] = []
        self.has_histograms = has_histograms
        self.needs_signals = bool(statistics.forward or has_histograms)
        if model.built:
            self.prepare()

    @functools.cached_property
    def key(self) -> tuple:
        # Keras fixes the trainable variables when it compiles a model.
        selectors = self._selectors
        listed = selectors if isinstance(selectors, (list, tuple)) else [selectors]
        return (
            id(self.optimizer),
            self.statistics.identity,
            self._include_biases,
            tuple(s if isinstance(s, str) else id(s) for s in listed),
            self.needs_signals,
        )

    def prepare(self) -> None:
        """Looks at the model, which is now built.

        Raises:
            ValueError: if there is nothing to record, or a user's own function can
                measure none of the layers.
        """
        if self.variables:
            return
        variables = select_variables(self.model, self._include_biases, self._selectors)
        layers = layer_names(self.model, variables)
        refused = {
            name: unmeasurable(function, variables)
            for name, function in self.statistics.functions.items()
        }
        for name, reasons in refused.items():
            self._note_refusals(name, reasons, layers, variables)
        self.row = Row(self.statistics, refused)
        self.variables, self.layers = variables, layers

    def _note_refusals(
        self,
        name: str,
        reasons: dict[tuple[int, ...], str],
        layers: list[str],
        variables: list[Any],
    ) -> None:
        shapes = [tuple(variable.shape) for variable in variables]
        refused = [
            f"{layer!r} of shape {shape} ({reasons[shape]})"
            for layer, shape in zip(layers, shapes, strict=True)
            if shape in reasons
        ]
        if len(refused) == len(layers):
            raise ValueError(
                "Argument `statistics` must have only functions that return a scalar "
                f"for at least one layer. Received: statistics={name}, which cannot "
                f"measure {'; '.join(refused)}"
            )
        if refused:
            self.faults.append(
                f"`{name}` of `statistics` cannot measure {'; '.join(refused)}, and is "
                "NaN there"
            )

    @property
    def histogram_shape(self) -> tuple[int, ...]:
        """The shape of the histograms of one step: sources, layers, bins."""
        if not self.has_histograms:
            return (0,)
        return len(HISTOGRAM_SOURCES), len(self.layers), log_bins.NUM_BINS

    def number(self) -> Any:
        """The number of the step, before its update: an integer scalar."""
        counter = backends.current().snapshot(
            keras_private.raw_iterations(self.optimizer)
        )
        return counter // keras_private.accumulated_steps(self.optimizer)

    @property
    def accumulates(self) -> bool:
        """Whether several calls of the optimizer make one step."""
        return keras_private.accumulated_steps(self.optimizer) > 1

    def learning_rate(self) -> Any:
        """The learning rate of the step, before its update: a scalar.

        NaN if the optimizer has none, or if it is the user's own function, which may
        return something else in each call.
        """
        backend = backends.current()
        rate = keras_private.learning_rate_of(self.optimizer)
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            counter = backend.snapshot(keras_private.raw_iterations(self.optimizer))
            return backend.apart(lambda: rate(counter))
        return backend.snapshot(rate) if isinstance(rate, keras.Variable) else math.nan

    def tensors(self, replicas: tuple[Given, ...]) -> Tensors:
        """The tensors before the update, from the input of each replica."""
        backend = backends.current()
        read = backend.snapshot if self.statistics.update else backend.value
        return Tensors(
            [read(variable) for variable in self.variables],
            self._gradients(replicas),
            self._signals(replicas),
            _loss_scale(self.optimizer),
        )

    def updates(self, before: Tensors) -> Any:
        """The statistics of the update, after it: a vector."""
        backend = backends.current()
        after = [backend.value(variable) for variable in self.variables]
        return backend.apart(lambda: self.row.of_update(before.weights, after))

    def was_skipped(self) -> Callable[[], Any]:
        """Call this before the update; the result tells whether it was skipped."""
        if not may_skip(self.optimizer):
            return lambda: False
        value = backends.current().value
        counter = keras_private.raw_iterations(self.optimizer)
        before = backends.current().snapshot(counter)
        return lambda: ops.equal(value(counter), before)

    def _gradients(self, replicas: tuple[Given, ...]) -> list[Any]:
        """The sum over replicas: the loss of each is divided by their number."""
        backend = backends.current()
        given = [
            dict(zip(map(id, replica.variables), replica.gradients, strict=False))
            for replica in replicas
        ]
        gradients: list[Any] = []
        for variable in self.variables:
            parts: list[Any] = [replica.get(id(variable)) for replica in given]
            if any(part is None for part in parts):
                gradients.append(None)
                continue
            parts = [widen(backend.dense(part, variable.shape)) for part in parts]
            gradients.append(sum(parts[1:], start=parts[0]))
        return gradients

    def _signals(self, replicas: tuple[Given, ...]) -> list[list[Signal]]:
        """The signals of each recorded variable: a layer's belong to its kernel."""
        of_kernels: dict[int, list[Signal]] = {}
        for replica in replicas:
            for signal in replica.signals:
                kernel = getattr(signal.layer, "kernel", None)
                of_kernels.setdefault(id(kernel), []).append(signal)
        return [of_kernels.get(id(variable), []) for variable in self.variables]


def may_skip(optimizer: Any) -> bool:
    """Tells whether an optimizer skips steps whose gradients are not finite."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _loss_scale(optimizer: Any) -> Any:
    """The factor by which the optimizer multiplies the loss: a scalar, or None."""
    one = ops.ones(())
    scale = optimizer.scale_loss(one)
    return None if scale is one else scale
