"""One row: all the chosen statistics of all layers at one update, a pure function."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit import backends
from keras_initkit.kernels.signals import Signal
from keras_initkit.stats import log_bins, measures
from keras_initkit.stats.statistics import Statistics

NAN = float("nan")
ROUNDING = 1e-5  # what is left of the slope of a softmax
# Larger tensors are not copied into a stack: that would take longer than it saves.
MAX_STACKED = 2**14
HISTOGRAM_SOURCES = ("weight", "gradient", "pre_activation")


class Row:
    """Computes the statistics of n layers from the tensors of one update.

    Every method returns one vector, by statistic and then by layer, in the order of
    `statistics.keys`; NaN where a layer has no such tensor.

    Args:
        statistics: what is computed.
    """

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._max_slopes: dict[int, tuple[Any, float]] = {}

    def before_update(
        self,
        weights: Sequence[Any],
        gradients: Sequence[Any],
        signals: Sequence[Sequence[Signal]],
    ) -> Any:
        """All but what the update did: shape ((keys - updates) * layers,).

        Args:
            weights: before the update, one for each layer.
            gradients: dense and without any loss scale; None for a layer without.
            signals: for each layer those of all its calls.
        """
        table = _Table(len(weights))
        self._measure_tensors("weight", weights, table)
        self._measure_tensors("gradient", gradients, table)
        if self._statistics.duplicates:
            for places, stack in in_stacks(gradients):
                of_weights = ops.stack([weights[place] for place in places])
                fractions = measures.duplicate_fraction(of_weights, stack)
                table.put("duplicate_fraction", places, fractions)
        if self._statistics.forward:
            self._measure_signals(signals, table)
        return table.vector(self._statistics.before_update)

    def of_update(self, before: Sequence[Any], after: Sequence[Any]) -> Any:
        """update_ratio of each layer: shape (layers,)."""
        table = _Table(len(before))
        for places, stack in in_stacks(before):
            new = ops.stack([after[place] for place in places])
            table.put("update_ratio", places, measures.update_ratio(stack, new))
        return table.vector(["update_ratio"])

    def histograms(
        self,
        weights: Sequence[Any],
        gradients: Sequence[Any],
        signals: Sequence[Sequence[Signal]],
    ) -> Any:
        """Counts of the entries: float32, shape (sources, layers, bins)."""
        z = [
            [signal.z() for signal in of_layer if signal.has_z] for of_layer in signals
        ]
        of_weights = [[weight] for weight in weights]
        of_gradients = [[] if g is None else [g] for g in gradients]
        return ops.stack(
            [
                ops.stack([_histogram(tensors) for tensors in source])
                for source in (of_weights, of_gradients, z)
            ]
        )

    def _measure_tensors(
        self, source: str, tensors: Sequence[Any], table: "_Table"
    ) -> None:
        names = self._statistics.names(source)
        shared = [name for name in names if name in measures.TENSOR_MEASURES]
        if shared:
            for places, stack in in_stacks(tensors):
                for name, values in measures.of_entries(stack, shared).items():
                    table.put(f"{source}_{name}", places, values)
        for name in names:
            if name not in shared:
                function = self._statistics.measures[source][name]
                for place, tensor in enumerate(tensors):
                    if tensor is not None:
                        value = ops.reshape(function(measures.widen(tensor)), (1,))
                        table.put(f"{source}_{name}", [place], value)

    def _measure_signals(
        self, signals: Sequence[Sequence[Signal]], table: "_Table"
    ) -> None:
        keys = self._statistics.forward
        of_z = [k for k in keys if k.startswith(("pre_activation", "saturated"))]
        of_a = [k for k in keys if k not in of_z]
        for places in _alike(signals):
            of_layers = [signals[place] for place in places]
            if of_a:
                activations = [[s.activation() for s in layer] for layer in of_layers]
                batch = _Batch(activations)
                for key in of_a:
                    table.put(key, places, batch.statistic(key))
            if of_z and all(s.has_z for layer in of_layers for s in layer):
                z = [[s.z() for s in layer] for layer in of_layers]
                batch = _Batch(z)
                for key in of_z:
                    if key != "saturated_fraction":
                        table.put(key, places, batch.statistic(key))
                if "saturated_fraction" in of_z:
                    self._measure_saturation(batch, of_layers, z, places, table)

    def _measure_saturation(
        self,
        batch: "_Batch",
        of_layers: list[Any],
        z: list[list[Any]],
        places: list[int],
        table: "_Table",
    ) -> None:
        functions = [s.function for layer in of_layers for s in layer]
        tensors = [tensor for of_layer in z for tensor in of_layer]
        greatest = [
            self._max_slope(function, tensor.shape[1:])
            for function, tensor in zip(functions, tensors, strict=True)
        ]
        if np.isnan(greatest).any():
            return
        slope = backends.current().slope
        is_one_function = all(function is functions[0] for function in functions)
        if is_one_function and len(tensors[0].shape) == 2:
            slopes = slope(functions[0], batch.entries) / greatest[0]
        else:  # an activation may have parameters for each position
            each = zip(functions, tensors, greatest, strict=True)
            slopes = _joined([slope(f, measures.widen(t)) / g for f, t, g in each])
        is_flat = ops.abs(slopes) < measures.SATURATED_SLOPE
        saturated = batch.share_of_units(is_flat, above=0.5)
        table.put("saturated_fraction", places, saturated)

    def _max_slope(self, function: Callable[[Any], Any], shape: Sequence[Any]) -> float:
        """The greatest |f'| between -10 and 10; NaN if f is not elementwise."""
        _, max_slope = self._max_slopes.get(id(function), (None, None))
        if max_slope is None:
            max_slope = backends.current().eagerly(
                lambda: greatest_slope(function, shape)
            )
            self._max_slopes[id(function)] = function, max_slope
        return max_slope


class _Table:
    """Numbers of keys and layers, put together in one operation.

    Args:
        num_layers: how many layers there are.
    """

    def __init__(self, num_layers: int) -> None:
        self._num_layers = num_layers
        self._parts: list[Any] = []
        self._size = 1  # the first is NaN
        self._places: dict[str, np.ndarray] = {}

    def put(self, key: str, layers: Sequence[int], values: Any) -> None:
        """Takes in one key of some layers: a vector of as many values."""
        places = self._places.setdefault(key, np.zeros(self._num_layers, "int32"))
        places[layers] = np.arange(self._size, self._size + len(layers))
        self._parts.append(values)
        self._size += len(layers)

    def vector(self, keys: Sequence[str]) -> Any:
        """By key and then by layer, shape (keys * layers,); NaN where nothing was put.

        It is float64 if any of the values is, else float32.
        """
        dtypes = {keras.backend.standardize_dtype(part.dtype) for part in self._parts}
        dtype = "float64" if "float64" in dtypes else "float32"
        nothing = np.zeros(self._num_layers, "int32")
        order = [self._places.get(key, nothing) for key in keys]
        parts = [ops.full((1,), NAN, dtype)]
        parts += [ops.cast(part, dtype) for part in self._parts]
        return ops.take(ops.concatenate(parts), np.concatenate([nothing[:0], *order]))


class _Batch:
    """The signals of layers of one width, one batch behind the other.

    A layer may be called several times, and batches may have any length, which a graph
    does not know.

    Args:
        signals: for each layer a list of tensors of shape (..., units).
    """

    def __init__(self, signals: list[list[Any]]) -> None:
        self._count = len(signals)
        self._units = signals[0][0].shape[-1]
        self.entries = _joined([tensor for layer in signals for tensor in layer])
        sizes = [[_rows_of(tensor) for tensor in of_layer] for of_layer in signals]
        totals = [sum(of_layer) for of_layer in sizes]
        self._is_even = all(isinstance(t, int) and t == totals[0] for t in totals)
        self._lengths = ops.cast(ops.stack(totals), self.entries.dtype)
        if not self._is_even:
            positions = ops.arange(ops.shape(self.entries)[0], dtype="int32")
            ends = ops.cast(ops.cumsum(ops.stack(totals)), "int32")
            self._owners = ops.cast(
                ops.searchsorted(ends, positions, side="right"), "int32"
            )

    def statistic(self, key: str) -> Any:
        """One of mean, variance or dead_fraction of each layer, shape (layers,)."""
        if key.endswith("mean"):
            return self._means(self.entries)
        if key.endswith("variance"):
            mean = self._means(self.entries)
            deviation = self.entries - self._of_entries(mean)
            rest = self._means(deviation)  # of the rounding of the mean
            variance = self._means(ops.square(deviation)) - ops.square(rest)
            return ops.maximum(variance, 0)
        return self.share_of_units(ops.equal(self.entries, 0), above=1 - 1e-6)

    def share_of_units(self, condition: Any, above: float) -> Any:
        """The share of units for which it holds in more than a share of the batch."""
        holds = self._sums(ops.cast(condition, self.entries.dtype))
        often = ops.greater(holds, above * self._lengths[:, None])
        return ops.mean(ops.cast(often, "float32"), axis=1)

    def _means(self, entries: Any) -> Any:
        return ops.sum(self._sums(entries), axis=1) / (self._lengths * self._units)

    def _sums(self, entries: Any) -> Any:
        """Of each layer and unit over its batch: shape (layers, units)."""
        if self._is_even:
            return ops.sum(ops.reshape(entries, (self._count, -1, self._units)), axis=1)
        return ops.segment_sum(entries, self._owners, num_segments=self._count)

    def _of_entries(self, of_layers: Any) -> Any:
        """A number of each layer for each row of its batch, shape (rows, 1)."""
        if self._is_even:
            rows = self.entries.shape[0] // self._count
            return ops.repeat(of_layers, rows)[:, None]
        return ops.take(of_layers, self._owners)[:, None]


def in_stacks(tensors: Sequence[Any]) -> list[tuple[list[int], Any]]:
    """The tensors that are there, those of one shape together: places, and a stack."""
    groups: dict[Any, list[int]] = {}
    for place, tensor in enumerate(tensors):
        if tensor is not None:
            shape = tuple(tensor.shape)
            is_small = math.prod(shape) <= MAX_STACKED
            groups.setdefault((shape, tensor.dtype) if is_small else place, []).append(
                place
            )
    return [
        (places, ops.stack([tensors[place] for place in places]))
        if len(places) > 1
        else (places, ops.expand_dims(tensors[places[0]], 0))
        for places in groups.values()
    ]


def greatest_slope(function: Callable[[Any], Any], shape: Sequence[Any]) -> float:
    """The greatest |f'| between -10 and 10; NaN if f is not elementwise.

    Args:
        function: f.
        shape: of what it takes, without the batch.
    """
    backend = backends.current()
    # At each point the same number in all units: what a softmax does not change.
    points = np.linspace(-10, 10, num=201, dtype="float32")
    shape = [1 if size is None else size for size in shape]
    grid = np.broadcast_to(points.reshape(-1, *(1 for _ in shape)), (201, *shape))
    try:
        if not backend.is_pure(function, grid.shape):
            return NAN
        tensor = ops.convert_to_tensor(grid)
        is_elementwise = tuple(function(tensor).shape) == grid.shape
        slopes = ops.convert_to_numpy(backend.slope(function, tensor))
        largest = float(np.max(np.abs(slopes)))
    except Exception:  # whatever the user's own function raises here
        return NAN
    return largest if is_elementwise and largest > ROUNDING else NAN


def _alike(signals: Sequence[Sequence[Signal]]) -> list[list[int]]:
    """Layers whose signals can be measured together: of one width and one function."""
    groups: dict[Any, list[int]] = {}
    for place, of_layer in enumerate(signals):
        if of_layer:
            kinds = {
                (id(s.function), tuple(s.caught_activation.shape[1:]), s.has_z)
                for s in of_layer
            }
            key = kinds.pop() if len(kinds) == 1 else place
            groups.setdefault(key, []).append(place)
    return list(groups.values())


def _joined(tensors: Sequence[Any]) -> Any:
    """Signals of one width as one batch, wide: shape (rows, units)."""
    units = tensors[0].shape[-1]
    flat = [ops.reshape(measures.widen(tensor), (-1, units)) for tensor in tensors]
    return flat[0] if len(flat) == 1 else ops.concatenate(flat)


def _rows_of(tensor: Any) -> Any:
    """How many vectors of units a signal has; a tensor where only a graph knows."""
    return math.prod(ops.shape(tensor)[:-1])


def _histogram(tensors: Sequence[Any]) -> Any:
    """One histogram of several tensors; NaN if there is none."""
    if not tensors:
        return ops.full((log_bins.NUM_BINS,), NAN, "float32")
    indices = [log_bins.indices(measures.widen(tensor)) for tensor in tensors]
    # What is not finite has a place behind the others.
    counts = backends.current().count(ops.concatenate(indices), log_bins.NUM_BINS + 1)
    return counts[:-1]
