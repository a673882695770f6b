"""The columns of a signal report, from a pass through the model."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_initkit import backends
from keras_initkit.kernels.fans import KernelFans, kernel_fans
from keras_initkit.kernels.intention import intention_of
from keras_initkit.kernels.kernel import owners
from keras_initkit.kernels.origin import initializer_name
from keras_initkit.report.signal_pass import KernelSignal, SignalPass
from keras_initkit.stats import measures
from keras_initkit.stats.row import greatest_slope
from keras_initkit.theory.elementwise import ElementwiseFunction, elementwise_function
from keras_initkit.theory.gaussian_average import gaussian_samples
from keras_initkit.theory.variance import variance

# The kernels that a layer applies one after another.
APPLIED = ("kernel", "depthwise_kernel", "pointwise_kernel")
# The value of `as_intended` if the variance does not matter.
SCALE_INVARIANT = "scale-invariant"
OF_SIGNAL = (
    "predicted_variance",
    "measured_variance",
    "predicted_gradient_variance",
    "gradient_variance",
    "dead_fraction",
    "saturated_fraction",
)


def signal_columns(
    model: keras.Model,
    signal_pass: SignalPass,
    loss_scale: float,
) -> dict[str, list[Any]]:
    """The columns of `signal_report`, with a row for each of `signal_pass.kernels`.

    Args:
        model: the model, with the weights of the pass.
        signal_pass: the pass, after its run.
        loss_scale: the factor of the loss.
    """
    made_by = owners(model)
    signals = signal_pass.first_signals()
    activations = _Activations()
    rows = []
    for kernel in signal_pass.kernels:
        row = _of_weights(made_by[id(kernel.variable)], kernel)
        if id(kernel.variable) in signal_pass.scale_invariant:
            row["as_intended"] = SCALE_INVARIANT
        signal_ = signals.get(id(kernel.variable))
        of_signal = dict.fromkeys(OF_SIGNAL, math.nan)
        if signal_ is not None:
            of_signal = _of_signal(signal_, loss_scale, activations)
            _forget_predictions(of_signal, signal_, signal_pass.scale_invariant)
        rows.append({**row, **of_signal})
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["gain"] = _gains(columns["measured_variance"])
    return columns


def _forget_predictions(
    row: dict[str, float], signal: KernelSignal, scale_invariant: set[int]
) -> None:
    """Removes predictions from the variance of a kernel that does not matter."""
    if id(signal.kernel) in scale_invariant:
        row["predicted_variance"] = math.nan
    if signal.follower and id(signal.follower.kernel) in scale_invariant:
        row["predicted_gradient_variance"] = math.nan


class _Activations:
    """Facts about activations, computed once for all layers with the same one."""

    def __init__(self) -> None:
        # By their ids, because a user's callable may have no hash.
        self._elementwise: dict[int, ElementwiseFunction] = {}
        self._greatest_slopes: dict[tuple[int, tuple[int, ...]], float] = {}

    def mean_square_slope(self, function: Callable[[Any], Any], q: float) -> float:
        """E[f'(z)^2] for z ~ N(0, q); NaN if there is none."""
        try:
            if id(function) not in self._elementwise:
                self._elementwise[id(function)] = elementwise_function(function)
            samples = gaussian_samples(self._elementwise[id(function)], q)
        except Exception:  # the user's function may raise anything
            return math.nan
        return samples.average(samples.slopes**2)

    def saturated_fraction(self, function: Callable[[Any], Any], z: Any) -> float:
        """The share of units, for z of shape (batch, ..., units); NaN if unknown."""
        # One position stands for all, because they share the function.
        shape = (*(1 for _ in z.shape[1:-1]), z.shape[-1])
        key = id(function), shape
        if key not in self._greatest_slopes:
            greatest = greatest_slope(function, shape)
            self._greatest_slopes[key] = greatest
        if math.isnan(self._greatest_slopes[key]):
            return math.nan
        slope = backends.current().slope(function, z)
        fraction = measures.saturated_fraction(slope, self._greatest_slopes[key])
        return float(fraction)


def _of_weights(layer: Any, kernel: KernelFans) -> dict[str, Any]:
    intended = intention_of(layer, kernel)
    measured = variance(kernel.variable)
    fan_in = kernel.fan_in
    return {
        # Only a stride leaves a fraction.
        "fan_in": int(fan_in) if fan_in == int(fan_in) else fan_in,
        "initializer": initializer_name(intended.initializer),
        "weight_variance": measured,
        "intended_variance": intended.variance,
        "interval_low": intended.low,
        "interval_high": intended.high,
        "as_intended": intended.is_met(measured),
    }


def _of_signal(
    signal: KernelSignal, loss_scale: float, activations: _Activations
) -> dict[str, float]:
    predicted_gradient = _predicted_gradient(signal, activations)
    dead = measures.dead_fraction(signal.caught_activation)
    z = measures.widen(signal.z)
    return {
        "predicted_variance": _predicted_variance(signal),
        "measured_variance": variance(signal.z),
        "predicted_gradient_variance": predicted_gradient / loss_scale**2,
        "gradient_variance": variance(signal.gradient) / loss_scale**2,
        "dead_fraction": float(dead),
        "saturated_fraction": activations.saturated_fraction(signal.function, z),
    }


def _predicted_variance(signal: KernelSignal) -> float:
    layer = signal.layer
    predicted = _mean_square(signal.inputs)
    for kernel in _applied(layer):
        predicted *= kernel.fan_in * _mean_square(kernel.variable)
    bias = getattr(layer, "bias", None)
    return predicted + (0.0 if bias is None else _mean_square(bias))


def _predicted_gradient(signal: KernelSignal, activations: _Activations) -> float:
    if signal.follower is None:
        return math.nan
    predicted = _mean_square(signal.follower.gradient)
    for kernel in _applied(signal.follower.layer):
        predicted *= kernel.fan_out * _mean_square(kernel.variable)
    mean_square_slope = activations.mean_square_slope(
        signal.function, _mean_square(signal.z)
    )
    return predicted * mean_square_slope


def _gains(variances: list[float]) -> list[float]:
    gains, before = [], math.nan
    for measured in variances:
        gains.append(measured / before if before else math.nan)
        before = before if math.isnan(measured) else measured
    return gains


def _applied(layer: Any) -> list[KernelFans]:
    return [k for k in kernel_fans(layer) if k.variable.name in APPLIED]


def _mean_square(tensor: Any) -> float:
    values = np.asarray(keras.ops.convert_to_numpy(tensor), "float64")
    return float(np.mean(np.square(values)))
