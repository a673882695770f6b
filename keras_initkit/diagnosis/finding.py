"""One problem of a training: where, since when, why, and what to type instead."""

import dataclasses
from typing import Any

from keras_initkit.diagnosis.problems import CONSEQUENCES, EFFECTS, PROBLEMS

CRITICAL = "critical"
WARNING = "warning"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One problem.

    `print(finding)` shows three lines: what and where, the evidence, the fix.

    Attributes:
        problem: one of `problems.PROBLEMS`.
        layers: names of the layers at fault; empty if no layer is.
        since: the step at which it shows; 0 is before the first update.
        severity: `"critical"` if the training is hopeless, or `"warning"`.
        evidence: the numbers, and the normal range.
        cause: why, in a sentence.
        fix: the code to type instead: an argument and its value, with the layers that
            it is for, if any.
        source: the source of the rule and its numbers.
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
        """All attributes, for JSON."""
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
    """Ranks causes first, and folds their consequences under them."""
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
    """The names, shortened to three and their number if there are many.

    >>> listed(("a", "b"))
    'a, b'
    """
    if len(names) <= 4:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} ... {names[-1]} ({len(names)} layers)"
