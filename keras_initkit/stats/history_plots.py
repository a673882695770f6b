"""Plots of a statistic over depth, over the steps, and over both."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

KINDS = ("depth", "steps", "both")
LOGARITHMIC = ("variance", "l2_norm", "max_abs", "update_ratio")
MOST_NAMES = 40  # on an axis
MOST_LINES = 12  # in a legend


class Drawing(NamedTuple):
    """A statistic to draw.

    Attributes:
        statistic: its name.
        steps: shape (records,), at least one.
        values: shape (records, layers).
        names: the names of the layers.
    """

    statistic: str
    steps: np.ndarray
    values: np.ndarray
    names: Sequence[str]

    @property
    def _has_log_axis(self) -> bool:
        return self.statistic.endswith(LOGARITHMIC)

    @property
    def _shown(self) -> np.ndarray:
        if not self._has_log_axis:
            return self.values
        return np.where(self.values > 0, self.values, np.nan)

    def draw(self, over: str, ax: Any) -> Any:
        """Draws one of `KINDS` on Matplotlib axes; None makes new ones."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
        if over == "both":
            self._draw_both(ax)
            return ax
        if over == "depth":
            self._draw_depth(ax, plt.get_cmap("viridis"))
        else:
            self._draw_steps(ax, plt.get_cmap("viridis"))
        if self._has_log_axis:
            ax.set_yscale("log")
        ax.set_ylabel(self._label())
        return ax

    def _draw_depth(self, ax: Any, colormap: Any) -> None:
        curves = np.unique(np.linspace(0, len(self.steps) - 1, num=6).astype(int))
        for row in curves:
            ax.plot(
                self._shown[row],
                marker=".",
                linestyle="-" if row else "--",
                color=colormap(0.85 * row / max(curves[-1], 1)),
                label=f"step {self.steps[row]}",
            )
        ax.set_xticks(*self._ticks(), rotation=45, ha="right")
        ax.legend()

    def _draw_steps(self, ax: Any, colormap: Any) -> None:
        for number, (name, line) in enumerate(
            zip(self.names, self._shown.T, strict=True)
        ):
            color = colormap(0.85 * number / max(len(self.names) - 1, 1))
            # A line with one point shows only its marker.
            marker = "." if len(self.steps) == 1 else None
            ax.plot(self.steps, line, marker=marker, color=color, label=name)
        ax.set_xlabel("step")
        lines = ax.lines[:: -(-len(self.names) // MOST_LINES)]
        ax.legend(handles=lines, fontsize="small")

    def _draw_both(self, ax: Any) -> None:
        from matplotlib.colors import LogNorm

        shown = np.ma.masked_invalid(self._shown.T)
        norm = LogNorm() if self._has_log_axis and shown.count() else None
        # By record, because the distances between steps may vary.
        picture = ax.imshow(shown, norm=norm, aspect="auto", interpolation="nearest")
        ax.figure.colorbar(picture, ax=ax, label=self._label())
        ax.set_yticks(*self._ticks())
        records = np.unique(np.linspace(0, len(self.steps) - 1, num=8).astype(int))
        ax.set_xticks(records, self.steps[records])
        ax.set_xlabel("step")

    def _ticks(self) -> tuple[range, list[str]]:
        """The positions and names of the layers that an axis shows."""
        numbers = range(0, len(self.names), -(-len(self.names) // MOST_NAMES))
        return numbers, [self.names[number] for number in numbers]

    def _label(self) -> str:
        return self.statistic.replace("_", " ")
