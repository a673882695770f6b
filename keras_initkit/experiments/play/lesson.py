"""What a training shows, in sentences: from the findings and the cost."""

import math

from keras_initkit.diagnosis.finding import Finding
from keras_initkit.experiments.play.run import Run

# A network that learns has a cost below this share of the first, and of guessing; one
# that does worse than guessing has a cost above that share of it.
LEARNED, WORSE = 0.7, 1.05

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
        return f"The cost is {first:.3g}, and {guessing}."
    if not math.isfinite(last):
        return f"The cost began at {first:.3g} and is {last} now."
    steps = "1 step" if run.step == 1 else f"{run.step} steps"
    words = f"from {first:.3g} to {last:.3g} in {steps}, and {guessing}"
    if last < LEARNED * min(first, chance):
        return f"The network learns: the cost went {words}."
    if last > WORSE * chance:
        return f"The cost is above that of guessing: it went {words}."
    return f"The cost has hardly moved: it went {words}."


def advice_sentence(run: Run, findings: list[Finding]) -> str:
    """What to try next."""
    if findings:
        first_line = findings[0].fix.splitlines()[0]
        return f"Try {first_line.replace('  # ', ' ')}."
    if run.step == 0:
        return "Press play, and watch what the start makes of the training."
    return "Compare it with another start, from the same data in the same order."
