"""Was the diagnosis right? One outcome for each training, and a table of all."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from faults import Fault

from keras_initkit.diagnosis.finding import Finding, listed

# A fix has to bring a program this close to its twin.
POINTS_OF_TWIN = 5.0
# A finding is right if this share of its layers is at fault, and this share of the
# faulty layers is in it.
SHARE_OF_LAYERS = 0.5


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The diagnosis of one training.

    Attributes:
        case: the name of the case.
        seed: the seed of the training.
        is_faulty: whether there was a fault to find.
        is_initialization: whether the fault was in the layers before any training.
        points: the points of the training.
        findings: the final findings, in order.
        by_first: whether the first finding is right, with its layers.
        by_any: whether any finding names the right problem.
        is_early: whether the right one came within the first steps.
        fix: the fix of the first finding; empty without any.
        fixed_points: the points of the program with that fix; None without a fix, or if
            it could not be applied.
        twin_points: the points of the healthy twin; None for a healthy program.
        not_typed: why the fix could not be applied.
    """

    case: str
    seed: int
    is_faulty: bool
    points: float
    findings: tuple[str, ...] = ()
    is_initialization: bool = False
    by_first: bool = False
    by_any: bool = False
    is_early: bool = False
    fix: str = ""
    fixed_points: float | None = None
    twin_points: float | None = None
    not_typed: str = ""

    @property
    def is_fixed(self) -> bool:
        """Tells whether the fix made the program as good as its twin."""
        if self.fixed_points is None or self.twin_points is None:
            return False
        return self.fixed_points >= self.twin_points - POINTS_OF_TWIN

    def __str__(self) -> str:
        said = "; ".join(self.findings) or "nothing"
        if not self.is_faulty:
            verdict = "FLAGGED" if self.findings else "quiet"
        elif self.by_first:
            verdict = "first"
        else:
            verdict = "any" if self.by_any else "MISSED"
        line = f"{verdict:8}{self.case} ({self.seed}), {self.points:.0f}: {said}"
        if self.not_typed:
            return f"{line}; fix not understood: {self.not_typed}"
        if self.fixed_points is not None:
            line += f"; fixed {self.fixed_points:.0f}, twin {self.twin_points:.0f}"
        return line


def is_right(finding: Finding, fault: Fault) -> bool:
    """Tells whether a finding names the problem and the layers.

    Args:
        finding: the finding.
        fault: the fault. If it lies in no layer, any layers are right.
    """
    if finding.problem not in fault.problems:
        return False
    if not fault.layers:
        return True
    named, at_fault = _layers(finding.layers), _layers(fault.layers)
    most = max(len(named), len(at_fault))
    return len(named & at_fault) >= SHARE_OF_LAYERS * most


def _layers(names: Sequence[str]) -> set[str]:
    """The layers without kernel names, as in `lstm/recurrent_kernel`."""
    return {name.partition("/")[0] for name in names}


def said(finding: Finding) -> str:
    """A finding in a few words."""
    layers = f" in {listed(finding.layers)}" if finding.layers else ""
    return f"{finding.problem}{layers}"


def table(outcomes: Sequence[Outcome]) -> str:
    """The shares, as markdown."""
    faulty = [outcome for outcome in outcomes if outcome.is_faulty]
    healthy = [outcome for outcome in outcomes if not outcome.is_faulty]
    rows: list[tuple[str, Sequence[Outcome], Callable[[Outcome], Any]]] = [
        ("fault found by the first finding, right layer", faulty, lambda o: o.by_first),
        ("fault found by any finding", faulty, lambda o: o.by_any),
        ("healthy training flagged", healthy, lambda o: o.findings),
        ("fix of the first finding works", faulty, lambda o: o.is_fixed),
        (
            "initialization fault found within 50 steps",
            [outcome for outcome in faulty if outcome.is_initialization],
            lambda o: o.is_early,
        ),
    ]
    lines = ["| | share | trainings |", "|---|---|---|"]
    for name, among, is_so in rows:
        if among:
            count = sum(map(bool, map(is_so, among)))
            share = count / len(among)
            lines.append(f"| {name} | {share:.1%} | {count} of {len(among)} |")
    return "\n".join(lines)
