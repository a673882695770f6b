"""Selects the variables of a model to record."""

import fnmatch
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_initkit.backends import keras_private
from keras_initkit.kernels.kernel import is_kernel, owners
from keras_initkit.kernels.names import layer_names, weights
from keras_initkit.markdown import escaped

Selector = str | type | Callable[[Any], bool]


def check_selectors(layers: Selector | Sequence[Selector] | None) -> list[Selector]:
    """The argument `layers` as a list; empty if it is None.

    Raises:
        ValueError: if one is not a name pattern, layer, layer class or predicate.
    """
    if layers is None:
        return []
    selectors: list[Any] = (
        list(layers) if isinstance(layers, (list, tuple)) else [layers]
    )
    for selector in selectors:
        if not isinstance(selector, str) and not callable(selector):
            raise ValueError(
                "Argument `layers` must be a name pattern such as 'dense_*', a layer, "
                "a layer class, a function from a layer to a bool, or a list of these. "
                f"Received: layers={layers!r}"
            )
    if not selectors:
        raise ValueError(
            f"Argument `layers` must select a layer. Received: layers={layers!r}"
        )
    return selectors


def select_variables(
    model: keras.Model,
    include_biases: bool = False,
    layers: Selector | Sequence[Selector] | None = None,
) -> list[Any]:
    """The trainable kernels of a built model, in the order of its layers.

    The order is that of `model.trainable_variables`: the order of execution for
    Sequential and Functional models, and of creation for subclassed models. A variable
    that several layers share appears once.

    Args:
        model: a built `keras.Model`.
        include_biases: whether to also select all other trainable variables.
        layers: selects only variables in matching layers: a pattern, as for file names,
            of the layer's name (see `layer_names`), of its `name` or its `path` in
            Keras; a layer; a class; a predicate; or a list of them.

    Raises:
        ValueError: if it finds none.
    """
    trainable, made_by = model.trainable_variables, owners(model)
    kernels = [v for v in trainable if include_biases or is_kernel(made_by[id(v)], v)]
    if not kernels:
        raise ValueError(
            "Argument `model` has no trainable kernel, a trainable weight of two or "
            "more axes. Set `layer.trainable = True` on a layer with a kernel, and "
            "compile the model again. Received: model "
            f"{model.name!r} with trainable variables {[v.path for v in trainable]}"
        )
    selectors = check_selectors(layers)
    if not selectors:
        return kernels
    around = layers_around(model)
    names = _names(model, kernels, around)
    selected = [
        variable
        for variable in kernels
        if any(
            _selects(s, around[id(variable)], names[id(variable)]) for s in selectors
        )
    ]
    if not selected:
        raise ValueError(
            "Argument `layers` selects none of the layers with a trainable kernel, "
            f"{layer_names(model, kernels)}. Received: layers={layers!r}"
        )
    return selected


def _names(
    model: keras.Model, variables: Sequence[Any], around: dict[int, list[Any]]
) -> dict[int, list[str]]:
    """The names that a pattern can match, for each variable by its `id`."""
    paths = {id(weight.variable): weight.paths[1:] for weight in weights(model)}
    return {
        id(variable): [
            name,
            *paths[id(variable)],
            *(layer.name for layer in around[id(variable)]),
            *(layer.path for layer in around[id(variable)]),
        ]
        for name, variable in zip(layer_names(model, variables), variables, strict=True)
    }


def _selects(selector: Selector, layers: Sequence[Any], names: Sequence[str]) -> bool:
    if isinstance(selector, str):
        return any(fnmatch.fnmatchcase(name, selector) for name in names)
    if isinstance(selector, type):
        return any(isinstance(layer, selector) for layer in layers)
    if isinstance(selector, keras.Layer):
        return any(layer is selector for layer in layers)
    return any(_holds(selector, layer) for layer in layers)


def _holds(predicate: Callable[[Any], Any], layer: Any) -> bool:
    try:
        return bool(predicate(layer))
    except Exception as error:  # the user's function may raise anything
        raise ValueError(
            "Argument `layers` has a function that fails on layer "
            f"{layer.path!r}: {error}. Received: layers={predicate!r}"
        ) from error


def layers_around(model: keras.Model) -> dict[int, list[Any]]:
    """The layers that contain each trainable variable, by its `id`.

    The LSTM and its cell both contain the kernel of an LSTM.
    """
    around: dict[int, list[Any]] = {}
    for layer in keras_private.layers_of(model, include_self=False):
        for variable in layer.trainable_variables:
            around.setdefault(id(variable), []).append(layer)
    # A variable that a subclassed model made without a layer is the model's own.
    for variable in model.trainable_variables:
        around.setdefault(id(variable), [model])
    return around


def layer_table(names: Sequence[str], variables: Sequence[Any]) -> str:
    """A Markdown table of the recorded variables, one line each.

    Args:
        names: the names from `layer_names`.
        variables: their variables.
    """
    lines = [
        "number | layer | variable | shape | parameters | dtype",
        "--|--|--|--|--|--",
    ]
    for number, (layer, variable) in enumerate(zip(names, variables, strict=True)):
        shape = " x ".join(map(str, variable.shape))
        cells = (layer, variable.name, shape, math.prod(variable.shape), variable.dtype)
        lines.append(" | ".join((str(number), *(escaped(str(c)) for c in cells))))
    return "\n".join(lines)
