"""Which layer can take back what another one is rescaled by."""

from typing import Any

import keras

from keras_initkit.backends import keras_private
from keras_initkit.kernels.calls import LAYERS, kernel_of

layers = keras.layers

HOMOGENEOUS = (
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.leaky_relu,
)
# f(s x) = s f(x) for all s > 0, whatever their arguments.
POSITIVELY_HOMOGENEOUS_LAYERS = (
    layers.LeakyReLU,
    layers.PReLU,
    layers.Dropout,
    layers.Flatten,
    layers.Reshape,
    layers.Permute,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
)


class NoSuccessorError(Exception):
    """Why nothing can take back what a layer is rescaled by; the message says it."""


def successor(model: keras.Model, layer: Any) -> Any:
    """The one layer with a kernel that takes in what a layer puts out.

    Between them is nothing but what is positively homogeneous, f(s x) = s f(x) for all
    s > 0. Then the layer's kernel and bias times s, and the other one's kernel divided
    by s, are the same function.

    Args:
        model: a built Sequential or Functional model.
        layer: a Dense, EinsumDense or convolution layer of it.

    Raises:
        NoSuccessorError: if there is none.

    Reference:

    - [Stock et al., 2019](https://arxiv.org/abs/1902.10416)
    """
    graph, nodes = keras_private.graph_of(model), keras_private.calls_in(model)
    own = [node for node in nodes if node.operation is layer]
    if len(own) != 1:
        raise NoSuccessorError(
            "it is shared by several places of the model"
            if own
            else "it is no layer of a Sequential or Functional model itself"
        )
    if layer.activation not in HOMOGENEOUS and not _is_homogeneous(layer.activation):
        name = getattr(layer.activation, "__name__", layer.activation)
        raise NoSuccessorError(f"its activation {name} is not positively homogeneous")
    _check_linear(layer)
    tensor = own[0].outputs[0]
    while True:
        node = _only_consumer(graph, nodes, tensor)
        follower = node.operation
        if isinstance(follower, LAYERS):
            _check_own(nodes, follower)
            return follower
        if not _is_homogeneous(follower):
            raise NoSuccessorError(
                f"{follower.name!r} behind it is not positively homogeneous"
            )
        tensor = node.outputs[0]


def _only_consumer(graph: Any, nodes: list[Any], tensor: Any) -> Any:
    if any(output is tensor for output in graph.outputs):
        raise NoSuccessorError("no layer follows it")
    consumers = [
        node
        for node in nodes
        if any(argument is tensor for argument in node.arguments.keras_tensors)
    ]
    if len(consumers) != 1:
        raise NoSuccessorError("its output goes into several layers")
    if len(consumers[0].arguments.keras_tensors) > 1:
        name = consumers[0].operation.name
        raise NoSuccessorError(f"its output is joined with others in {name!r}")
    return consumers[0]


def _check_own(nodes: list[Any], follower: Any) -> None:
    if sum(node.operation is follower for node in nodes) > 1:
        raise NoSuccessorError(f"{follower.name!r} behind it is shared")
    if not kernel_of(follower).trainable:
        raise NoSuccessorError(f"{follower.name!r} behind it is frozen")
    _check_linear(follower)


def _check_linear(layer: Any) -> None:
    """That z = W x + b, and that the next update does not set the scale of W anew."""
    if not any(type(layer).call is known.call for known in LAYERS):
        raise NoSuccessorError(f"{layer.name!r} has a call of its own")
    variables = (kernel_of(layer), getattr(layer, "bias", None))
    if any(getattr(variable, "constraint", None) for variable in variables):
        raise NoSuccessorError(f"{layer.name!r} has a constraint")


def _is_homogeneous(operation: Any) -> bool:
    if isinstance(operation, layers.Activation):
        return operation.activation in HOMOGENEOUS or _is_homogeneous(
            operation.activation
        )
    if isinstance(operation, layers.ReLU):
        return operation.max_value is None and operation.threshold == 0
    return isinstance(operation, POSITIVELY_HOMOGENEOUS_LAYERS)
