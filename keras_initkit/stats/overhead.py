"""How much recording costs on this machine, and which interval keeps it cheap."""

import math
import statistics
from collections import deque
from typing import NamedTuple

from keras_initkit.stats.schedule import Schedule

# Of each kind of step: enough for a median, few enough to be there after the warm-up.
MIN_LAPS = 10
MAX_LAPS = 50
# While every step is recorded there is nothing to compare it with.
FIRST_INTERVAL = 2
# Smaller changes of the interval are noise.
LEAST_CHANGE = 1.25


class Cost(NamedTuple):
    """What was measured.

    Attributes:
        step: seconds of a training step that is not recorded.
        record: seconds that a recorded step takes longer.
    """

    step: float
    record: float


class Overhead:
    """Compares recorded steps with others, and says how many should lie between.

    A lap is one step, from its beginning to that of the next. The cost of a record is
    the difference between the medians of the last laps of either kind.

    Args:
        schedule: which steps are recorded.
        max_overhead: greatest share of the training time that recording may take.

    Attributes:
        max_overhead: as given.
        interval: the interval in use; 2 at least until the cost is known.
        cost: what was measured so far; None before.

    Raises:
        ValueError: if `max_overhead` is not positive.
    """

    def __init__(self, schedule: Schedule, max_overhead: float) -> None:
        if isinstance(max_overhead, bool) or not (
            isinstance(max_overhead, (int, float)) and max_overhead > 0
        ):
            raise ValueError(
                "Argument `max_overhead` must be a positive share of the training "
                f"time, or None. Received: max_overhead={max_overhead!r}"
            )
        self._schedule = schedule
        self.max_overhead = max_overhead
        self._recorded: deque[float] = deque(maxlen=MAX_LAPS)
        self._others: deque[float] = deque(maxlen=MAX_LAPS)
        self._new_records = 0
        self._step: int | None = None
        self._time = math.nan
        self.interval = max(schedule.interval, FIRST_INTERVAL)
        self.cost: Cost | None = None

    def start(self, step: int, time: float) -> None:
        """A lap begins here that has nothing before it to be compared with.

        Args:
            step: the number of the next step.
            time: now, in seconds.
        """
        self._step, self._time = step, time

    def lap(self, time: float) -> None:
        """A step has ended, and the next begins.

        Args:
            time: now, in seconds.
        """
        if self._step is None:
            return
        if self._schedule.selects(self._step, self.interval):
            self._recorded.append(time - self._time)
            self._new_records += 1
        else:
            self._others.append(time - self._time)
        self._step += 1
        self._time = time

    def resume(self, time: float) -> None:
        """What lies between the last lap and now is no part of the next one."""
        self._time = time

    @property
    def is_due(self) -> bool:
        """Whether there are enough new laps to look at the interval again."""
        enough = min(len(self._recorded), len(self._others)) >= MIN_LAPS
        return enough and (self.cost is None or self._new_records >= MIN_LAPS)

    def update(self, step: int) -> bool:
        """Measures anew; returns whether the interval has changed.

        Args:
            step: the number of the next step. Where it is not the expected one, steps
                were skipped or accumulated: it is not known which of them were
                recorded, and the interval that was asked for is used.
        """
        self._new_records = 0
        if step != self._step:
            self._recorded.clear()
            self._others.clear()
            self._step = None
            return self._use(self._schedule.interval)
        plain = statistics.median(self._others)
        self.cost = Cost(plain, record=statistics.median(self._recorded) - plain)
        affordable = self.cost.record / (self.max_overhead * self.cost.step)
        interval = max(self._schedule.interval, math.ceil(affordable))
        change = max(interval, self.interval) / min(interval, self.interval)
        return change >= LEAST_CHANGE and self._use(interval)

    def _use(self, interval: int) -> bool:
        changed, self.interval = interval != self.interval, interval
        return changed
