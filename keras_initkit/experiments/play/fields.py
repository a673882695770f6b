"""What a page may choose: the fields of its form, and the limits of each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from keras_initkit import arguments

Values: TypeAlias = dict[str, Any]
"""The value of each field, by its name."""


@dataclass(frozen=True)
class Choice:
    """One of some words.

    Attributes:
        name: of the field.
        label: what the reader sees.
        default: one of `choices`.
        choices: the words.
    """

    name: str
    label: str
    default: str
    choices: tuple[str, ...]

    def checked(self, value: Any) -> str:
        return arguments.choice(self.name, value, self.choices)


@dataclass(frozen=True)
class Number:
    """A number in a range, on a slider.

    Attributes:
        name: of the field.
        label: what the reader sees.
        default: from `low` to `high`.
        low: the smallest.
        high: the largest.
        is_integer: whether there is nothing in between.
        is_logarithmic: whether the slider has equal ratios at equal distances.
    """

    name: str
    label: str
    default: float
    low: float
    high: float
    is_integer: bool = False
    is_logarithmic: bool = False

    def checked(self, value: Any) -> float:
        kind = "an integer" if self.is_integer else "a number"
        expected = f"{kind} from {self.low:g} to {self.high:g}"
        try:
            number = arguments.number(self.name, value, least=self.low)
        except ValueError:
            raise arguments.error(self.name, value, expected) from None
        if number > self.high or (self.is_integer and number % 1):
            raise arguments.error(self.name, value, expected)
        return int(number) if self.is_integer else number


Field: TypeAlias = Choice | Number

SECOND = "_b"
"""Ends the name of a field of the second start."""


def second(field: Field) -> Field:
    """The same field for the second of two starts."""
    label = f"{field.label}, second start"
    return replace(field, name=field.name + SECOND, label=label)


def of_second(values: Values) -> Values:
    """The values of the second start, under the names of the first."""
    own = {
        name.removesuffix(SECOND): value
        for name, value in values.items()
        if name.endswith(SECOND)
    }
    return {**values, **own}


def checked(fields: Sequence[Field], given: Any) -> Values:
    """The values of all fields: those given, and the defaults of the others.

    >>> checked([Number("layers", "Layers", 2, 1, 4, is_integer=True)], {"layers": 3})
    {'layers': 3}

    Args:
        fields: of a scene.
        given: a mapping from names to values, from whoever wrote the link.

    Raises:
        ValueError: it is no mapping, a name is unknown, or a value is not allowed.
    """
    if not isinstance(given, Mapping):
        raise arguments.error("values", given, "a mapping from names to values")
    unknown = [name for name in given if name not in {field.name for field in fields}]
    if unknown:
        names = ", ".join(field.name for field in fields)
        raise arguments.error("values", unknown[0], f"named by one of {names}")
    return {
        field.name: field.checked(given.get(field.name, field.default))
        for field in fields
    }


def as_json(field: Field) -> dict[str, Any]:
    """All attributes, from which the page makes its form."""
    return asdict(field)
