"""Turns a model and its first batch into the facts for the diagnosis."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_initkit.backends import keras_private
from keras_initkit.diagnosis.facts import LayerFacts, NetworkFacts
from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.signals import ACTIVATIONS
from keras_initkit.report.signal_pass import KernelSignal, SignalPass
from keras_initkit.theory.elementwise import elementwise_function
from keras_initkit.theory.gaussian_average import gaussian_samples

_layers = keras.layers
NORMALIZATIONS = (
    _layers.BatchNormalization,
    _layers.LayerNormalization,
    _layers.GroupNormalization,
    _layers.UnitNormalization,
    _layers.RMSNormalization,
)
# With fewer, a mean is too uncertain.
MIN_SAMPLES = 8
SUMS = (_layers.Add, _layers.Average)


def network_facts(
    model: keras.Model,
    x: Any,
    y: Any = None,
    layers: Sequence[LayerFacts] = (),
) -> NetworkFacts:
    """The facts about a model and its first batch.

    Args:
        model: a built `keras.Model`.
        x: the batch.
        y: its targets.
        layers: see `layer_facts`.
    """
    optimizer = getattr(model, "optimizer", None)
    parts = keras_private.layers_of(model, include_self=False)
    loss, from_logits = _loss(model)
    inputs, targets = _numbers(x), _numbers(y)
    output = _output_layer(model)
    activation, units = _output_activation(model, output)
    facts = NetworkFacts(
        layers=tuple(layers),
        output="" if output is None else _name(model, output),
        output_units=units,
        output_activation=activation,
        loss=loss,
        from_logits=from_logits,
        optimizer=type(optimizer).__name__ if optimizer else "",
        learning_rate=_learning_rate(optimizer),
        is_normalized=any(isinstance(part, NORMALIZATIONS) for part in parts),
        is_residual=any(isinstance(part, SUMS) for part in parts)
        or _adds_by_operator(model),
        bad_inputs=_bad_share(inputs),
        bad_targets=_bad_share(targets),
    )
    has_indices = any(isinstance(part, _layers.Embedding) for part in parts)
    if inputs is not None and inputs.size and not has_indices:
        facts = facts._replace(
            input_mean=float(inputs.mean()),
            input_mean_square=float(np.mean(np.square(inputs))),
        )
    if targets is None or not targets.size or facts.bad_targets:
        return facts
    is_enough = len(targets) >= MIN_SAMPLES
    return facts._replace(
        target_low=float(targets.min()),
        target_high=float(targets.max()),
        targets_sum_to_one=bool(np.allclose(targets.sum(axis=-1), 1, atol=0.01)),
        chance_loss=_chance_loss(loss, targets) if is_enough else math.nan,
    )


def layer_facts(
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    signal_pass: SignalPass,
) -> list[LayerFacts]:
    """The facts of each row of a signal report.

    Args:
        names: the names of the layers.
        columns: the columns of the report.
        signal_pass: the pass that the report was made from.
    """
    signals = signal_pass.first_signals()
    moments: dict[int, tuple[float, float]] = {}
    facts = []
    for row, (kernel, name) in enumerate(zip(signal_pass.kernels, names, strict=True)):
        values = _wide(kernel.variable)
        layer = LayerFacts(
            name=name,
            units=values.shape[-1],
            power=kernel.fan_in * float(np.mean(np.square(values))),
            fan_in=float(kernel.fan_in),
            z_variance=columns["measured_variance"][row],
            gradient_variance=columns["gradient_variance"][row],
            dead=columns["dead_fraction"][row],
            saturated=columns["saturated_fraction"][row],
            is_scale_invariant=id(kernel.variable) in signal_pass.scale_invariant,
        )
        signal = signals.get(id(kernel.variable))
        if signal is not None:
            function = signal.function
            if id(function) not in moments:
                moments[id(function)] = _moments(function)
            layer = _with_signal(layer, signal, *moments[id(function)])
        facts.append(layer)
    return facts


def _with_signal(
    layer: LayerFacts, signal: KernelSignal, mean_square: float, slope: float
) -> LayerFacts:
    inputs = _wide(signal.inputs)
    bias = getattr(signal.layer, "bias", None)
    weights = [_wide(signal.kernel)] + ([] if bias is None else [_wide(bias)])
    return layer._replace(
        activation=_function_name(signal.function),
        mean_square=mean_square,
        mean_square_slope=slope,
        input_mean=float(inputs.mean()),
        input_mean_square=float(np.mean(np.square(inputs))),
        bias_mean_square=0.0 if bias is None else float(np.mean(_wide(bias) ** 2)),
        identical_weights=_identical(weights),
        identical=_identical([*weights, _wide(signal.gradient)]),
    )


def _identical(tensors: Sequence[np.ndarray]) -> float:
    """Share of units that equal another one in all tensors; NaN if unknown."""
    units = tensors[0].shape[-1]
    if any(tensor.shape[-1] != units for tensor in tensors):
        return math.nan
    parts = [tensor.reshape(-1, units) for tensor in tensors]
    # Equal up to the rounding of float32, which depends on the order of a sum.
    scaled = [part / (np.abs(part).max() or 1) for part in parts]
    _, inverse, counts = np.unique(
        np.round(np.concatenate(scaled), 5),
        axis=1,
        return_inverse=True,
        return_counts=True,
    )
    return float(np.mean(counts[np.ravel(inverse)] > 1))


def _moments(function: Any) -> tuple[float, float]:
    """E[f(u)^2] and E[f'(u)^2] for u ~ N(0, 1); NaN if f is not elementwise."""
    try:
        samples = gaussian_samples(elementwise_function(function), 1.0)
    except Exception:  # the user's function may raise anything
        return math.nan, math.nan
    return samples.average(samples.values, 2), samples.average(samples.slopes, 2)


def _function_name(function: Any) -> str:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ACTIVATIONS):
        inner = getattr(owner, "activation", None)
        return _function_name(inner) if inner else type(owner).__name__
    return getattr(function, "__name__", type(function).__name__)


def _loss(model: Any) -> tuple[str, bool]:
    """The name of the only loss, and whether it takes logits."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if loss is None or isinstance(loss, (list, tuple, dict)):
        return "", False
    name = getattr(loss, "__name__", None) or getattr(loss, "name", "")
    return str(name), bool(getattr(loss, "from_logits", False))


def _output_layer(model: Any) -> Any:
    """The layer of the only output, before any activation or change of shape."""
    if len(getattr(model, "outputs", None) or []) != 1:
        return None
    tensor = model.outputs[0]
    while True:
        call, _ = keras_private.call_that_made(tensor)
        if isinstance(call.operation, keras.Model):
            return _output_layer(call.operation)
        if getattr(call.operation, "kernel", None) is not None:
            return call.operation
        if len(call.arguments.keras_tensors) != 1:
            return None
        [tensor] = call.arguments.keras_tensors


def _output_activation(model: Any, output: Any) -> tuple[str, int]:
    if output is None:
        return "", 0
    last = keras_private.call_that_made(model.outputs[0])[0].operation
    if isinstance(last, ACTIVATIONS):
        name = _function_name(last.call)
    else:
        name = _function_name(
            getattr(output, "activation", None) or keras.activations.linear
        )
        if last is not output and not isinstance(last, keras.Model):
            name = "linear" if _keeps_values(last) else ""
    return name, int(output.kernel.shape[-1])


def _keeps_values(layer: Any) -> bool:
    return isinstance(layer, (_layers.Flatten, _layers.Reshape))


def _adds_by_operator(model: Any) -> bool:
    return any(
        type(call.operation).__name__ == "Add" for call in keras_private.calls_in(model)
    )


def _name(model: Any, layer: Any) -> str:
    return layer_names(model, [layer.kernel])[0]


def _learning_rate(optimizer: Any) -> float:
    try:
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    except Exception:  # there is none, or the user's own fails
        return math.nan


def _chance_loss(loss: str, targets: np.ndarray) -> float:
    """The loss of the best constant output."""
    if loss == "mean_squared_error":
        return float(np.mean(np.var(targets.reshape(len(targets), -1), axis=0)))
    if loss == "mean_absolute_error":
        flat = targets.reshape(len(targets), -1)
        return float(np.mean(np.abs(flat - np.median(flat, axis=0))))
    if loss == "sparse_categorical_crossentropy":
        _, counts = np.unique(targets, return_counts=True)
        # Miller's correction: the entropy of few samples is too small by this.
        missing = (len(counts) - 1) / (2 * counts.sum())
        highest = math.log(len(counts))
        return min(_entropy(counts / counts.sum()) + missing, highest)
    elif loss == "categorical_crossentropy":
        shares = targets.reshape(-1, targets.shape[-1]).mean(axis=0)
    elif loss == "binary_crossentropy":
        p = targets.reshape(len(targets), -1).mean(axis=0)
        return float(np.mean([_entropy([q, 1 - q]) for q in p]))
    else:
        return math.nan
    return _entropy(shares)


def _entropy(shares: Sequence[float]) -> float:
    positive = [share for share in shares if share > 0]
    return float(-sum(share * math.log(share) for share in positive))


def _numbers(tree: Any) -> np.ndarray | None:
    """The entries of a single array of numbers, or None."""
    leaves = [leaf for leaf in keras.tree.flatten(tree) if leaf is not None]
    if len(leaves) != 1:
        return None
    try:
        values = np.asarray(keras.ops.convert_to_numpy(leaves[0]))
        return values.astype("float64") if values.dtype.kind in "biuf" else None
    except Exception:  # a ragged or sparse tensor
        return None


def _bad_share(values: np.ndarray | None) -> float:
    if values is None or not values.size:
        return 0.0
    return float(np.mean(~np.isfinite(values)))


def _wide(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")
