"""How much recording costs on this machine, and which interval keeps it cheap."""

import math
import statistics
from collections import deque
from typing import NamedTuple

from keras_initkit.stats.schedule import Schedule

# Of each kind of lap: enough for a median, few enough to be there after the warm-up.
MIN_LAPS = 10
MAX_LAPS = 200
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

    A lap is one call of the train function, from one beginning to the next. The cost of
    a record is the median of the laps with records, less that of those with fewest.

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
        self._laps: deque[tuple[float, float]] = deque(maxlen=MAX_LAPS)
        self._records_since_update = 0
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

    def lap(self, steps: int, time: float) -> None:
        """A call of the train function has ended, and the next begins.

        Args:
            steps: how many steps it took.
            time: now, in seconds.
        """
        if self._step is None:
            return
        taken = range(self._step, self._step + steps)
        records = sum(bool(self._schedule.selects(s, self.interval)) for s in taken)
        self._laps.append((records / steps, (time - self._time) / steps))
        self._records_since_update += records
        self._step += steps
        self._time = time

    def resume(self, time: float) -> None:
        """What lies between the last call and now is no part of the next lap."""
        self._time = time

    @property
    def is_due(self) -> bool:
        """Whether there are enough new laps to look at the interval again."""
        return self._records_since_update >= MIN_LAPS

    def update(self, step: int) -> bool:
        """Measures anew; returns whether the interval has changed.

        Args:
            step: the number of the next step. Where it is not the expected one, steps
                were skipped or accumulated: it is not known which of them were
                recorded, and the interval that was asked for is used.
        """
        self._records_since_update = 0
        if step != self._step:
            self._laps.clear()
            self._step = None
            return self._use(self._schedule.interval)
        self.cost = _cost(self._laps) or self.cost
        if self.cost is None:
            return False
        affordable = self.cost.record / (self.max_overhead * self.cost.step)
        interval = max(self._schedule.interval, math.ceil(affordable))
        change = max(interval, self.interval) / min(interval, self.interval)
        return change >= LEAST_CHANGE and self._use(interval)

    def _use(self, interval: int) -> bool:
        changed, self.interval = interval != self.interval, interval
        return changed


def _cost(laps: "deque[tuple[float, float]]") -> Cost | None:
    """None while there are too few laps of either kind."""
    fewest = min(share for share, _ in laps)
    others = [seconds for share, seconds in laps if share == fewest]
    recorded = [(share, seconds) for share, seconds in laps if share > fewest]
    if min(len(others), len(recorded)) < MIN_LAPS:
        return None
    plain = statistics.median(others)
    record = statistics.median(
        (seconds - plain) / (share - fewest) for share, seconds in recorded
    )
    return Cost(step=plain - fewest * record, record=record)
