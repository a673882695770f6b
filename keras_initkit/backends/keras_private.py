"""Every private name of Keras that the package touches, each with its reason.

`tests/backends/test_keras_private.py` fails when Keras changes one of them.
"""

from typing import Any

from keras.src.backend import AutocastScope, compute_output_spec
from keras.src.backend.common import global_state
from keras.src.initializers.random_initializers import compute_fans
from keras.src.saving.serialization_lib import SafeModeScope, in_safe_mode

__all__ = [
    "AutocastScope",
    "SafeModeScope",
    "compute_fans",
    "compute_output_spec",
    "global_state",
    "in_safe_mode",
]


def layers_of(model: Any, include_self: bool = True, recursive: bool = True) -> Any:
    """All layers in a model or layer: `model.layers` has only the outer ones."""
    return model._flatten_layers(include_self=include_self, recursive=recursive)


def attributes_of(layer: Any) -> dict[str, Any]:
    """The attributes of a layer; with PyTorch, layers in it are kept elsewhere."""
    return {**vars(layer), **vars(layer).get("_modules", {})}


def own_trainable_variables(layer: Any) -> list[Any]:
    """The layer's own variables: `trainable_variables` also has its sublayers'."""
    return layer._trainable_variables


def variables_of(optimizer: Any) -> list[Any]:
    """The variables that an optimizer trains: `apply` without variables uses these."""
    return getattr(optimizer, "inner_optimizer", optimizer)._trainable_variables


def compiled_loss(model: Any) -> Any:
    """The loss object that `compile` made, unlike `model.loss`; None before."""
    return model._compile_loss


def put_compiled_loss(model: Any, loss: Any) -> None:
    """Replaces the loss, not by setattr, because a model tracks its attributes."""
    vars(model)["_compile_loss"] = loss


def fresh_compiled_loss(loss: Any) -> Any:
    """A loss with the same arguments, which gets its own metrics on its first batch."""
    return type(loss)(
        loss._user_loss,
        loss._user_loss_weights,
        reduction=loss.reduction,
        output_names=loss.output_names,
    )


def calls_in(model: Any) -> list[Any]:
    """The calls in a Sequential or Functional model; none in other models."""
    by_depth = getattr(graph_of(model), "_nodes_by_depth", {})
    return [node for nodes in by_depth.values() for node in nodes]


def graph_of(model: Any) -> Any:
    """The model whose `outputs` those calls make: a Sequential one has it inside."""
    return getattr(model, "_functional", model)


def call_that_made(tensor: Any) -> tuple[Any, int]:
    """The call that made a symbolic tensor, and the number of the output."""
    operation, node_index, tensor_index = tensor._keras_history
    return operation._inbound_nodes[node_index], tensor_index


def output_projection(layer: Any) -> Any:
    """The last layer of an attention layer, which has no public name; else None."""
    return getattr(layer, "_output_dense", None)


def raw_iterations(optimizer: Any) -> Any:
    """The counter of an optimizer's calls; `iterations` skips accumulated ones."""
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations


def learning_rate_of(optimizer: Any) -> Any:
    """An optimizer's learning rate, without computing its value.

    It is a variable, a schedule, the user's own function, or None.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(inner, "_learning_rate", None)


def accumulated_steps(optimizer: Any) -> int:
    """The number of calls in one step of `optimizer.iterations`."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(inner, "gradient_accumulation_steps", None) or 1


def jax_state_is_synced(model: Any) -> bool:
    """With JAX: whether the variables hold the state, not the running training."""
    return model._jax_state_synced


def held_by_jax(model: Any, variable: Any) -> Any:
    """With JAX: the value of an optimizer's variable in the middle of `fit`.

    The variables are empty then. Keras would copy the whole state to fill them.
    """
    state = getattr(model, "_jax_state", None)
    if not state or model._jax_state_synced:
        return variable.value
    places = [id(v) for v in model.optimizer.variables]
    if id(variable) not in places:
        return variable.value
    return state["optimizer_variables"][places.index(id(variable))]


def put_jax_state(model: Any, state: Any) -> None:
    """With JAX: fills the variables, which are empty during training."""
    variables = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    for of_kind, values in zip(variables, state, strict=True):
        for variable, value in zip(of_kind, values, strict=True):
            variable.assign(value)


def take_jax_state(model: Any) -> Any:
    """With JAX: the state in the variables, in the trainer's form."""
    return model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
        purge_model_variables=True,
    )
