"""What to multiply kernels by, where their scale is found wrong."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_initkit.diagnosis.facts import NetworkFacts
from keras_initkit.diagnosis.remedies import closing_layers
from keras_initkit.diagnosis.start import SCALE, USUAL_MISFIT, Suspicion, misfit


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


class Sizes(NamedTuple):
    """What was recorded of kernels at one step.

    Attributes:
        step: the step.
        norms: of the kernels before it, of shape `(layers,)`.
        update_ratios: what it changed, as shares of the norms, likewise.
    """

    step: int
    norms: np.ndarray
    update_ratios: np.ndarray


def of_start(network: NetworkFacts, suspicions: Sequence[Suspicion]) -> list[Rescaling]:
    """Gives each kernel that the diagnosis names the scale that keeps the signal.

    That is `fan_in mean(W^2) E[f(u)^2] = 1` for u ~ N(0, 1), He's scale for ReLU. In a
    residual network, the kernels that close the branches get that divided by their
    number, as `ScaledDepth` does.

    Args:
        network: as the first batch found it.
        suspicions: what is suspect in it.
    """
    problems = {
        name: suspicion.finding.problem
        for suspicion in suspicions
        if suspicion.finding.problem in SCALE
        for name in suspicion.finding.layers
    }
    closing = closing_layers(network) if network.is_residual else []
    rescalings = []
    for layer in network.layers:
        decades = misfit(layer)
        if layer.name in problems and math.isfinite(decades):
            power = 10**decades * (len(closing) if layer.name in closing else 1)
            reason = (
                f"{problems[layer.name]}: fan_in mean(W^2) was {power:.3g} times what "
                "keeps the signal"
            )
            rescalings.append(Rescaling(0, layer.name, power**-0.5, reason))
    return rescalings


def of_jumps(layers: Sequence[str], last: Sizes, now: Sizes) -> list[Rescaling]:
    """Takes back what has multiplied kernels from one record to the next.

    A kernel whose norm has changed by more than the optimizer's own steps allow, each
    as large as the larger one of those that were recorded, was multiplied by something
    else. Up to a factor of 2.5, as large as a misfit is at the start, it is left.

    >>> small = np.array([0.01, 0.01])
    >>> last = Sizes(190, np.array([8.0, 8.0]), small)
    >>> [event] = of_jumps(["a", "b"], last, Sizes(200, np.array([80.0, 8.1]), small))
    >>> event.step, event.layer, event.factor
    (201, 'a', 0.1)

    Args:
        layers: their names.
        last: what was recorded before.
        now: what was recorded of the step that was taken last.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = last.norms / now.norms
        jumps = np.abs(np.log10(factors))
    ratios = np.maximum(last.update_ratios, now.update_ratios)
    allowed = (now.step - last.step) * np.log10(1 + ratios)
    # A power is the square of a norm.
    found = np.isfinite(jumps) & (jumps - allowed > USUAL_MISFIT / 2)
    return [
        Rescaling(
            now.step + 1,
            layers[i],
            float(factors[i]),
            f"its norm went from {last.norms[i]:.3g} at step {last.step} to "
            f"{now.norms[i]:.3g} at step {now.step}, which the steps of the optimizer "
            "do not explain",
        )
        for i in np.flatnonzero(found)
    ]
