"""The axis of each statistic, and the ends of its colors.

The tab, the images and the plots share this table, so a color means the same in all of
them, in every run and at every step. It imports nothing from the project.
"""

from typing import NamedTuple


class Scale(NamedTuple):
    """The axis of a statistic.

    Attributes:
        logarithmic: whether the axis shows its log10.
        low: the value of a heatmap's first color, as log10 if the axis is logarithmic.
            None for the smallest existing value.
        high: the value of the last color, likewise.
        signed: whether its values lie on both sides of 0, decades apart. The axis of a
            chart is then logarithmic on both sides, and linear around 0.
    """

    logarithmic: bool
    low: float | None
    high: float | None
    signed: bool = False


# log10 of the values in Dense networks, from vanishing to exploding.
_SCALES = {
    "weight_variance": Scale(True, -6, 2),
    "weight_l2_norm": Scale(True, -2, 4),
    "weight_max_abs": Scale(True, -3, 2),
    "gradient_variance": Scale(True, -16, 0),
    "gradient_l2_norm": Scale(True, -8, 4),
    "gradient_max_abs": Scale(True, -8, 2),
    "pre_activation_variance": Scale(True, -6, 6),
    "activation_variance": Scale(True, -6, 6),
    "update_ratio": Scale(True, -6, 0),
    "dead_fraction": Scale(False, 0, 1),
    "saturated_fraction": Scale(False, 0, 1),
    "duplicate_fraction": Scale(False, 0, 1),
    "weight_zero_fraction": Scale(False, 0, 1),
    "gradient_zero_fraction": Scale(False, 0, 1),
}
_ANY = Scale(False, None, None)
_SIGNED = Scale(False, None, None, signed=True)
_SCALES |= dict.fromkeys(
    ("weight_mean", "gradient_mean", "pre_activation_mean", "activation_mean"), _SIGNED
)


def scale(key: str) -> Scale:
    """The scale of a statistic. A statistic that is not ours shows plain numbers.

    Example:

    >>> scale("gradient_variance").logarithmic
    True
    >>> scale("weight_my_own")
    Scale(logarithmic=False, low=None, high=None, signed=False)

    Args:
        key: the name of a statistic, such as `"gradient_variance"`.
    """
    return _SCALES.get(key, _ANY)
