"""New initial weights for a built model, in place."""

import fnmatch
import hashlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit import arguments
from keras_initkit.backends import keras_private
from keras_initkit.initializers.base_draw import BaseDraw, InitializerLike
from keras_initkit.initializers.pretrained import Pretrained
from keras_initkit.kernels.fans import KernelFans, kernel_fans
from keras_initkit.kernels.names import Weight
from keras_initkit.kernels.names import weights as weights_of
from keras_initkit.kernels.origin import note_origin, own_initializer


def reinitialize(
    model: keras.Model,
    seed: int,
    initializers: InitializerLike | dict[str, InitializerLike] | None = None,
    optimizer: str = "reset",
) -> None:
    """Draws all weights of a built model anew, in place.

    Variables are assigned, so that nothing is compiled or traced again. Each variable
    gets a seed of its own, derived from `seed` and from its place in the model: the
    names of the layers around it, where a name that Keras made up (`dense_3`) counts as
    the first, second, ... such layer beside its siblings. Equally built models so get
    the same weights in any process, and a layer that is added does not change those of
    layers with names of their own.

    Frozen layers are drawn anew too. Moving averages of BatchNormalization start
    again, and so do the seed generators of Dropout and its like (with PyTorch, a
    Dropout without a seed draws from PyTorch's own generator instead). What is not
    trained and has no initializer stays as it is: what Normalization has adapted to,
    the states of a stateful RNN. An initializer that knows `input_axes` and
    `output_axes` and was given none gets those of `kernel_fans`, so that a
    DepthwiseConv2D may have other variances than Keras gives it.

    Examples:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> reinitialize(model, seed=1)
    >>> first = model.get_weights()
    >>> reinitialize(model, seed=2, initializers="orthogonal")
    >>> reinitialize(model, seed=1)
    >>> bool((model.get_weights()[0] == first[0]).all())
    True

    Args:
        model: A built model of any kind.
        seed: A non-negative integer.
        initializers: `None` for the initializer of each layer, with another seed; the
            identifier of an initializer for all kernels (see `kernel_fans`); or a dict
            from patterns, as of file names, of a layer's name or path to identifiers,
            of which the first that matches is taken. All other weights keep their own.
            An initializer without a seed, such as a function, is called as it is. The
            layers' configs go on naming the initializers that they were built with;
            `signal_report` names those that were drawn from.
        optimizer: "reset" starts the state of the optimizer again, iterations included;
            the learning rate stays as it is now. "keep" leaves it.

    Raises:
        ValueError: If an argument is not as above, a pattern matches no kernel, or a
            trainable weight has no initializer: a layer keeps that of its weight `x` as
            `self.x_initializer`. Or if the file of a `Pretrained` initializer cannot
            be read. Nothing is changed then.
    """
    _check_arguments(model, seed, optimizer)
    weights = list(weights_of(model))
    fans = {id(fans.variable): fans for fans in kernel_fans(model)}
    chosen = _chosen_initializers(weights, fans, initializers)
    without = [w for w in weights if id(w.variable) not in chosen]
    missing = [w.variable.path for w in without if _is_trained(w)]
    if missing:
        raise ValueError(
            "Argument `model` has weights without an initializer: the layer of weight "
            "`x` must keep it as `self.x_initializer`, as Keras layers do. Received: "
            f"weights={missing}"
        )
    fresh_optimizer = _fresh_optimizer(model) if optimizer == "reset" else None
    # All before any: a draw may fail.
    draws = [
        (weight.variable, *_draw(weight, chosen, fans, seed))
        for weight in weights
        if id(weight.variable) in chosen or _is_seed_state(weight.variable)
    ]
    for variable, initializer, value in draws:
        variable.assign(value)
        if id(variable) in fans:
            note_origin(variable, initializer)
    if fresh_optimizer is not None:
        _restart(model.optimizer, fresh_optimizer)


def _check_arguments(model: Any, seed: Any, optimizer: Any) -> None:
    arguments.instance("model", model, keras.Layer, "a Keras model or layer")
    if not model.built or not model.weights:
        raise ValueError(
            "Argument `model` must be built and have weights: call it on data, or "
            f"`model.build(input_shape)`, first. Received: model={model}"
        )
    if any(layer.quantization_mode for layer in keras_private.layers_of(model)):
        raise ValueError(
            "Argument `model` must not be quantized: no initializer draws integers. "
            f"Received: model={model}"
        )
    arguments.integer("seed", seed, least=0)
    arguments.choice("optimizer", optimizer, ("reset", "keep"))


def _is_trained(weight: Weight) -> bool:
    # A frozen layer's variables count, those made with trainable=False do not.
    own = keras_private.own_trainable_variables(weight.layer)
    return any(weight.variable is v for v in own)


def _is_seed_state(variable: Any) -> bool:
    return variable.name == "seed_generator_state"


def _chosen_initializers(
    weights: list[Weight], fans: dict[int, KernelFans], initializers: Any
) -> dict[int, Callable[..., Any]]:
    """Returns the initializer of each variable that has one, by the variable's id."""
    own = {id(w.variable): own_initializer(w.layer, w.variable) for w in weights}
    chosen = {key: found for key, found in own.items() if found is not None}
    if initializers is None:
        return chosen
    is_dict_of_patterns = (
        isinstance(initializers, dict) and "class_name" not in initializers
    )
    by_pattern = initializers if is_dict_of_patterns else {"*": initializers}
    if not all(isinstance(pattern, str) for pattern in by_pattern):
        expected = "a dict whose keys are name patterns of layers"
        raise arguments.error("initializers", initializers, expected)
    resolved = {p: _resolve(identifier) for p, identifier in by_pattern.items()}
    matched = set()
    for weight in weights:
        if id(weight.variable) not in fans:
            continue
        patterns = [p for p in resolved if _matches(p, weight)]
        matched.update(patterns)
        if patterns:
            chosen[id(weight.variable)] = resolved[patterns[0]]
    unmatched = [p for p in resolved if p not in matched]
    if unmatched:
        raise ValueError(
            "Argument `initializers` has patterns that match no layer with a kernel: "
            f"{unmatched}. Received: initializers={initializers}"
        )
    return chosen


def _matches(pattern: str, weight: Weight) -> bool:
    inside = weight.layers[1:] or weight.layers
    names = [name for layer in inside for name in (layer.name, layer.path)]
    names += weight.paths[1:]
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _resolve(identifier: Any) -> Callable[..., Any]:
    cause = None
    try:
        initializer = keras.initializers.get(identifier)
    except (TypeError, ValueError) as error:
        initializer, cause = None, error
    if initializer is None:
        raise ValueError(
            "Argument `initializers` must identify a Keras initializer, or be a dict "
            "from name patterns of layers to such identifiers. "
            f"Received: initializers={identifier}"
        ) from cause
    return initializer


def _draw(
    weight: Weight,
    chosen: dict[int, Callable[..., Any]],
    fans: dict[int, KernelFans],
    seed: int,
) -> tuple[Any, Any]:
    """Returns what a weight is drawn from, with its seed and axes, and the draw."""
    variable = weight.variable
    own_seed = _seed_of("/".join(weight.names), seed)
    if _is_seed_state(variable):
        return None, ops.convert_to_tensor([own_seed, 0], dtype=variable.dtype)
    initializer = chosen[id(variable)]
    if isinstance(initializer, keras.initializers.Initializer):
        config = initializer.get_config()
        known: dict[str, Any] = {"seed": own_seed} if "seed" in config else {}
        for axes in ("input_axes", "output_axes"):
            if axes in config and config[axes] is None and id(variable) in fans:
                known[axes] = getattr(fans[id(variable)], axes)
        if known:
            initializer = type(initializer).from_config({**config, **known})
        _check_has_values(initializer)
    try:
        return initializer, initializer(variable.shape, dtype=variable.dtype)
    except Exception as error:  # whatever the user's own function raises
        if chosen[id(variable)] is own_initializer(weight.layer, variable):
            raise
        raise ValueError(
            "Argument `initializers` must draw a weight of every shape, but fails for "
            f"{variable.path!r} of shape {tuple(variable.shape)}: {error}. "
            f"Received: initializers={initializer!r}"
        ) from error


def _check_has_values(initializer: Any) -> None:
    while isinstance(initializer, BaseDraw):
        initializer = initializer.base
    if isinstance(initializer, Pretrained) and initializer.is_missing:
        raise ValueError(
            "Argument `model` has a weight with a `Pretrained` initializer whose file "
            "was not read. Load the model with `safe_mode=False`, or give other "
            "`initializers`. "
            f"Received: source={initializer.source}"
        )


def _seed_of(key: str, seed: int) -> int:
    digest = np.frombuffer(hashlib.sha256(key.encode()).digest(), "<u4")
    sequence = np.random.SeedSequence([int(seed), *digest.tolist()])
    # Every backend takes 31 bits for a seed.
    return int(sequence.generate_state(1)[0] >> 1)


def _fresh_optimizer(model: Any) -> Any:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return None
    return type(optimizer).from_config(optimizer.get_config())


def _restart(optimizer: Any, fresh: Any) -> None:
    # Not all slots start at zero, some start at the weights: one built now knows.
    fresh.build(keras_private.variables_of(optimizer))
    for variable, start in zip(optimizer.variables, fresh.variables, strict=True):
        if variable.name != "learning_rate":
            variable.assign(start)
