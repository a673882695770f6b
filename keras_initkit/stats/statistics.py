"""The recorded statistics and their keys."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from keras_initkit.stats.measures import TENSOR_MEASURES

SOURCES = ("weight", "gradient")
DUPLICATES = "duplicate_fraction"
UPDATE = "update_ratio"
FORWARD = (
    "pre_activation_mean",
    "pre_activation_variance",
    "activation_mean",
    "activation_variance",
    "dead_fraction",
    "saturated_fraction",
)
DEFAULT = ("mean", "variance", "l2_norm")

Measure = str | Callable[[Any], Any]


class Statistics:
    """The chosen statistics, by their keys.

    A name in `TENSOR_MEASURES` stands for two keys, `weight_<name>` and
    `gradient_<name>`. So does a user's function `f(tensor) -> scalar`, with its
    `__name__`.

    Examples:

    >>> Statistics(["variance", "dead_fraction"]).keys
    ('weight_variance', 'gradient_variance', 'dead_fraction')

    Args:
        chosen: names, keys and functions; or `"all"`, for everything that has a name.

    Attributes:
        measures: for `"weight"` and `"gradient"`, the function of each name.
        functions: the user's own functions.
        forward: the keys that the forward pass provides.
        keys: all keys, in the order of recording: weights, gradients, units, forward
            pass, update.
        of_tensors: the keys of weights and gradients.
        identity: equal for statistics that are computed in the same way.

    Raises:
        ValueError: if there is none, one is unknown, or a function has no unique name.
    """

    def __init__(self, chosen: str | Measure | Sequence[Measure] = DEFAULT) -> None:
        if chosen == "all":
            chosen = (*TENSOR_MEASURES, DUPLICATES, *FORWARD, UPDATE)
        elif isinstance(chosen, str) or not isinstance(chosen, Iterable):
            chosen = [chosen]
        self.measures: dict[str, dict[str, Callable[[Any], Any]]] = {
            source: {} for source in SOURCES
        }
        self.functions: dict[str, Callable[[Any], Any]] = {}
        singles = set()
        for measure in chosen:
            if callable(measure):
                self._add_function(measure)
            elif measure in TENSOR_MEASURES:
                for source in SOURCES:
                    self.measures[source][measure] = TENSOR_MEASURES[measure]
            elif measure in (DUPLICATES, UPDATE, *FORWARD):
                singles.add(measure)
            else:
                self._add_key(measure)
        self.duplicates = DUPLICATES in singles
        self.update = UPDATE in singles
        self.forward = tuple(key for key in FORWARD if key in singles)
        self.keys = (
            *(f"{source}_{name}" for source in SOURCES for name in self.names(source)),
            *((DUPLICATES,) if self.duplicates else ()),
            *self.forward,
            *((UPDATE,) if self.update else ()),
        )
        num_others = len(self.forward) + int(self.update)
        self.of_tensors = self.keys[: len(self.keys) - num_others]
        functions = [
            f for of_source in self.measures.values() for f in of_source.values()
        ]
        self.identity = self.keys, tuple(map(id, functions))
        if not self.keys:
            raise ValueError(
                "Argument `statistics` must name at least one statistic. "
                f"Received: statistics={chosen!r}"
            )

    def names(self, source: str) -> tuple[str, ...]:
        """The names of the statistics of `"weight"` or `"gradient"`, in order."""
        return tuple(self.measures[source])

    def _add_key(self, key: Any) -> None:
        source, _, name = str(key).partition("_")
        if source not in SOURCES or name not in TENSOR_MEASURES:
            raise ValueError(
                'Argument `statistics` must be "all", or a list of functions of one '
                f"tensor and of these names: {', '.join(TENSOR_MEASURES)} (with "
                "weight_ or gradient_ in front for one of the two), "
                f"{', '.join(FORWARD)}, {DUPLICATES}, {UPDATE}. "
                f"Received: statistics={key!r}"
            )
        self.measures[source][name] = TENSOR_MEASURES[name]

    def _add_function(self, function: Callable[[Any], Any]) -> None:
        name = getattr(function, "__name__", "")
        taken = self.measures["gradient"].get(name, TENSOR_MEASURES.get(name))
        if not name.isidentifier() or taken not in (None, function):
            raise ValueError(
                "Argument `statistics` must have only functions with a unique "
                "`__name__`. Define the function with `def`. "
                f"Received: statistics={function!r}, with __name__={name!r}"
            )
        for source in SOURCES:
            self.measures[source][name] = function
        if name not in TENSOR_MEASURES:
            self.functions[name] = function
