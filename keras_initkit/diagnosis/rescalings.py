"""The factors that correct kernels with the wrong scale."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from keras_initkit.diagnosis.facts import LayerFacts, NetworkFacts
from keras_initkit.diagnosis.remedies import closing_layers
from keras_initkit.diagnosis.start import SCALE, USUAL_MISFIT, Suspicion, misfit

TOO_LARGE, _ = SCALE


class Rescaling(NamedTuple):
    """A kernel that was multiplied by a factor.

    Attributes:
        step: the next step of the optimizer, the first with the new kernel.
        layer: the layer's name.
        factor: the positive factor.
        reason: what was wrong, in words.
    """

    step: int
    layer: str
    factor: float
    reason: str


def of_start(network: NetworkFacts, suspicions: Sequence[Suspicion]) -> list[Rescaling]:
    """Gives each kernel that the diagnosis names the scale that it suggests.

    This is `fan_in mean(W^2) E[f(u)^2] = 1` for u ~ N(0, 1), He's scale for ReLU. In a
    residual network, the last kernels of the branches get that divided by their number,
    as in `ScaledDepth`, and the last layer gets Glorot's scale. If the diagnosis names
    a kernel as too large, these two kinds are also judged by their own scales.

    Args:
        network: the facts from the first batch.
        suspicions: the suspicions from the first batch.
    """
    problems = {
        name: suspicion.finding.problem
        for suspicion in suspicions
        if suspicion.finding.problem in SCALE
        for name in suspicion.finding.layers
    }
    is_large = TOO_LARGE in problems.values()
    closing = closing_layers(network) if network.is_residual else []
    rescalings = []
    for layer in network.layers:
        decades = _excess(layer, closing, layer.name == network.output)
        is_hidden_cause = is_large and decades > USUAL_MISFIT
        is_hidden_cause &= not layer.is_scale_invariant
        if math.isfinite(decades) and (layer.name in problems or is_hidden_cause):
            power = 10**decades
            reason = (
                f"{problems.get(layer.name, TOO_LARGE)}: fan_in mean(W^2) was "
                f"{power:.3g} times what keeps the signal"
            )
            rescalings.append(Rescaling(0, layer.name, power**-0.5, reason))
    return rescalings


def _excess(layer: LayerFacts, closing: Sequence[str], is_output: bool) -> float:
    """The decades by which a kernel's power is above the right one for its place."""
    if is_output and math.isfinite(layer.fan_in):
        glorot = 2 * layer.fan_in / (layer.fan_in + layer.units)
        return math.log10(layer.power / glorot) if layer.power > 0 else -math.inf
    return misfit(layer) + (math.log10(len(closing)) if layer.name in closing else 0.0)


def of_jumps(
    layers: Sequence[str], records: Iterable[tuple[int, np.ndarray]]
) -> list[Rescaling]:
    """The rescalings that undo jumps of kernels between the last two of three records.

    A kernel jumps if its norm changes by more than 2.5 times the factor before. In
    powers, which are squares of norms, this is the misfit at which the diagnosis names
    a kernel at the start.

    >>> norms = np.array([[8.0, 8.0], [8.1, 8.1], [81.0, 8.2]])
    >>> [event] = of_jumps(["a", "b"], zip([180, 190, 200], norms))
    >>> event.step, event.layer, round(event.factor, 6)
    (201, 'a', 0.1)

    Args:
        layers: the names of the kernels' layers.
        records: three pairs of a step and the norms of the kernels before it, of shape
            `(layers,)`.
    """
    (_, first), (last_step, last), (step, now) = records
    with np.errstate(divide="ignore", invalid="ignore"):
        earlier, latest = np.diff(np.log10([first, last, now]), axis=0)
    jumps = np.abs(latest) - np.abs(earlier) > USUAL_MISFIT / 2
    return [
        Rescaling(
            step + 1,
            layers[i],
            float(last[i] / now[i]),
            f"its norm jumped from {last[i]:.3g} at step {last_step} to {now[i]:.3g} "
            f"at step {step}",
        )
        for i in np.flatnonzero(jumps & np.isfinite(latest)).tolist()
    ]
