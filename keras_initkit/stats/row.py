"""One row: the chosen statistics of all layers at one update, as a pure function."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit import backends
from keras_initkit.kernels.signals import Signal
from keras_initkit.stats import log_bins, measures
from keras_initkit.stats.statistics import Statistics

NAN = float("nan")
ROUNDING = 1e-5  # the rounding error of a softmax's slope
HISTOGRAM_SOURCES = ("weight", "gradient", "pre_activation")


class Row:
    """Computes the statistics of n layers from the tensors of one update.

    Every method returns one vector, by statistic and then by layer, in the order of
    `statistics.keys`, with NaN if a layer has no such tensor.

    Args:
        statistics: the statistics to compute.
        unmeasurable: by the name of a user's own function, the shapes that it cannot
            measure.
    """

    def __init__(
        self,
        statistics: Statistics,
        unmeasurable: Mapping[str, Collection[tuple[int, ...]]] | None = None,
    ) -> None:
        self._statistics = statistics
        self._unmeasurable = unmeasurable or {}
        self._max_slopes: dict[int, tuple[Any, float]] = {}

    def of_tensors(self, weights: Sequence[Any], gradients: Sequence[Any]) -> Any:
        """The statistics of weights and gradients: a vector, or None for nothing.

        Args:
            weights: before the update, one for each layer.
            gradients: dense and without any loss scale; None for a layer without one.
        """
        keys = self._statistics.of_tensors
        table = _Table(len(weights))
        self._measure_tensors("weight", weights, table)
        self._measure_tensors("gradient", gradients, table)
        if self._statistics.duplicates:
            for places in _of_one_width(gradients):
                of_weights = [weights[place] for place in places]
                of_gradients = [gradients[place] for place in places]
                fractions = measures.duplicate_fractions(of_weights, of_gradients)
                table.put("duplicate_fraction", places, fractions)
        return table.vector(keys) if keys else None

    def of_signals(self, signals: Sequence[Sequence[Signal]]) -> Any:
        """The statistics of the forward pass: a vector, or None for nothing.

        Args:
            signals: for each layer, the signals of all its calls.
        """
        keys = self._statistics.forward
        table = _Table(len(signals))
        if keys:
            self._measure_signals(signals, table)
        return table.vector(keys) if keys else None

    def of_update(self, before: Sequence[Any], after: Sequence[Any]) -> Any:
        """update_ratio of each layer: shape (layers,)."""
        table = _Table(len(before))
        ratios = measures.update_ratios(before, after)
        table.put("update_ratio", range(len(before)), ratios)
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
        there = [place for place, tensor in enumerate(tensors) if tensor is not None]
        if not there:
            return
        shared = [name for name in names if name in measures.TENSOR_MEASURES]
        if shared:
            of_all = measures.of_entries([tensors[place] for place in there], shared)
            for name, values in of_all.items():
                table.put(f"{source}_{name}", there, values)
        for name, function in self._statistics.functions.items():
            unmeasurable = self._unmeasurable.get(name, ())
            places = [p for p in there if tuple(tensors[p].shape) not in unmeasurable]
            if places:
                values = [function(measures.widen(tensors[p])) for p in places]
                table.put(f"{source}_{name}", places, _stacked(values))

    def _measure_signals(
        self, signals: Sequence[Sequence[Signal]], table: "_Table"
    ) -> None:
        there = [place for place, of_layer in enumerate(signals) if of_layer]
        if not there:
            return
        z, activations = [], []
        for place in there:
            of_layer = [signal.tensors() for signal in signals[place]]
            activations.append(_joined([a for _, a in of_layer]))
            z.append([z for z, _ in of_layer])
        self._measure_moments("activation", there, activations, table)
        if "dead_fraction" in self._statistics.forward:
            for numbers in _of_one_width(activations):
                dead = measures.dead_fractions([activations[n] for n in numbers])
                table.put("dead_fraction", [there[n] for n in numbers], dead)
        known = [
            n for n, of_layer in enumerate(z) if all(t is not None for t in of_layer)
        ]
        if known:
            places = [there[number] for number in known]
            joined = [_joined(z[number]) for number in known]
            self._measure_moments("pre_activation", places, joined, table)
        if "saturated_fraction" in self._statistics.forward:
            slopes = [
                self._slopes([signal.function for signal in signals[there[n]]], z[n])
                for n in known
            ]
            for numbers in _of_one_width(slopes):
                saturated = measures.saturated_fractions(
                    [slopes[n] for n in numbers], max_slope=1.0
                )
                places = [there[known[n]] for n in numbers]
                table.put("saturated_fraction", places, saturated)

    def _measure_moments(
        self, source: str, places: list[int], tensors: list[Any], table: "_Table"
    ) -> None:
        keys = [k for k in self._statistics.forward if k.startswith(f"{source}_")]
        if keys:
            names = [key.removeprefix(f"{source}_") for key in keys]
            moments = measures.of_entries(tensors, names)
            for key, name in zip(keys, names, strict=True):
                table.put(key, places, moments[name])

    def _slopes(self, functions: Sequence[Any], z: Sequence[Any]) -> Any:
        """f'(z) / max |f'| for all calls, each with its function; None if unknown."""
        slopes = []
        for function, tensor in zip(functions, z, strict=True):
            max_slope = self._max_slope(function, tensor.shape[1:])
            if np.isnan(max_slope):
                return None
            slope = backends.current().slope(function, measures.widen(tensor))
            slopes.append(slope if max_slope == 1 else slope / max_slope)
        return _joined(slopes)

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
    """Collects the numbers of keys and layers, and joins them in one operation.

    Args:
        num_layers: the number of layers.
    """

    def __init__(self, num_layers: int) -> None:
        self._num_layers = num_layers
        self._parts: list[Any] = []
        self._size = 1  # the first is NaN
        self._places: dict[str, np.ndarray] = {}

    def put(self, key: str, layers: Sequence[int], values: Any) -> None:
        """Adds one key of some layers, as a vector with a value for each."""
        places = self._places.setdefault(key, np.zeros(self._num_layers, "int32"))
        places[layers] = np.arange(self._size, self._size + len(layers))
        self._parts.append(values)
        self._size += len(layers)

    def vector(self, keys: Sequence[str]) -> Any:
        """All values by key and then by layer, shape (keys * layers,).

        Missing values are NaN. It is float64 if any of the values is, else float32.
        """
        dtypes = {keras.backend.standardize_dtype(part.dtype) for part in self._parts}
        dtype = "float64" if "float64" in dtypes else "float32"
        nothing = np.zeros(self._num_layers, "int32")
        order = [self._places.get(key, nothing) for key in keys]
        parts = [ops.full((1,), NAN, dtype)]
        parts += [ops.cast(part, dtype) for part in self._parts]
        return ops.take(ops.concatenate(parts), np.concatenate([nothing[:0], *order]))


def greatest_slope(function: Callable[[Any], Any], shape: Sequence[Any]) -> float:
    """The greatest |f'| between -10 and 10; NaN if f is not elementwise.

    Args:
        function: f.
        shape: the shape of its input, without the batch.
    """
    backend = backends.current()
    # The same number in all units at each point, which a softmax does not change.
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
    except Exception:  # the user's function may raise anything
        return NAN
    return largest if is_elementwise and largest > ROUNDING else NAN


def _of_one_width(tensors: Sequence[Any]) -> list[list[int]]:
    """The positions of the tensors that are not None, by the width of their layer."""
    groups: dict[int, list[int]] = {}
    for place, tensor in enumerate(tensors):
        if tensor is not None:
            groups.setdefault(measures.units_of(tensor), []).append(place)
    return list(groups.values())


def _stacked(scalars: Sequence[Any]) -> Any:
    dtypes = {keras.backend.standardize_dtype(s.dtype) for s in map(_tensor, scalars)}
    dtype = "float64" if "float64" in dtypes else "float32"
    return ops.stack([ops.cast(ops.reshape(s, ()), dtype) for s in scalars])


def _tensor(scalar: Any) -> Any:
    return ops.convert_to_tensor(scalar)


def _joined(tensors: Sequence[Any]) -> Any:
    """All calls of a layer as one batch, widened."""
    if len(tensors) == 1:
        return measures.widen(tensors[0])
    units = tensors[0].shape[-1]
    flat = [ops.reshape(measures.widen(tensor), (-1, units)) for tensor in tensors]
    return ops.concatenate(flat)


def _histogram(tensors: Sequence[Any]) -> Any:
    """One histogram of several tensors; NaN if there is none."""
    if not tensors:
        return ops.full((log_bins.NUM_BINS,), NAN, "float32")
    indices = [log_bins.indices(measures.widen(tensor)) for tensor in tensors]
    # Entries that are not finite go into an extra bin.
    counts = backends.current().count(ops.concatenate(indices), log_bins.NUM_BINS + 1)
    return counts[:-1]
