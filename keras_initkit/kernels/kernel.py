"""What a kernel is: a weight that multiplies the layer's input."""

from typing import Any

from keras_initkit.backends import keras_private

# Slopes, shifts and scales act on one unit at a time, whatever their shape.
_NOT_KERNELS = ("alpha", "beta", "bias", "gamma", "scale")


def is_kernel(layer: Any, variable: Any) -> bool:
    """Whether a trained weight of a layer is a kernel.

    It is one if it has two or more axes, and if neither its name nor the layer's
    attribute that holds it says that it is a slope (`alpha` of PReLU), a shift (`bias`,
    `beta`) or a scale (`gamma`, `scale`).

    Args:
        layer: the layer that made the weight.
        variable: one of its trained weights.
    """
    held_as = [name for name, value in vars(layer).items() if value is variable]
    return len(variable.shape) > 1 and not any(
        name.lstrip("_") in _NOT_KERNELS or name.endswith("_bias")
        for name in (variable.name, *held_as)
    )


def owners(model: Any) -> dict[int, Any]:
    """The layer that made each trained weight of a model, by the weight's `id`.

    Those of frozen layers are there too, those made with `trainable=False` are not.

    Args:
        model: a built model or layer.
    """
    # A wrapper may hold the kernel of the layer in it too: the inner one comes later.
    return {
        id(variable): layer
        for layer in keras_private.layers_of(model)
        for variable in keras_private.own_trainable_variables(layer)
    }
