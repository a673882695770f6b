"""The definition of a kernel: a weight that multiplies the layer's input."""

from typing import Any

from keras_initkit.backends import keras_private

# Slopes, shifts and scales act on one unit at a time, whatever their shape.
_NOT_KERNELS = ("alpha", "beta", "bias", "gamma", "scale")


def is_kernel(layer: Any, variable: Any) -> bool:
    """Tells whether a trained weight of a layer is a kernel.

    A kernel has two or more axes, and neither its name nor its attribute in the layer
    is that of a slope (`alpha` of PReLU), a shift (`bias`, `beta`) or a scale (`gamma`,
    `scale`).

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

    It includes weights of frozen layers, but not those made with `trainable=False`.

    Args:
        model: a built model or layer.
    """
    # A wrapper may also hold the kernel of its inner layer, which comes later.
    return {
        id(variable): layer
        for layer in keras_private.layers_of(model)
        for variable in keras_private.own_trainable_variables(layer)
    }
