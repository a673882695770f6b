"""What to multiply kernels by, where their scale is found wrong."""

import math
from collections.abc import Iterable, Sequence
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


def of_jumps(
    layers: Sequence[str], records: Iterable[tuple[int, np.ndarray]]
) -> list[Rescaling]:
    """Takes back what has multiplied kernels between the last two of three records.

    A kernel jumps if its norm changes by a factor that is more than 2.5 times the one
    before. In powers, which are squares of norms, that is the misfit from which on the
    diagnosis names a kernel at the start.

    >>> norms = np.array([[8.0, 8.0], [8.1, 8.1], [81.0, 8.2]])
    >>> [event] = of_jumps(["a", "b"], zip([180, 190, 200], norms))
    >>> event.step, event.layer, round(event.factor, 6)
    (201, 'a', 0.1)

    Args:
        layers: their names.
        records: three of a step and the norms of the kernels before it, of shape
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
