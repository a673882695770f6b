"""Which training steps are recorded."""

from typing import Any


class Schedule:
    """Selects the first `warmup_steps` steps, and then one step in `update_freq`.

    A step is a value of `optimizer.iterations`, so that the schedule goes on across
    `fit` calls, restarts and resumed runs.

    Example:

    >>> schedule = Schedule(update_freq=50, warmup_steps=20)
    >>> [step for step in range(120) if schedule.selects(step, epoch_start=0)][-3:]
    [19, 50, 100]

    Args:
        update_freq: a positive int, a step is recorded where it divides by it;
            `"batch"`, the same as 1; or `"epoch"`, the first step of each epoch.
        warmup_steps: int >= 0.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(self, update_freq: int | str, warmup_steps: int) -> None:
        if update_freq not in ("batch", "epoch") and not _is_int(update_freq, least=1):
            raise ValueError(
                'Argument `update_freq` must be a positive integer, "batch" or '
                f'"epoch". Received: update_freq={update_freq!r}'
            )
        if not _is_int(warmup_steps, least=0):
            raise ValueError(
                "Argument `warmup_steps` must be an integer of at least 0. "
                f"Received: warmup_steps={warmup_steps!r}"
            )
        names: dict[Any, int | None] = {"batch": 1, "epoch": None}
        self.interval: Any = names.get(update_freq, update_freq)
        self.warmup_steps = warmup_steps

    def selects(self, step: Any, epoch_start: Any) -> Any:
        """Whether a step is recorded: a bool, or a boolean tensor for tensors.

        Args:
            step: int or integer scalar tensor.
            epoch_start: the first step of the epoch, of the same kind.
        """
        regular = (
            step == epoch_start if self.interval is None else step % self.interval == 0
        )
        return (step < self.warmup_steps) | regular


def _is_int(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
