"""The records: steps x layers x statistics, as numpy arrays."""

import csv
import fnmatch
import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from keras_initkit import arguments

SHAPES = ("long", "wide")
SUMMARY = (
    *("median at first", "median now", "lowest layer now", "highest layer now"),
    "layers not finite now",
)


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

    Where a training goes back, as to a checkpoint, it lives steps again. As in
    TensorBoard, the records of the weights that were lost are left out.

    Examples:

    >>> callback = LayerStatsCallback("logs")
    >>> _ = model.fit(x, y, callbacks=[callback], verbose=0)
    >>> callback.history["gradient_variance"].shape  # (steps, layers)
    (20, 3)
    >>> callback.history.layers
    ['dense', 'dense_1', 'dense_2']

    Attributes:
        layers: the names of the layers, in the order of the second axis.
        num_records: how many records have come, with those of lost weights.

    Args:
        layers: the names of the layers.
        keys: the names of the statistics, such as `"weight_variance"`.
        accumulates: whether the optimizer accumulates gradients, so that several
            records of one step belong together.
    """

    def __init__(
        self,
        layers: Sequence[str] = (),
        keys: Sequence[str] = (),
        accumulates: bool = False,
    ) -> None:
        self.layers = list(layers)
        self._keys = list(keys)
        self._accumulates = accumulates
        self.num_records = 0
        self._chunks = [
            Records(
                np.empty(0, np.int64),
                np.empty((0, len(self._keys), len(self.layers))),
                np.empty(0, bool),
                np.empty(0),
                np.empty(0),
            )
        ]
        self._kept: tuple[int, Records] | None = None  # and of how many

    def append(self, records: Records) -> None:
        """Adds records behind those that are there."""
        self._chunks.append(records)
        self.num_records += len(records.steps)

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
        """What has come from the record with this number on, the first being 0."""
        return Records(*(part[number:] for part in self._all()))

    def last(self, count: int) -> Iterator[Record]:
        """The given number of records that came last, one by one."""
        records = self.since(self.num_records - count)
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

    def _repr_html_(self) -> str:
        """What a notebook shows: of each statistic the layers at both ends of it."""
        steps, names = self.steps, self.short_names()
        heads = "".join(f"<th>{name}</th>" for name in SUMMARY)
        rows = [
            f"<tr><th>{html.escape(key)}</th>{_cells(self[key], names)}</tr>"
            for key in (self._keys if len(steps) else ())
        ]
        span = f", from {steps[0]} to {steps[-1]}" if len(steps) else ""
        return (
            f"<p>{len(steps)} recorded steps{span}; {len(names)} layers</p>"
            f"<table><tr><th></th>{heads}</tr>{''.join(rows)}</table>"
        )

    def short_names(self) -> list[str]:
        """The names of the layers without the outer layers that all lie in.

        Examples:

        >>> History(["encoder/block/a", "encoder/head"]).short_names()
        ['block/a', 'head']
        """
        paths = [name.split("/") for name in self.layers]
        shared = 0
        while len(paths) > 1 and all(
            len(path) > shared + 1 and path[shared] == paths[0][shared]
            for path in paths
        ):
            shared += 1
        return ["/".join(path[shared:]) for path in paths]

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Writes one line for each step and layer, one column for each statistic.

        The columns are `step`, `skipped` (0 or 1), `loss`, `learning_rate`, `number`
        (of the layer, from 0), `layer`, and the statistics in the order of `keys()`.
        NaN and infinities are written as `nan`, `inf` and `-inf`.

        Args:
            path: the file to be written; one that is there is replaced.
        """
        columns = self._columns()
        columns["skipped"] = columns["skipped"].astype(int)
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    def to_pandas(self, shape: str = "long") -> Any:
        """The records as a `pandas.DataFrame`, for which pandas must be installed.

        Examples:

        >>> with layer_stats(model, log_dir=None) as stats:
        ...     _ = model.train_on_batch(x, y)
        >>> stats.history.to_pandas()["layer"].tolist()
        ['dense', 'dense_1', 'dense_2']
        >>> stats.history.to_pandas("wide")["gradient_variance"].shape
        (1, 3)

        Args:
            shape: `"long"`, a row for each step and layer with the columns of `to_csv`;
                or `"wide"`, a row for each step, and a column for each statistic and
                layer, both of which name it.

        Raises:
            ValueError: if `shape` is none of these.
            ImportError: if there is no pandas.
        """
        arguments.choice("shape", shape, SHAPES)
        import pandas as pd

        if shape == "long":
            return pd.DataFrame(self._columns())
        names = ["statistic", "layer"]
        columns = pd.MultiIndex.from_product([self._keys, self.layers], names=names)
        values = self._records().values.reshape(len(self.steps), -1)
        index = pd.Index(self.steps, name="step")
        return pd.DataFrame(values, index=index, columns=columns)

    def plot(
        self,
        statistic: str = "gradient_variance",
        over: str = "depth",
        layers: str = "*",
        ax: Any = None,
    ) -> Any:
        """Draws a statistic over the depth of the network, the steps, or both.

        Variances, norms, largest values and update ratios have a logarithmic axis, on
        which 0 is a gap, as non-finite values are everywhere.

        Examples:

        >>> with layer_stats(model, log_dir=None) as stats:
        ...     _ = model.train_on_batch(x, y)
        >>> figure = stats.history.plot("gradient_variance", layers="dense_*")

        Args:
            statistic: one of `keys()`.
            over: `"depth"`, a line for each of up to six steps, spread evenly over the
                records, the first of them dashed; `"steps"`, a line for each layer; or
                `"both"`, a picture with a row for each layer.
            layers: those that are drawn: a pattern of their names, as of file names.
            ax: the `matplotlib.axes.Axes` to draw on; a new figure without it.

        Returns:
            The `matplotlib.axes.Axes`.

        Raises:
            ValueError: if nothing was recorded, `over` is none of these, or no layer
                matches the pattern.
            KeyError: if the statistic was not recorded.
        """
        from keras_initkit.stats import history_plots

        arguments.choice("over", over, history_plots.KINDS)
        if not len(self.steps):
            raise ValueError("Nothing was recorded, so there is nothing to plot.")
        chosen = [
            number
            for number, name in enumerate(self.layers)
            if fnmatch.fnmatchcase(name, layers)
        ]
        if not chosen:
            expected = f"a pattern of the name of a layer, which are {self.layers}"
            raise arguments.error("layers", layers, expected)
        names = [self.short_names()[number] for number in chosen]
        drawing = history_plots.Drawing(
            statistic, self.steps, self[statistic][:, chosen], names
        )
        return drawing.draw(over, ax)

    def _columns(self) -> dict[str, np.ndarray]:
        """Of the long shape: each with an entry for each step and layer."""
        records, depth = self._records(), len(self.layers)
        of_steps = {
            "step": records.steps,
            "skipped": records.skipped,
            "loss": records.losses,
            "learning_rate": records.learning_rates,
        }
        return {
            **{name: np.repeat(column, depth) for name, column in of_steps.items()},
            "number": np.tile(np.arange(depth), len(records.steps)),
            "layer": np.tile(np.array(self.layers, object), len(records.steps)),
            **{key: self[key].ravel() for key in self._keys},
        }

    def _records(self) -> Records:
        """All but the lost ones; found on demand, for appending must be cheap."""
        if self._kept is None or self._kept[0] != self.num_records:
            records = self._all()
            kept = self._is_kept(records)
            if not kept.all():
                records = Records(*(part[kept] for part in records))
            self._kept = len(kept), records
        return self._kept[1]

    def _is_kept(self, records: Records) -> np.ndarray:
        """Which records no later one takes the place of."""
        steps = records.steps
        goes_on = steps[1:] > steps[:-1]
        # The counter of a step that was skipped stands still.
        may_stand = records.skipped[:-1] | self._accumulates
        goes_on |= may_stand & (steps[1:] == steps[:-1])
        back_to = np.where(goes_on, np.iinfo(steps.dtype).max, steps[1:])
        earliest = np.minimum.accumulate(back_to[::-1])[::-1]  # of all that follow
        return np.append(steps[:-1] < earliest, np.ones(len(steps[-1:]), bool))

    def _all(self) -> Records:
        """What has come, in one chunk."""
        if len(self._chunks) > 1:
            self._chunks = [
                Records(
                    *(np.concatenate(part) for part in zip(*self._chunks, strict=True))
                )
            ]
        return self._chunks[0]


def _cells(values: np.ndarray, names: Sequence[str]) -> str:
    """Of a statistic: the median over the layers, and the layers at both its ends."""
    cells = [_in_short(_finite(np.median, row)) for row in (values[0], values[-1])]
    for pick, of_many in ((np.argmin, np.inf), (np.argmax, -np.inf)):
        last = np.where(np.isfinite(values[-1]), values[-1], of_many)
        at = int(pick(last))
        cells.append(f"{_in_short(values[-1, at])} ({html.escape(names[at])})")
    cells.append(str(int((~np.isfinite(values[-1])).sum())))
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _finite(function: Callable[[np.ndarray], Any], row: np.ndarray) -> float:
    finite = row[np.isfinite(row)]
    return float(function(finite)) if len(finite) else math.nan


def _in_short(number: float) -> str:
    return f"{number:.3g}"
