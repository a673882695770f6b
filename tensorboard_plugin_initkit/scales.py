"""How each statistic is shown: its axis, its colours, and what is healthy.

One table for the tab, the images and the plots, so that a colour means the same in all
of them, in every run and at every step. It imports nothing of the project.
"""

from typing import Any, NamedTuple


class Band(NamedTuple):
    """Between which values a layer gives no cause for concern.

    Attributes:
        around: `"median"` of the layers at that step, `"last"` of them (the head, whose
            gradient no depth has changed), `"intended"` (the variance that the
            layer's initializer intends), or None for the same bounds everywhere.
        low: the lower bound; a factor to what the band is around.
        high: the upper bound, likewise.
        floor: what is too small, whatever the band is around.
        ceiling: what is too large, likewise; None where nothing is.
        source: where the bounds come from.
    """

    around: str | None
    low: float
    high: float
    floor: float
    ceiling: float | None
    source: str


class Scale(NamedTuple):
    """The axis of a statistic.

    Attributes:
        logarithmic: whether its log10 is shown.
        low: what has the first colour of a heatmap: log10 of a value where the axis is
            logarithmic; None where it is the smallest value there is.
        high: what has the last colour, likewise.
        band: what is healthy; None where nothing can be said.
    """

    logarithmic: bool
    low: float | None
    high: float | None
    band: Band | None


_DEPTH_VARIANCE = Band(
    "median",
    0.1,
    10,
    0,
    None,
    "within a factor of 10 of the median layer (SageMaker Debugger)",
)
_GRADIENT_VARIANCE = Band(
    "last",
    1e-4,
    1e4,
    1e-14,
    1e4,
    "in standard deviation within a factor of 100 of the last layer, as vanishing and "
    "exploding gradients are not, and from 1e-7 (SageMaker Debugger) to 100",
)
_GRADIENT_NORM = Band(
    "last",
    1e-3,
    70,
    0,
    None,
    "from 1/1000 of the last layer's to 70 times as large (AutoTrainer)",
)
_INTENDED = Band(
    "intended", 0.5, 2, 0, None, "within a factor of 2 of what the initializer intends"
)
_UPDATE = Band(
    None,
    1e-4,
    1e-1,
    0,
    None,
    "each step changes the weights by 0.01 % to 10 % of their norm (TheDeepChecker)",
)
_HALF = Band(
    None, 0, 0.5, 0, None, "no more than half of the units (SageMaker Debugger)"
)

# log10 of the values that Dense networks have from vanishing to exploding.
_SCALES = {
    "weight_variance": Scale(True, -6, 2, _INTENDED),
    "weight_l2_norm": Scale(True, -2, 4, None),
    "weight_max_abs": Scale(True, -3, 2, None),
    "gradient_variance": Scale(True, -16, 0, _GRADIENT_VARIANCE),
    "gradient_l2_norm": Scale(True, -8, 4, _GRADIENT_NORM),
    "gradient_max_abs": Scale(True, -8, 2, None),
    "pre_activation_variance": Scale(True, -6, 6, _DEPTH_VARIANCE),
    "activation_variance": Scale(True, -6, 6, _DEPTH_VARIANCE),
    "update_ratio": Scale(True, -6, 0, _UPDATE),
    "dead_fraction": Scale(False, 0, 1, _HALF),
    "saturated_fraction": Scale(False, 0, 1, None),
    "duplicate_fraction": Scale(False, 0, 1, None),
    "weight_zero_fraction": Scale(False, 0, 1, None),
    "gradient_zero_fraction": Scale(False, 0, 1, None),
}
_ANY = Scale(False, None, None, None)


def scale(key: str) -> Scale:
    """The scale of a statistic; of one that is not ours, the plain numbers.

    Example:

    >>> scale("gradient_variance").logarithmic
    True
    >>> scale("weight_my_own")
    Scale(logarithmic=False, low=None, high=None, band=None)

    Args:
        key: the name of a statistic, such as `"gradient_variance"`.
    """
    return _SCALES.get(key, _ANY)


def scale_as_dict(key: str) -> dict[str, Any]:
    """The scale of a statistic, as JSON has it."""
    found = scale(key)
    band = None if found.band is None else found.band._asdict()
    return {**found._asdict(), "band": band}
