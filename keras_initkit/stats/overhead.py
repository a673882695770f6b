"""How much recording costs on this machine, and which interval keeps it cheap."""

import math
import statistics
import time
from typing import NamedTuple

from keras_initkit.stats.session import Session

# Laps of each kind of step: enough for a median, few enough to be there soon.
MIN_LAPS = 10
# The first lap of each kind, in which the step is traced and compiled, tells nothing.
NUM_TRACED = 2


class Cost(NamedTuple):
    """What was measured.

    Attributes:
        step: seconds of a training step that is not recorded.
        record: seconds that a recorded step takes longer.
    """

    step: float
    record: float


class Overhead:
    """Compares recorded steps of a session with others, once.

    A lap is one step, from its beginning to that of the next; while it is measured, the
    step is waited for, where it would go on in the background.

    Args:
        session: whose steps are compared.
        max_overhead: greatest share of the training time that recording may take.
    """

    def __init__(self, session: Session, max_overhead: float) -> None:
        self._session = session
        self._max_overhead = max_overhead
        self._laps: dict[bool, list[float]] = {True: [], False: []}
        self._began: float | None = None
        self._num_recorded = 0

    def pause(self) -> None:
        """What lies between the last lap and the next one is no part of either."""
        self._began = None

    def lap(self) -> Cost | None:
        """To be called before each step: the last one has ended, and the next begins.

        Returns:
            The cost, as soon as there are enough laps of both kinds.
        """
        self._session.wait()
        now = time.perf_counter()
        was_recorded = self._session.num_rows > self._num_recorded
        self._num_recorded = self._session.num_rows
        if self._began is not None:
            self._laps[was_recorded].append(now - self._began)
        self._began = now
        if min(map(len, self._laps.values())) < NUM_TRACED + MIN_LAPS:
            return None
        plain, recorded = (
            statistics.median(self._laps[kind][NUM_TRACED:]) for kind in (False, True)
        )
        return Cost(plain, record=recorded - plain)

    def interval_for(self, cost: Cost) -> int:
        """How many steps must lie between two recorded ones."""
        return math.ceil(cost.record / (self._max_overhead * cost.step))
