"""Measures the cost of recording, and finds an interval that keeps it low."""

import math
import statistics
import time
from typing import NamedTuple

from keras_initkit.stats.session import Session

# Laps of each kind of step: enough for a median, few enough for a quick result.
MIN_LAPS = 10
# The first lap of each kind traces and compiles the step, so it does not count.
NUM_TRACED = 2


class Cost(NamedTuple):
    """The measured cost.

    Attributes:
        step: seconds of a training step that is not recorded.
        record: additional seconds of a recorded step.
    """

    step: float
    record: float


class Overhead:
    """Compares recorded steps of a session with others, once.

    A lap is one step, from its beginning to that of the next. While it measures, it
    waits for each step, which would otherwise run on in the background.

    Args:
        session: the session with the steps.
        max_overhead: the largest share of the training time that recording may take.
    """

    def __init__(self, session: Session, max_overhead: float) -> None:
        self._session = session
        self._max_overhead = max_overhead
        self._laps: dict[bool, list[float]] = {True: [], False: []}
        self._began: float | None = None
        self._num_recorded = 0

    def pause(self) -> None:
        """Excludes the time between the last lap and the next one."""
        self._began = None

    def lap(self) -> Cost | None:
        """Ends one lap and begins the next. Call it before each step.

        Returns:
            The cost, once there are enough laps of both kinds.
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
        """The number of steps from one record to the next that keeps the cost low."""
        return math.ceil(cost.record / (self._max_overhead * cost.step))
