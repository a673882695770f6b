"""A signal report as a picture: variances over depth, measured and predicted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# From the palette of Okabe and Ito (2008), which suits any color vision.
MEASURED, PREDICTED = "#0072B2", "#D55E00"
# More names than this cannot be read below a panel.
MAX_NAMES = 24


def draw(report: Mapping[str, Any], layers: list[str]) -> Figure:
    """Two panels: the variance of z, and that of its gradient, over depth.

    Args:
        report: the columns of `signal_report`.
        layers: the names of its rows.
    """
    figure = Figure(figsize=(12, 5), dpi=120, layout="constrained")
    signal, gradient = figure.subplots(1, 2)
    _draw(signal, report["measured_variance"], report["predicted_variance"], layers)
    signal.set_title("Pre-activations z")
    signal.set_ylabel("variance")
    of_gradient = report["gradient_variance"], report["predicted_gradient_variance"]
    _draw(gradient, *of_gradient, layers)
    gradient.set_title("Gradient with respect to z")
    signal.legend()
    return figure


def _draw(
    axes: Axes, measured: np.ndarray, predicted: np.ndarray, layers: list[str]
) -> None:
    styles: tuple[tuple[np.ndarray, dict[str, Any]], ...] = (
        (measured, {"color": MEASURED, "marker": "o", "label": "measured"}),
        # No line, because it would bridge layers without a prediction.
        (predicted, {"color": PREDICTED, "marker": "X", "ls": "", "zorder": 3}),
    )
    for variances, style in styles:
        # Without zeros and infinities, which a logarithmic axis cannot show.
        is_drawn = np.isfinite(variances) & (variances > 0)
        places = np.flatnonzero(is_drawn)
        axes.plot(places, variances[is_drawn], **{"label": "predicted", **style})
    axes.set_yscale("log")
    # At least two decades, so nearly equal values look alike.
    low, high = axes.get_ylim()
    middle = np.sqrt(low * high)
    axes.set_ylim(min(low, middle / 10), max(high, middle * 10))
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.grid(alpha=0.3)
    if len(layers) <= MAX_NAMES:
        axes.set_xticks(range(len(layers)), layers, rotation=45, ha="right")
    else:
        axes.set_xlabel("kernel, from the input to the head")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
