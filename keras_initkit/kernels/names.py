"""Names of layers and weights that do not depend on other models in the process."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras

from keras_initkit.backends import keras_private
from keras_initkit.kernels.kernel import is_kernel


class Weight(NamedTuple):
    """A variable of a model, and where it is.

    Attributes:
        variable: the variable.
        layers: the layers around it, from the model to the one that made it.
        names: the names of those layers, without the model's, and of the variable.
    """

    variable: Any
    layers: tuple[Any, ...]
    names: tuple[str, ...]

    @property
    def layer(self) -> Any:
        """The layer that made it."""
        return self.layers[-1]

    @property
    def paths(self) -> list[str]:
        """The path of each layer around it, from the model, whose path is empty.

        The cell of an LSTM, or of any other RNN, has the name of the layer around it.
        """
        paths = [""]
        for outer, name in zip(self.layers[:-1], self.names[:-1], strict=True):
            is_cell = isinstance(outer, keras.layers.RNN)
            paths.append(paths[-1] if is_cell else f"{paths[-1]}/{name}".strip("/"))
        return paths

    @property
    def layer_name(self) -> str:
        """The path of the layer that made it."""
        return self.paths[-1]


def weights(model: Any) -> Iterator[Weight]:
    """Yields each variable of a built model once, with its names.

    It keeps a name that a user gave. A name that Keras makes up, the class and a number
    (`dense_10`), gets a new number among its siblings, the layers in the same layer:
    `dense`, `dense_1`. A saved model does not tell who wrote `dense_10`, so your own
    `dense_10` gets a new number too. All names are the same in another process, in a
    clone, and in a second model that is built alike.

    Args:
        model: a built model or layer.
    """
    return _weights((model,), (), set())


def layer_names(model: keras.Model, variables: Sequence[Any]) -> list[str]:
    """The unique name of each variable's layer.

    It joins the names of the layers around the variable (see `weights`), without the
    model's: `dense`, `inner/dense_1`. The first kernel of a layer has the layer's name.
    The others also have their own: `lstm`, `lstm/recurrent_kernel`.

    Examples:

    >>> layers = [keras.Input((5, 4)), keras.layers.LSTM(3), keras.layers.Dense(2)]
    >>> model = keras.Sequential(layers)
    >>> layer_names(model, model.trainable_variables)
    ['lstm', 'lstm/recurrent_kernel', 'lstm/bias', 'dense', 'dense/bias']

    Args:
        model: a built `keras.Model`.
        variables: some of its variables.
    """
    found = list(weights(model))
    first: dict[str, Weight] = {}
    for weight in sorted(found, key=lambda w: not is_kernel(w.layer, w.variable)):
        first.setdefault(weight.layer_name, weight)
    names = {}
    for weight in found:
        layer, own = weight.layer_name, weight.names[-1]
        is_first = layer and first[layer] is weight
        names[id(weight.variable)] = layer if is_first else f"{layer}/{own}".strip("/")
    unique = dict(zip(names, _distinct(names.values()), strict=True))
    return [unique[id(variable)] for variable in variables]


def given_name(named: Any) -> str | None:
    """The name of a model or layer; None if Keras made it up."""
    return named.name if _made_up_stem(named) is None else None


def _weights(
    layers: tuple[Any, ...], names: tuple[str, ...], seen: set[int]
) -> Iterator[Weight]:
    inner = keras_private.layers_of(layers[-1], include_self=False, recursive=False)
    for layer, name in _named(inner):
        yield from _weights((*layers, layer), (*names, name), seen)
    # A wrapper's variables may belong to the layer inside it.
    own = [v for v in layers[-1].variables if id(v) not in seen]
    seen.update(map(id, own))
    for variable, name in _named(own):
        yield Weight(variable, layers, (*names, name))


def _named(siblings: Sequence[Any]) -> list[tuple[Any, str]]:
    """The siblings with their names, in the same order."""
    stems = {id(sibling): _made_up_stem(sibling) for sibling in siblings}
    # A given name wins over an equal one that Keras made up.
    order = sorted(siblings, key=lambda sibling: stems[id(sibling)] is not None)
    distinct = _distinct(stems[id(sibling)] or sibling.name for sibling in order)
    names = {id(s): name for s, name in zip(order, distinct, strict=True)}
    return [(sibling, names[id(sibling)]) for sibling in siblings]


def _made_up_stem(named: Any) -> str | None:
    """A name that Keras made up, without its number; None if the user gave it."""
    class_name = type(named).__name__.replace("_", "").lower()
    for stem in (named.name, re.sub(r"_\d+$", "", named.name)):
        # Bidirectional puts these before a name that Keras may have made up.
        made_up = re.sub(r"^(forward|backward)_", "", stem).replace("_", "")
        if made_up == class_name:
            return stem
    return None


def _distinct(names: Iterable[str]) -> list[str]:
    """The names, with a number behind each repeated one."""
    distinct: list[str] = []
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    for stem in names:
        name = stem
        while name in taken:
            counts[stem] += 1
            name = f"{stem}_{counts[stem]}"
        taken.add(name)
        distinct.append(name)
    return distinct
