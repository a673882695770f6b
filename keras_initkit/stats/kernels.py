"""Which variables of a model are recorded, and what they are called."""

import math
from collections.abc import Sequence
from typing import Any

import keras

NOT_KERNELS = ("bias", "beta", "gamma", "scale")


def select_variables(model: keras.Model, include_biases: bool) -> list[Any]:
    """The trainable kernels of a built model, in the order of its layers.

    A kernel is a variable of two or more axes that is not called bias, beta, gamma or
    scale: what a layer multiplies its input with. The order is that of
    `model.trainable_variables`: for Sequential and Functional models the order of
    execution, for subclassed models that in which the layers were made. A variable
    that several layers share is there once.

    Args:
        model: a built `keras.Model`.
        include_biases: whether all the other trainable variables are selected too.

    Raises:
        ValueError: if none is found.
    """
    trainable = model.trainable_variables
    selected = [v for v in trainable if include_biases or _is_kernel(v)]
    if not selected:
        raise ValueError(
            "The model has no trainable kernel (a trainable variable of two or more "
            "axes), so that there is nothing to record. Set `layer.trainable = True` "
            "on a layer with a kernel and compile the model again. Received: model "
            f"{model.name!r} with trainable variables {[v.path for v in trainable]}"
        )
    return selected


def _is_kernel(variable: Any) -> bool:
    return len(variable.shape) > 1 and variable.name not in NOT_KERNELS


def layer_names(variables: Sequence[Any]) -> list[str]:
    """The name of each variable's layer: its `path` without the last part.

    Where a layer has several variables, the second and later ones keep the whole path:
    `lstm/lstm_cell`, `lstm/lstm_cell/recurrent_kernel`.
    """
    names: list[str] = []
    for variable in variables:
        layer, _, _ = variable.path.rpartition("/")
        names.append(variable.path if layer in names or not layer else layer)
    return names


def layer_table(variables: Sequence[Any]) -> str:
    """A Markdown table of the recorded variables, one line each."""
    lines = [
        "number | layer | variable | shape | parameters | dtype",
        "--|--|--|--|--|--",
    ]
    for number, (layer, variable) in enumerate(
        zip(layer_names(variables), variables, strict=True)
    ):
        shape = " x ".join(map(str, variable.shape))
        cells = (layer, variable.name, shape, math.prod(variable.shape), variable.dtype)
        escaped = (str(cell).replace("|", "\\|") for cell in cells)
        lines.append(" | ".join((str(number), *escaped)))
    return "\n".join(lines)
