"""The records: steps x layers x statistics, as numpy arrays."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

LOGARITHMIC = ("variance", "l2_norm", "max_abs", "update_ratio")


class Records(NamedTuple):
    """What was measured at some steps.

    Attributes:
        steps: int64, shape (records,): `optimizer.iterations` before the update.
        values: float64, shape (records, statistics, layers).
        skipped: bool, shape (records,): whether the optimizer left the step out,
            because the scaled gradients were not finite.
        losses: float64, shape (records,): the loss as Keras shows it after the step,
            its mean over the epoch so far; NaN where it is unknown.
        learning_rates: float64, shape (records,): of the optimizer, in the step; NaN
            where it has none, or it is a function of the user's own.
    """

    steps: np.ndarray
    values: np.ndarray
    skipped: np.ndarray
    losses: np.ndarray
    learning_rates: np.ndarray


class Histograms(NamedTuple):
    """How the entries of tensors were distributed at some steps.

    Attributes:
        steps: int64, shape (records,).
        counts: float64, shape (records, layers, bins); NaN where a layer has no such
            tensor.
    """

    steps: np.ndarray
    counts: np.ndarray


class Record(NamedTuple):
    """What was measured at one step, as `on_record` gets it.

    Attributes:
        step: `optimizer.iterations` before the update.
        skipped: whether the optimizer left the step out.
        layers: the names of the layers.
        statistics: for each key a float64 array of shape (layers,).
        loss: as Keras shows it after the step; NaN where it is unknown.
        learning_rate: of the optimizer, in the step; NaN where it is unknown.
    """

    step: int
    skipped: bool
    layers: list[str]
    statistics: dict[str, np.ndarray]
    loss: float
    learning_rate: float


class History(Mapping[str, np.ndarray]):
    """The recorded statistics of a model: one array of (steps, layers) for each name.

    It is a mapping, so that `history.keys()`, `"weight_mean" in history` and
    `dict(history)` do what they do for a dict. In memory it takes 8 bytes a value.

    Example:

    >>> callback = LayerStatsCallback("logs")
    >>> model.fit(x, y, callbacks=[callback])
    >>> callback.history["gradient_variance"].shape  # (steps, layers)
    (24, 3)
    >>> callback.history.layers
    ['dense', 'dense_1', 'dense_2']

    Attributes:
        layers: the names of the layers, in the order of the second axis.

    Args:
        layers: the names of the layers.
        keys: the names of the statistics, such as `"weight_variance"`.
    """

    def __init__(self, layers: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        self.layers = list(layers)
        self._keys = list(keys)
        self._chunks = [
            Records(
                np.empty(0, np.int64),
                np.empty((0, len(self._keys), len(self.layers))),
                np.empty(0, bool),
                np.empty(0),
                np.empty(0),
            )
        ]

    def append(self, records: Records) -> None:
        """Adds records behind those that are there."""
        self._chunks.append(records)

    @property
    def steps(self) -> np.ndarray:
        """The recorded steps, int64, shape (steps,)."""
        return self._records().steps

    @property
    def skipped(self) -> np.ndarray:
        """Which of them a `LossScaleOptimizer` skipped, bool, shape (steps,)."""
        return self._records().skipped

    @property
    def losses(self) -> np.ndarray:
        """The loss as Keras shows it after each of them, float64, shape (steps,).

        It is the mean over the epoch so far; NaN in a loop of your own.
        """
        return self._records().losses

    @property
    def learning_rates(self) -> np.ndarray:
        """The optimizer's learning rate in each of them, float64, shape (steps,).

        NaN where it has none, or it is a function of your own.
        """
        return self._records().learning_rates

    def since(self, number: int) -> Records:
        """The records from the one with this number on, the first being 0."""
        return Records(*(part[number:] for part in self._records()))

    def last(self, count: int) -> Iterator[Record]:
        """The last so many records, one by one, in the order of the steps."""
        records = self.since(len(self.steps) - count)
        for step, rows, skipped, loss, rate in zip(*records, strict=True):
            yield Record(
                int(step),
                bool(skipped),
                self.layers,
                dict(zip(self._keys, rows, strict=True)),
                float(loss),
                float(rate),
            )

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self._keys:
            raise KeyError(f"{key!r} was not recorded. Recorded: {self._keys}")
        return self._records().values[:, self._keys.index(key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return (
            f"<History of {len(self.steps)} steps, {len(self.layers)} layers, "
            f"statistics {self._keys}>"
        )

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Writes one line for each step and layer, one column for each statistic.

        The columns are `step`, `skipped` (0 or 1), `loss`, `learning_rate`, `number`
        (of the layer, from 0), `layer`, and the statistics in the order of `keys()`.
        NaN and infinities are written as `nan`, `inf` and `-inf`.

        Args:
            path: the file to be written; one that is there is replaced.
        """
        records = self._records()
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            of_steps = ["step", "skipped", "loss", "learning_rate"]
            writer.writerow([*of_steps, "number", "layer", *self._keys])
            for step, values, skipped, loss, rate in zip(*records, strict=True):
                for number, layer in enumerate(self.layers):
                    of_step = step, int(skipped), loss, rate
                    writer.writerow([*of_step, number, layer, *values[:, number]])

    def plot(self, statistic: str = "gradient_variance", ax: Any = None) -> Any:
        """Draws a statistic over the depth of the network, at up to six steps.

        The steps are spread evenly over the records, the first and the last included;
        the first is dashed. Variances, norms, largest values and update ratios have a
        logarithmic axis, on which 0 is a gap, as non-finite values are everywhere.

        Args:
            statistic: one of `keys()`.
            ax: the `matplotlib.axes.Axes` to draw on; a new figure without it.

        Returns:
            The `matplotlib.axes.Axes`.

        Raises:
            ValueError: if nothing was recorded.
            KeyError: if the statistic was not recorded.
        """
        steps = self.steps
        if not len(steps):
            raise ValueError("Nothing was recorded, so there is nothing to plot.")
        values = self[statistic]
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
        has_log_axis = statistic.endswith(LOGARITHMIC)
        curves = np.unique(np.linspace(0, len(steps) - 1, num=6).astype(int))
        shown = np.where(values > 0, values, np.nan) if has_log_axis else values
        colormap = plt.get_cmap("viridis")
        for row in curves:
            age = row / max(curves[-1], 1)
            ax.plot(
                shown[row],
                marker=".",
                linestyle="-" if row else "--",
                color=colormap(0.85 * age),
                label=f"step {steps[row]}",
            )
        if has_log_axis:
            ax.set_yscale("log")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel("layer, from input to output")
        ax.set_ylabel(statistic.replace("_", " "))
        ax.legend()
        return ax

    def _records(self) -> Records:
        """All records in one chunk: joined on demand, for appending must be cheap."""
        if len(self._chunks) > 1:
            self._chunks = [
                Records(
                    *(np.concatenate(part) for part in zip(*self._chunks, strict=True))
                )
            ]
        return self._chunks[0]
