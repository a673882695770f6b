"""Chooses the training steps to record."""

from typing import Any

from keras_initkit import arguments

# The shortest interval of "auto", at which recording costs almost nothing.
AUTO_INTERVAL = 50


class Schedule:
    """Selects the first `warmup_steps` steps, and then one step in `update_freq`.

    A step is a value of `optimizer.iterations`, so the schedule continues across `fit`
    calls, restarts and resumed runs.

    Examples:

    >>> schedule = Schedule(update_freq=50, warmup_steps=20)
    >>> [step for step in range(120) if schedule.selects(step)][-3:]
    [19, 50, 100]

    Args:
        update_freq: a positive int n for every n-th step; `"batch"`, the same as 1;
            `"epoch"`, the first step of each epoch; or `"auto"`, one step in 50 or
            fewer.
        warmup_steps: int >= 0.
        name: the name of the argument that `update_freq` came from, for errors.

    Attributes:
        interval: `update_freq` in steps; None for `"epoch"`.
        is_auto: whether the interval may be widened.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(
        self, update_freq: int | str, warmup_steps: int = 0, name: str = "update_freq"
    ) -> None:
        words: dict[Any, int | None] = {
            "batch": 1,
            "epoch": None,
            "auto": AUTO_INTERVAL,
        }
        is_word = isinstance(update_freq, str) and update_freq in words
        if not is_word and not arguments.is_integer(update_freq):
            expected = 'a positive integer, "batch", "epoch" or "auto"'
            raise arguments.error(name, update_freq, expected)
        self.is_auto = is_word and update_freq == "auto"
        self.interval: Any = (
            words[update_freq] if is_word else arguments.integer(name, update_freq)
        )
        self.warmup_steps = arguments.integer("warmup_steps", warmup_steps, least=0)

    def selects(self, step: Any, interval: Any = None, epoch_start: Any = 0) -> Any:
        """Tells whether a step is recorded: a bool, or a boolean tensor for tensors.

        Args:
            step: int or integer scalar tensor.
            interval: replaces the schedule's own, of the same kind. The schedule
                `"epoch"` ignores it.
            epoch_start: the first step of the epoch, of the same kind.
        """
        if self.interval is None:
            regular = step == epoch_start
        else:
            regular = step % (self.interval if interval is None else interval) == 0
        return (step < self.warmup_steps) | regular
