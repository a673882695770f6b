"""Checks that each case is what it claims: `python benchmarks/diagnosis/verify.py`

trains every healthy program, which must reach the floor of its data, and every faulty
one, which must end at least 5 points below its twin, both as a mean over seeds. The
names of problems and layers must exist. The script keeps the points in `verified.json`,
and trains only missing cases.
"""

import argparse
import fnmatch
import json
from pathlib import Path

import numpy as np
from faults import FAULTY
from healthy import FLOORS, HEALTHY
from programs import Program
from training import train

from keras_initkit.diagnosis.problems import PROBLEMS

FILE = Path(__file__).with_name("verified.json")
LEAST_GAP = 5.0


class Verified:
    """The points of each program and seed, in a file.

    Args:
        file: JSON, `{program: [points of seed 0, ...]}`.
        seeds: the number of seeds.
    """

    def __init__(self, file: Path, seeds: int) -> None:
        self._file = file
        self._seeds = seeds
        self._points = json.loads(file.read_text()) if file.exists() else {}

    def points(self, program: Program) -> float:
        """The mean over the seeds; it trains seeds that are not in the file."""
        points = self._points.setdefault(repr(program), [])
        for seed in range(len(points), self._seeds):
            points.append(round(train(program, seed).points, 1))
            self.save()
        return float(np.mean(points[: self._seeds]))

    def save(self) -> None:
        programs = {repr(p) for p in HEALTHY.values()}
        programs |= {repr(fault.program) for fault in FAULTY.values()}
        kept = {k: v for k, v in self._points.items() if k in programs}
        self._file.write_text(json.dumps(kept, indent=0, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cases", metavar="PATTERN", default="*")
    arguments = parser.parse_args()
    verified = Verified(FILE, arguments.seeds)
    failures = 0
    for name in fnmatch.filter(HEALTHY, arguments.cases):
        program = HEALTHY[name]
        points, floor = verified.points(program), FLOORS[program.data]
        failures += points < floor
        verdict = "learns" if points >= floor else "DOES NOT LEARN"
        print(f"{verdict:16}{name:40}{points:6.1f}, floor {floor}", flush=True)
    for name in fnmatch.filter(FAULTY, arguments.cases):
        fault = FAULTY[name]
        points = verified.points(fault.program)
        twin = verified.points(HEALTHY[fault.twin])
        is_known = set(fault.problems) <= set(PROBLEMS)
        is_known &= set(fault.layers) <= {*fault.program.hidden, "output"}
        is_fault = is_known and points <= twin - LEAST_GAP
        failures += not is_fault
        verdict = "fails" if is_fault else "DOES NOT FAIL"
        print(f"{verdict:16}{name:40}{points:6.1f}, twin {twin:.1f}", flush=True)
    print(f"{len(HEALTHY)} healthy, {len(FAULTY)} faulty; {failures} do not hold.")
    raise SystemExit(failures > 0)


if __name__ == "__main__":
    main()
