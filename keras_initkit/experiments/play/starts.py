"""The ways to start that a page offers, and their names for `kernel_initializers`."""

from keras_initkit.experiments.play.fields import Choice, Number

CONSTANT = 0.5
TOO_SMALL, TOO_LARGE = 0.01, 10.0

_BASES = {
    "zeros": ("zeros", 1.0),
    "constant": ("ones", CONSTANT),
    "too_small": ("he_normal", TOO_SMALL),
    "too_large": ("he_normal", TOO_LARGE),
    **{
        name: (name, 1.0)
        for name in (
            *("glorot_uniform", "he_normal", "lecun_normal", "orthogonal"),
            *("dynamic_rescaling", "critical", "looks_linear", "lsuv"),
        )
    },
}

INITIALIZER = Choice("initializer", "Initializer", "he_normal", tuple(_BASES))
SCALE = Number("scale", "Weights times", 1.0, 0.1, 10.0, is_logarithmic=True)


def start_name(initializer: str, scale: float) -> str:
    """What `kernel_initializers` calls a start.

    >>> start_name("too_small", 3.0)
    'he_normal*0.03'
    """
    base, factor = _BASES[initializer]
    return f"{base}*{factor * scale:g}"
