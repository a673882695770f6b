"""One problem of a training: where, since when, why, and what to type instead."""

import dataclasses
from typing import Any

CRITICAL = "critical"
WARNING = "warning"

# Causes before effects: a finding further up explains those that it leads to.
PROBLEMS = {
    "non_finite": "NaN or an infinity in the data, the weights or the loss",
    "loss_activation_mismatch": "last activation, loss and labels do not go together",
    "unscaled_data": "the inputs are far from mean 0 and variance 1",
    "symmetric_units": "units of a layer are equal, and get equal gradients",
    "weights_too_large": "the kernels amplify the signal until training fails",
    "weights_too_small": "the kernels shrink the signal until nothing arrives",
    "saturated_units": "most units are where their activation has no slope",
    "dead_units": "most units are 0 for every sample, and get no gradient",
    "exploding_gradient": "the gradient grows from layer to layer",
    "vanishing_gradient": "the gradient shrinks from layer to layer",
    "learning_rate_too_high": "the steps are so large that the loss rises",
    "learning_rate_too_low": "the steps are so small that the weights stay as they are",
}
_SCALE = ("saturated_units", "dead_units", "exploding_gradient", "vanishing_gradient")
_RATES = ("learning_rate_too_high", "learning_rate_too_low")
# What a problem leads to, and is therefore folded under it.
CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "non_finite": tuple(PROBLEMS),
    "loss_activation_mismatch": (*_SCALE, *_RATES, "non_finite"),
    "unscaled_data": (
        *("weights_too_large", "weights_too_small"),
        *(*_SCALE, *_RATES, "non_finite"),
    ),
    "symmetric_units": (
        *("weights_too_large", "weights_too_small"),
        *(*_SCALE, *_RATES),
    ),
    "weights_too_large": (*_SCALE, *_RATES, "non_finite"),
    "weights_too_small": (*_SCALE, *_RATES),
    "saturated_units": ("dead_units", "vanishing_gradient", *_RATES),
    "dead_units": ("vanishing_gradient", *_RATES),
    "exploding_gradient": ("learning_rate_too_high", "non_finite"),
    "vanishing_gradient": ("learning_rate_too_low",),
    "learning_rate_too_high": (*_SCALE, "non_finite"),
    "learning_rate_too_low": (),
}


# Effects of something else, unless they are there from the beginning.
EFFECTS = ("non_finite", "dead_units")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One problem.

    `print(finding)` shows three lines: what and where, the evidence, the fix.

    Attributes:
        problem: one of `PROBLEMS`.
        layers: names of the layers at fault; empty if it is none of them.
        since: the step at which it shows; 0 is before the first update.
        severity: `"critical"` where the training is hopeless, or `"warning"`.
        evidence: the numbers, and what would be normal.
        cause: why, in a sentence.
        fix: the code to type instead, an argument and its value; where it belongs to
            layers, they are named behind it.
        source: where the rule and its numbers come from.
        consequences: the problems that follow from it.
    """

    problem: str
    layers: tuple[str, ...]
    since: int
    severity: str
    evidence: str
    cause: str
    fix: str
    source: str
    consequences: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f" in {listed(self.layers)}" if self.layers else ""
        leads = f" It leads to: {', '.join(self.consequences)}." * bool(
            self.consequences
        )
        return (
            f"{self.problem}{where}, since step {self.since}: {self.cause}\n"
            f"  evidence: {self.evidence}.{leads}\n"
            f"  fix: {self.fix}"
        )

    def to_dict(self) -> dict[str, Any]:
        """All attributes, as JSON takes them."""
        return {
            k: list(v) if isinstance(v, tuple) else v
            for k, v in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, attributes: dict[str, Any]) -> "Finding":
        """The inverse of `to_dict`."""
        tuples = {k: tuple(v) for k, v in attributes.items() if isinstance(v, list)}
        return cls(**{**attributes, **tuples})


def ranked(findings: list[Finding]) -> list[Finding]:
    """Causes first; what follows from one that is there is folded under it."""
    order = list(PROBLEMS)
    rest = sorted(findings, key=lambda f: (order.index(f.problem), f.since))
    rest.sort(key=lambda f: f.problem in EFFECTS and f.since > 0)
    kept: list[Finding] = []
    while rest:
        root, *others = rest
        follows = [f for f in others if f.problem in CONSEQUENCES[root.problem]]
        rest = [f for f in others if f not in follows and f.problem != root.problem]
        names = dict.fromkeys(f.problem for f in follows if f.problem != root.problem)
        kept.append(dataclasses.replace(root, consequences=tuple(names)))
    return kept


def listed(names: tuple[str, ...]) -> str:
    """At most four of them, and how many there are.

    >>> listed(("a", "b"))
    'a, b'
    """
    if len(names) <= 4:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} ... {names[-1]} ({len(names)} layers)"
