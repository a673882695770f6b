"""Counts how often `LayerStatsCallback` finds a fault, and stays quiet without one.

    python benchmarks/diagnosis/run.py --seeds 0 1 2 --json outcomes.json

trains each case with a callback with default arguments. It applies the fix of the first
finding to the faulty ones, and trains these, too. It prints a line for each training,
and a table of shares. This takes a quarter of an hour per seed on one core.
"""

import argparse
import dataclasses
import fnmatch
import functools
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import backend  # noqa: F401
import keras
from faults import FAULTY, Fault
from healthy import HEALTHY
from outcomes import Outcome, is_right, said, table
from programs import Program
from training import Training, train

from keras_initkit import LayerStatsCallback
from keras_initkit.diagnosis.finding import Finding

EARLY_STEPS = 50


class Early(keras.callbacks.Callback):
    """Asks for the findings once the first steps are done.

    Attributes:
        findings: the findings at that moment; None before it.
    """

    def __init__(self, stats: LayerStatsCallback) -> None:
        super().__init__()
        self.findings: list[Finding] | None = None
        self._stats = stats
        self._steps = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._steps += 1
        if self._steps == EARLY_STEPS:
            self.findings = self._stats.findings

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.findings is None:
            self.findings = self._stats.findings


@functools.cache
def watched(
    program: Program, seed: int
) -> tuple[Training, list[Finding], list[Finding]]:
    """A training, its findings, and those after its first steps.

    Faults share twins, and fixes are often equal.
    """
    with tempfile.TemporaryDirectory() as directory:
        stats = LayerStatsCallback(directory)
        early = Early(stats)
        training = train(program, seed, [stats, early])
        return training, stats.findings, early.findings or []


def outcome_of_healthy(name: str, seed: int) -> Outcome:
    training, findings, _ = watched(HEALTHY[name], seed)
    return Outcome(name, seed, False, training.points, tuple(map(said, findings)))


def outcome_of_fault(name: str, seed: int) -> Outcome:
    fault = FAULTY[name]
    training, findings, early = watched(fault.program, seed)
    outcome = Outcome(
        name,
        seed,
        is_faulty=True,
        points=training.points,
        findings=tuple(map(said, findings)),
        is_initialization=fault.is_initialization,
        by_first=any(is_right(finding, fault) for finding in findings[:1]),
        by_any=any(finding.problem in fault.problems for finding in findings),
        is_early=any(is_right(finding, fault) for finding in early),
        twin_points=watched(HEALTHY[fault.twin], seed)[0].points,
    )
    return _with_fix(outcome, fault, findings[0].fix) if findings else outcome


def _with_fix(outcome: Outcome, fault: Fault, fix: str) -> Outcome:
    outcome = dataclasses.replace(outcome, fix=fix)
    try:
        program = fault.program.with_fix(fix)
    except ValueError as error:
        return dataclasses.replace(outcome, not_typed=str(error))
    training, *_ = watched(program, outcome.seed)
    return dataclasses.replace(outcome, fixed_points=training.points)


def outcomes(pattern: str, seeds: Iterable[int]) -> Iterator[Outcome]:
    """The outcomes of all cases with matching names, seed by seed."""
    for seed in seeds:
        for name in fnmatch.filter(HEALTHY, pattern):
            yield outcome_of_healthy(name, seed)
        for name in fnmatch.filter(FAULTY, pattern):
            yield outcome_of_fault(name, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cases", metavar="PATTERN", default="*")
    parser.add_argument("--json", metavar="FILE", type=Path)
    arguments = parser.parse_args()
    # Our own line says the same.
    logging.getLogger("keras_initkit").setLevel(logging.ERROR)
    found = []
    for outcome in outcomes(arguments.cases, arguments.seeds):
        found.append(outcome)
        print(outcome, flush=True)
    print(f"\n{table(found)}")
    if arguments.json:
        records = [{**dataclasses.asdict(o), "is_fixed": o.is_fixed} for o in found]
        arguments.json.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
