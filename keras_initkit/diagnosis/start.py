"""Rules of the start: what the first batch shows, before any training."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from keras_initkit.diagnosis.facts import LayerFacts, NetworkFacts
from keras_initkit.diagnosis.finding import CRITICAL, WARNING, Finding
from keras_initkit.diagnosis.mismatch import mismatch
from keras_initkit.diagnosis.problems import CONSEQUENCES
from keras_initkit.diagnosis.remedies import in_layers, kernel_fix

# Decades by which a kernel's power may differ from what its activation needs. The usual
# schemes for a wrong activation are off by 0.3 (Glorot with ReLU) to 0.6.
USUAL_MISFIT = 0.8
# If another layer exceeds USUAL_MISFIT, a layer is blamed from here on.
SOME_MISFIT = 0.5
# Decades over which the variance may shrink, or grow, from the first hidden layer to
# the last.
DRIFT, GROWTH = 3.0, 2.0
CERTAIN_DRIFT = 8.0
# Decades that the variance of the gradient may lose over depth: 1e-3 of its size, as in
# AutoTrainer.
GRADIENT_DRIFT = 6.0
MOST = 0.9
# Inputs beyond which a network learns worse than with scaled ones.
GREAT_INPUTS = 30.0
OFFSET = 30.0  # mean^2 / variance
BOUNDED = ("tanh", "sigmoid", "softsign", "hard_tanh", "hard_sigmoid")
SEEN_AT_START = {"saturated_units", "dead_units"}
SCALE = ("weights_too_large", "weights_too_small")


class Suspicion(NamedTuple):
    """A finding, and whether it is certain before any training.

    An uncertain suspicion becomes a finding only if the training then fails: see
    `course`.
    """

    finding: Finding
    is_certain: bool


def suspicions(network: NetworkFacts) -> list[Suspicion]:
    """The suspicions from the first batch."""
    rules: tuple[Callable[[NetworkFacts], Iterator[Suspicion]], ...] = (
        _not_finite,
        _loss_mismatch,
        _unscaled_data,
        _symmetric_units,
        _scale,
        _dead_or_saturated,
        _gradient,
    )
    found = [suspicion for rule in rules for suspicion in rule(network)]
    certain = {s.finding.problem for s in found if s.is_certain}
    # An effect that is certain makes its suspected cause certain.
    return [
        s._replace(
            is_certain=s.is_certain
            or bool(certain & set(CONSEQUENCES[s.finding.problem]) & SEEN_AT_START)
        )
        for s in found
    ]


def _not_finite(network: NetworkFacts) -> Iterator[Suspicion]:
    for name, share in (("x", network.bad_inputs), ("y", network.bad_targets)):
        if share:
            yield Suspicion(
                Finding(
                    "non_finite",
                    (),
                    0,
                    CRITICAL,
                    f"{share:.2%} of the entries of {name} in the first batch are NaN "
                    "or infinite (normal: none)",
                    f"{name} holds values that are not finite, so the first update "
                    "makes every weight NaN",
                    f"{name} = np.nan_to_num({name}, posinf=0, neginf=0)",
                    "IEEE 754",
                ),
                True,
            )
    broken = tuple(
        layer.name for layer in network.layers if not math.isfinite(layer.power)
    )
    if broken:
        yield Suspicion(
            Finding(
                "non_finite",
                broken,
                0,
                CRITICAL,
                f"the kernels of {len(broken)} layers hold NaN or infinite values",
                "the kernels are not finite before the first update",
                kernel_fix(network, broken),
                "IEEE 754",
            ),
            True,
        )


def _loss_mismatch(network: NetworkFacts) -> Iterator[Suspicion]:
    said = mismatch(network)
    if said is not None:
        evidence, cause, fix = said
        yield Suspicion(
            Finding(
                "loss_activation_mismatch",
                (network.output,),
                0,
                CRITICAL,
                evidence,
                cause,
                "\n".join(
                    in_layers(line, network, (network.output,))
                    if line.startswith(("activation", "units"))
                    else line
                    for line in fix.split("\n")
                ),
                "the definition of the loss",
            ),
            True,
        )


def _unscaled_data(network: NetworkFacts) -> Iterator[Suspicion]:
    mean, mean_square, of = network.input_mean, network.input_mean_square, "x"
    first = network.layers[0] if network.layers else None
    if first is not None and math.isfinite(first.input_mean_square):
        mean, mean_square = first.input_mean, first.input_mean_square
        of = f"the inputs of {first.name}"
    if not math.isfinite(mean_square):
        return
    size = math.sqrt(mean_square)
    deviation = math.sqrt(max(mean_square - mean**2, 0.0))
    has_offset = mean**2 > OFFSET * deviation**2 and abs(mean) > 1
    if size < GREAT_INPUTS and not has_offset and size > 1 / GREAT_INPUTS:
        return
    yield Suspicion(
        Finding(
            "unscaled_data",
            (),
            0,
            CRITICAL,
            f"{of}: mean {mean:.3g}, standard deviation {deviation:.3g} (normal: about "
            "0 and 1)",
            "the inputs are not scaled, and the first layer passes their size on",
            f"x = (x - {mean:.4g}) / {deviation or 1:.4g}",
            "LeCun et al., 1998, Efficient BackProp, section 4.3",
        ),
        False,
    )


def _symmetric_units(network: NetworkFacts) -> Iterator[Suspicion]:
    hidden = [layer for layer in network.hidden if layer.units > 1]
    shares = [layer.identical for layer in hidden if layer.identical >= MOST]
    if shares:
        # Layers before random kernels have different gradients, but need the fix too.
        equal = tuple(layer.name for layer in hidden if layer.identical_weights >= MOST)
        yield Suspicion(
            Finding(
                "symmetric_units",
                equal,
                0,
                CRITICAL,
                f"{min(shares):.0%} of the units have the same weights and the same "
                "gradient as another unit (normal: 0 %)",
                "equal units get equal updates, so they stay equal forever",
                kernel_fix(network, equal),
                "Goodfellow, Bengio and Courville, 2016, Deep Learning, section 8.4",
            ),
            True,
        )


def misfit(layer: LayerFacts) -> float:
    """The decades by which a kernel's power exceeds what keeps the signal, or NaN."""
    # An unknown f, as in recurrent layers, counts as one that keeps z.
    is_known = math.isfinite(layer.mean_square)
    need = layer.power * (layer.mean_square if is_known else 1.0)
    return math.log10(need) if need > 0 else (-math.inf if need == 0 else math.nan)


def _scale(network: NetworkFacts) -> Iterator[Suspicion]:
    is_moved = any(_is_moved_by_bias(layer) for layer in network.hidden)
    if is_moved:
        return
    hidden = [layer for layer in network.hidden if not layer.is_scale_invariant]
    drift = _drift([layer.z_variance for layer in hidden])
    misfits = {layer.name: misfit(layer) for layer in hidden}
    watched = [x.name for x in hidden if math.isfinite(x.input_mean_square)]
    too_large = _beyond(
        {x.name: misfit(x) for x in network.layers if not x.is_scale_invariant}, 1
    )
    # The last layer may be small. A shortcut carries the signal past the others, and
    # a normalization makes it larger.
    is_carried = not network.is_plain
    too_small = _beyond({n: misfits[n] for n in watched if not is_carried}, -1)
    is_explained = bool(too_large or too_small)
    for sign, problem, verb, at_fault in (
        (1, "weights_too_large", "amplify", too_large),
        (-1, "weights_too_small", "shrink", too_small),
    ):
        total = sum(d for d in at_fault.values() if math.isfinite(d))
        if sign < 0 and is_carried:
            continue
        is_drifting = sign * drift > (GROWTH if sign > 0 else DRIFT)
        if is_drifting and not is_explained and not network.is_normalized:
            # In a residual network the sum grows, whatever each kernel does.
            at_fault = {n: d for n, d in misfits.items() if sign * d > 0 or is_carried}
            total = drift
        if not at_fault:
            continue
        names = tuple(at_fault)
        worst = max(at_fault.values(), key=abs)
        is_certain = network.is_plain and sign * drift > CERTAIN_DRIFT
        yield Suspicion(
            Finding(
                problem,
                names,
                0,
                CRITICAL,
                f"fan_in mean(W^2) is {10**worst:.3g} times what keeps the signal of "
                f"its activation (normal: 0.16 to 6); over {len(hidden)} hidden layers "
                f"the variance of z changes by a factor of 10^{drift:.1f} (normal: "
                "10^-3 to 10^2)",
                "each step changes kernels of this size too little: normalization "
                "hides their scale from the signal"
                if network.is_normalized
                else f"together, the kernels {verb} the signal by a factor of "
                f"10^{abs(total):.1f}",
                kernel_fix(network, names),
                "He et al., 2015; Schoenholz et al., 2017",
            ),
            is_certain,
        )


def _beyond(misfits: dict[str, float], sign: int) -> dict[str, float]:
    """The layers that are too large, or too small, unless usual schemes are as well."""
    beyond = {n: d for n, d in misfits.items() if sign * d > SOME_MISFIT}
    return beyond if any(sign * d > USUAL_MISFIT for d in beyond.values()) else {}


def _drift(variances: list[float]) -> float:
    """The decades from the first to the last; 0 if unknown."""
    # A zero comes from a kernel of zeros and says nothing about the other layers.
    known = [v for v in variances if v > 0]
    if len(known) < 2:
        return 0.0
    return float(np.log10(known[-1] / known[0])) if math.isfinite(known[-1]) else 40.0


def _dead_or_saturated(network: NetworkFacts) -> Iterator[Suspicion]:
    for problem, share_of in (
        ("dead_units", lambda layer: layer.dead),
        ("saturated_units", lambda layer: layer.saturated),
    ):
        at_fault = [
            layer
            for layer in network.hidden
            if share_of(layer) >= MOST
            and layer.saturated >= MOST  # a tanh layer of zeros is 0, and has a slope
            and (layer.activation in BOUNDED) == (problem == "saturated_units")
        ]
        if not at_fault:
            continue
        # Layers behind a dead layer get only zeros, so they are dead too.
        by_bias = any(_is_moved_by_bias(layer) for layer in at_fault)
        moved = [x for x in network.hidden if by_bias and _is_moved_by_bias(x)]
        at_fault = moved or [x for x in at_fault if x.input_mean_square > 0] or at_fault
        names = tuple(layer.name for layer in at_fault)
        first = at_fault[0]
        yield Suspicion(
            Finding(
                problem,
                names,
                0,
                CRITICAL,
                f"{share_of(first):.0%} of the units of {first.name} (normal: below "
                "50 %)",
                "the biases move z to where the activation is flat"
                if by_bias
                else "z lies where the activation is flat",
                in_layers('bias_initializer="zeros"', network, names)
                if by_bias
                else kernel_fix(network, names),
                "Lu et al., 2019, Dying ReLU and Initialization",
            ),
            problem == "saturated_units" or first.dead == 1,
        )


def _is_moved_by_bias(layer: LayerFacts) -> bool:
    of_kernel = layer.power * layer.input_mean_square
    return layer.bias_mean_square > max(1, of_kernel)


def _gradient(network: NetworkFacts) -> Iterator[Suspicion]:
    if not network.is_plain:
        return
    hidden = [layer for layer in network.hidden if layer.gradient_variance > 0]
    if len(hidden) < 3:
        return
    drift = math.log10(hidden[0].gradient_variance / hidden[-1].gradient_variance)
    if abs(drift) < GRADIENT_DRIFT:
        return
    vanishes = drift < 0
    names = tuple(layer.name for layer in hidden)
    activation = hidden[0].activation
    slope = hidden[0].mean_square_slope
    is_flat = vanishes and activation in ("sigmoid", "hard_sigmoid", "softplus")
    yield Suspicion(
        Finding(
            "vanishing_gradient" if vanishes else "exploding_gradient",
            names,
            0,
            CRITICAL if abs(drift) > 2 * GRADIENT_DRIFT else WARNING,
            f"from {hidden[-1].name} to {hidden[0].name} the variance of the gradient "
            f"changes by a factor of 10^{drift:.1f} (normal: 10^-3 to 10^3); "
            f"E[f'(u)^2] is {slope:.3g}",
            f"each layer multiplies the gradient by {10 ** (drift / len(hidden)):.2g}",
            in_layers('activation="tanh"', network, names)
            if is_flat
            else kernel_fix(network, names),
            "Glorot and Bengio, 2010; Schoenholz et al., 2017",
        ),
        abs(drift) > 2 * GRADIENT_DRIFT,
    )
