"""Parses the fix of a finding."""

import re
from typing import NamedTuple

PER_LAYER = ("activation", "kernel_initializer", "bias_initializer")
# The names in the text, and the attributes of `Program` that they mean.
ATTRIBUTES = {
    **{name: name for name in PER_LAYER},
    "learning_rate": "learning_rate",
    "loss": "loss",
    "units": "output_units",
    "x": "x",
    "y": "y",
}
EVERY_HIDDEN_LAYER = "every hidden layer"
_LINE = re.compile(r"(?P<name>\w+) *= *(?P<code>[^#=][^#]*?)( +# in (?P<where>[^#]+))?")


class Change(NamedTuple):
    """One line.

    Attributes:
        attribute: an attribute of a program.
        code: its new value.
        layers: names; empty for every hidden layer, and for changes without layers.
    """

    attribute: str
    code: str
    layers: tuple[str, ...] = ()


def parsed(text: str) -> list[Change]:
    """The changes that a fix asks for.

    >>> parsed('bias_initializer="zeros"  # in hidden_1, hidden_2')[0].layers
    ('hidden_1', 'hidden_2')

    Args:
        text: in each line an argument with its value: `kernel_initializer`,
            `bias_initializer` or `activation`, and behind it the layers,
            `# in hidden_1, hidden_2` or `# in every hidden layer`; `units` of the
            output; `learning_rate`; `loss`; `x` or `y`, an expression of the same name
            and of `np`.

    Raises:
        ValueError: a line is none of these.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise ValueError(f"Argument `text` must hold a change. Received: {text!r}")
    return [_parsed_line(line.strip()) for line in lines]


def _parsed_line(line: str) -> Change:
    match = _LINE.fullmatch(line)
    attribute = ATTRIBUTES.get(match["name"]) if match else None
    if match is None or attribute is None:
        raise ValueError(
            "Argument `text` must have one change a line, of "
            f"{', '.join(ATTRIBUTES)}. Received: {line!r}"
        )
    where = match["where"]
    if attribute not in PER_LAYER:
        return Change(attribute, match["code"])
    if where is None:
        raise ValueError(
            f"Argument `text` must say in which layers, `# in hidden_1`. Received: "
            f"{line!r}"
        )
    if where.strip() == EVERY_HIDDEN_LAYER:
        return Change(attribute, match["code"])
    return Change(attribute, match["code"], tuple(re.split(r" *, *", where.strip())))
