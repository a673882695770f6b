"""Why layers are left alone, in one line for all of them."""

from collections.abc import Mapping


def listed_by_reason(reasons: Mapping[str, str]) -> str:
    """The layers, those of the same reason together.

    >>> listed_by_reason({"a": "is frozen", "b": "is shared", "c": "is frozen"})
    "'a', 'c' (is frozen); 'b' (is shared)"

    Args:
        reasons: for the name of each layer, why.
    """
    layers: dict[str, list[str]] = {}
    for layer, reason in reasons.items():
        layers.setdefault(reason, []).append(repr(layer))
    return "; ".join(f"{', '.join(names)} ({why})" for why, names in layers.items())
