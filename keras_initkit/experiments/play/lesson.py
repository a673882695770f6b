"""What a training shows, in sentences: from the findings and the cost."""

import math

from keras_initkit.diagnosis.finding import Finding
from keras_initkit.experiments.play.run import Run

# Shares of what guessing costs: below the first a network knows something, above the
# second it does worse than one that guesses.
KNOWS, WORSE = 0.7, 1.05

_SEEN = {
    "non_finite": "The cost is no longer a number: the training has broken down.",
    "symmetric_units": (
        "The units of a layer are equal and get equal gradients, so they stay equal "
        "and do the work of one."
    ),
    "weights_too_large": (
        "The weights amplify the signal from layer to layer, so the network begins "
        "sure of wrong answers."
    ),
    "weights_too_small": (
        "The weights shrink the signal from layer to layer, until next to nothing "
        "arrives."
    ),
    "saturated_units": "Most units are where their activation is flat, so they stop.",
    "dead_units": "Most units are 0 for every sample, so they get no gradient.",
    "exploding_gradient": "The gradient grows from layer to layer on its way back.",
    "vanishing_gradient": "The gradient shrinks from layer to layer on its way back.",
    "learning_rate_too_high": "The steps are so large that the cost rises.",
    "learning_rate_too_low": "The steps are so small that the weights hardly move.",
}


def seen_sentence(run: Run, findings: list[Finding]) -> str:
    """What is wrong, if anything is."""
    if findings and findings[0].problem in _SEEN:
        return _SEEN[findings[0].problem]
    if run.step == 0:
        return "The weights are drawn, and nothing is trained yet."
    return "The diagnosis finds no problem so far."


def cost_sentence(run: Run) -> str:
    """What the cost has done, and what guessing would cost."""
    first, last = run.costs[0], run.costs[run.step]
    chance = math.log(run.dataset.num_classes)
    guessing = f"guessing costs {chance:.2f}"
    if run.step == 0:
        return f"The cost is {in_short(first)}, and {guessing}."
    if not math.isfinite(last):
        return f"The cost began at {in_short(first)} and is no longer a number."
    steps = "1 step" if run.step == 1 else f"{run.step} steps"
    words = (
        f"it went from {in_short(first)} to {in_short(last)} in {steps}, and {guessing}"
    )
    if last > WORSE * chance:
        return f"The cost is above that of guessing: {words}."
    if last > KNOWS * chance:
        return f"The cost is close to that of guessing: {words}."
    if last < first:
        return f"The cost falls: {words}."
    return f"The cost does not fall: {words}."


def in_short(number: float, digits: int = 3) -> str:
    """A number in a sentence.

    >>> in_short(0.00000123, digits=1)
    '1e-6'
    """
    mantissa, _, exponent = f"{number:.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def advice_sentence(run: Run, findings: list[Finding]) -> str:
    """What to try next."""
    if findings:
        first_line = findings[0].fix.splitlines()[0]
        return f"Try {first_line.replace('  # ', ' ')}."
    if run.step == 0:
        return "Press play, and watch what the start makes of the training."
    return "Compare it with another start, from the same data in the same order."
