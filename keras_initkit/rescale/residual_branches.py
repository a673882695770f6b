"""Finds the residual branches of a model, and scales the kernels that close them."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from keras_initkit import arguments
from keras_initkit.backends import keras_private
from keras_initkit.kernels.fans import kernel_fans
from keras_initkit.kernels.origin import note_factors
from keras_initkit.theory.gains import gaussian_moments

# An activation sees tiny inputs behind a scaled kernel. One that is smooth there is
# linear and has almost no mean; ReLU has 0.7 of its standard deviation at any scale.
_TINY = 1e-3
_COHERENT_MEAN = 0.1
_CONSTANT_MEAN = 10  # With more, it is a constant for tiny inputs.

_SUMS = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Stack", "Subtract")


class ScaledBranch(NamedTuple):
    """A kernel that was multiplied by `factor`, and the sum that its branch joins."""

    variable: str
    add: str
    factor: float


class _Step(NamedTuple):
    """One call of a layer or operation. Numbers count calls in order of execution."""

    operation: Any
    parents: tuple[int, ...]
    # Bit n: it depends on call n, or is call n.
    ancestors: int


class _Branch(NamedTuple):
    """From the call whose output is split off, to the call whose output is added."""

    start: int
    end: int
    add: Any


def scale_residual_branches(
    model: keras.Model, depth: int | None = None, exponent: float | None = None
) -> list[ScaledBranch]:
    """Multiplies the last kernel of each residual branch by a power of the depth.

    The factor is `depth ** -exponent`, for the kernel and its bias. Each branch adds
    its variance to the stream, so an exponent of 1/2 bounds the sum at any depth. A
    branch that ends in a ReLU or a similar activation also adds its mean, and means add
    up coherently. Such a branch needs an exponent of 1.

    A residual branch is one side of a sum (`keras.layers.Add`, `keras.ops.add`, `+`)
    whose other side comes from the same tensor without a kernel, or through one linear
    projection (Dense, EinsumDense or a convolution of one tap) where the branch has
    more. The last layer with a kernel closes the branch, or the output projection of an
    attention layer, or several layers if the branch is itself a sum or concatenation.
    The function also looks into Functional and Sequential models. A kernel that
    closes several branches is scaled once. Calling this twice scales twice.

    Examples:

    >>> x = inputs = keras.Input((32,))
    >>> for _ in range(4):
    ...     x = x + keras.layers.Dense(32)(keras.layers.Dense(64, "relu")(x))
    >>> branches = scale_residual_branches(keras.Model(inputs, x))
    >>> len(branches), branches[0].factor
    (4, 0.5)

    Args:
        model: A Functional model, or a built Sequential one.
        depth: Number of residual branches in the stack, a positive integer. `None`
            counts those of the model, a block as often as it is called.
        exponent: Finite, non-negative float. `None` chooses 1/2 or 1, as above.

    Returns:
        A list of `ScaledBranch(variable, add, factor)` in the order of execution: the
        path of the kernel, the name of the sum, the factor.

    Raises:
        ValueError: If an argument is not as above; if there is no residual branch; or
            if a branch cannot be scaled by its last kernel, because a normalization
            follows that undoes the factor, an activation that is not 0 at 0, or a
            product of two tensors of the branch. Nothing is changed then.

    Reference:

    - [Radford et al., 2019](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf)
    - [Zhang et al., 2019](https://arxiv.org/abs/1901.09321)
    """
    _check_arguments(model, depth, exponent)
    steps = _steps(model)
    branches = [branch for step in steps for branch in _branches_into(step, steps)]
    if not branches:
        raise ValueError(
            "Argument `model` must have a residual branch: a sum (`Add` or `+`) with a "
            "shortcut around layers that have kernels. Sums inside the `call` of a "
            "custom layer cannot be found: give the last layer of such a branch "
            "`kernel_initializer=ScaledDepth(depth)` instead. "
            f"Received: model={model.name}, without a residual branch"
        )
    depth = len(branches) if depth is None else int(depth)
    scaled: dict[int, tuple[Any, ScaledBranch]] = {}
    for branch in branches:
        for layer, is_coherent in _closing_layers(branch, steps):
            power = (1.0 if is_coherent else 0.5) if exponent is None else exponent
            kernel, *biases = _last_weights(layer, branch)
            record = ScaledBranch(kernel.path, branch.add.name, depth**-power)
            for variable in (kernel, *biases):
                scaled.setdefault(id(variable), (variable, record))
    for variable, record in scaled.values():
        variable.assign(variable * record.factor)
    note_factors(model, [(v, record.factor) for v, record in scaled.values()])
    return list(dict.fromkeys(record for _, record in scaled.values()))


def _check_arguments(model: Any, depth: Any, exponent: Any) -> None:
    arguments.instance("model", model, keras.Model, "a `keras.Model`")
    if not (getattr(model, "inputs", None) and getattr(model, "outputs", None)):
        raise ValueError(
            "Argument `model` must be a Functional model or a built Sequential model. "
            "Nobody can see how a subclassed model connects its layers: give the last "
            "layer of each of its residual branches "
            "`kernel_initializer=ScaledDepth(depth)` instead. "
            f"Received: model={model!r}"
        )
    if depth is not None:
        arguments.integer("depth", depth)
    if exponent is not None:
        arguments.number("exponent", exponent, least=0)


def _steps(model: Any) -> list[_Step]:
    """Returns all calls in order of execution, those within nested models included."""
    steps: list[_Step] = []
    numbers: dict[tuple[int, ...], int] = {}
    pending = [_source(tensor, ()) for tensor in model.outputs]
    while pending:
        node, outer_calls = pending[-1]
        sources = [_source(tensor, outer_calls) for tensor in node.input_tensors]
        missing = [source for source in sources if _identity(source) not in numbers]
        if missing:
            pending += missing
            continue
        source = pending.pop()
        if _identity(source) in numbers:
            continue
        parents = tuple(numbers[_identity(source)] for source in sources)
        ancestors = 1 << len(steps)
        for parent in parents:
            ancestors |= steps[parent].ancestors
        numbers[_identity(source)] = len(steps)
        steps.append(_Step(node.operation, parents, ancestors))
    return steps


def _source(tensor: Any, outer_calls: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Returns the call that made a tensor, and the calls of nested models around it."""
    while True:
        node, tensor_index = keras_private.call_that_made(tensor)
        operation = node.operation
        if isinstance(operation, keras.Model) and getattr(operation, "outputs", None):
            tensor = operation.outputs[tensor_index]
            outer_calls = (*outer_calls, node)
        elif outer_calls and node.is_input:
            *others, call = outer_calls
            inputs = call.operation.inputs
            [position] = [i for i, inner in enumerate(inputs) if inner is tensor]
            tensor = call.input_tensors[position]
            outer_calls = tuple(others)
        else:
            return node, outer_calls


def _identity(source: tuple[Any, tuple[Any, ...]]) -> tuple[int, ...]:
    node, outer_calls = source
    return (id(node), *map(id, outer_calls))


def _branches_into(add: _Step, steps: list[_Step]) -> Iterator[_Branch]:
    # The class of `keras.ops.add` and `+` is not public, and has the same name.
    if type(add.operation).__name__ != "Add" or len(set(add.parents)) < 2:
        return
    common = add.ancestors
    for side in add.parents:
        common &= steps[side].ancestors
    if not common:
        return
    start = common.bit_length() - 1
    costs = [_cost(start, side, steps) for side in add.parents]
    shortcut = min(costs)
    if shortcut <= 1 and costs.count(shortcut) == 1:
        for side, cost in zip(add.parents, costs, strict=True):
            if cost > shortcut:
                yield _Branch(start, side, add.operation)


def _between(start: int, end: int, steps: list[_Step]) -> list[int]:
    """Returns the calls on all ways from call `start`, itself excluded, to `end`."""
    return [
        number
        for number in range(start + 1, end + 1)
        if steps[end].ancestors >> number & 1 and steps[number].ancestors >> start & 1
    ]


def _cost(start: int, end: int, steps: list[_Step]) -> int:
    """Returns how much of kernels the easiest way has: 1 a projection, 2 any other."""
    costs = {start: 0}
    for number in _between(start, end, steps):
        operation, parents, _ = steps[number]
        before = min(costs[parent] for parent in parents if parent in costs)
        costs[number] = before + _kernel_cost(operation)
    return costs[end]


def _kernel_cost(operation: Any) -> int:
    if not _has_kernel(operation):
        return 0
    is_linear = _activation(operation) in (None, keras.activations.linear)
    is_dense = isinstance(operation, keras.layers.Dense | keras.layers.EinsumDense)
    window = getattr(operation, "kernel_size", (1,) if is_dense else (0,))
    return 1 if is_linear and math.prod(window) == 1 else 2


def _has_kernel(operation: Any) -> bool:
    return isinstance(operation, keras.Layer) and bool(kernel_fans(operation))


def _closing_layers(branch: _Branch, steps: list[_Step]) -> list[tuple[Any, bool]]:
    """Returns the last layers with kernels, and whether a positive mean leaves them."""
    on_the_way = {branch.start, *_between(branch.start, branch.end, steps)}
    closing: dict[int, bool] = {}
    pending = [(branch.end, False)]
    while pending:
        number, is_coherent = pending.pop()
        operation = steps[number].operation
        # Layers and operations of this name: LayerNormalization, RMSNorm, ...
        if "norm" in type(operation).__name__.lower():
            raise _refusal(
                branch, operation, "normalizes the branch, which undoes any factor"
            )
        is_coherent = is_coherent or _is_coherent(operation, branch)
        if _has_kernel(operation):
            closing[number] = is_coherent or closing.get(number, False)
            continue
        parents = set(steps[number].parents) & on_the_way
        if len(parents) > 1 and type(operation).__name__ not in _SUMS:
            reason = "combines two parts of the branch by something other than a sum"
            raise _refusal(branch, operation, reason)
        pending += [(parent, is_coherent) for parent in parents]
    return [(steps[number].operation, closing[number]) for number in sorted(closing)]


def _is_coherent(operation: Any, branch: _Branch) -> bool:
    activation = _activation(operation)
    if activation is None:
        return False
    try:
        mean, variance = gaussian_moments(lambda z: activation(z * _TINY))
    except ValueError as error:
        reason = "does not become smaller with its input"
        raise _refusal(branch, operation, reason) from error
    if abs(mean) > _CONSTANT_MEAN * math.sqrt(variance):
        raise _refusal(branch, operation, "is not 0 where its input is 0")
    return abs(mean) > _COHERENT_MEAN * math.sqrt(variance)


def _activation(operation: Any) -> Any:
    """Returns the activation of a layer, or that an operation such as ReLU is."""
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    # Layers and operations have the names of the functions: LeakyReLU, LeakyRelu.
    by_class = {name.replace("_", ""): name for name in dir(keras.activations)}
    by_class["prelu"] = "relu"  # What it starts as.
    name = by_class.get(type(operation).__name__.lower())
    if name is not None:
        return getattr(keras.activations, name)
    return getattr(operation, "activation", None)


def _last_weights(layer: Any, branch: _Branch) -> list[Any]:
    """Returns the kernel that a layer's output is linear in, and the bias with it."""
    layer = keras_private.output_projection(layer) or layer
    kernels = [fans.variable for fans in kernel_fans(layer)]
    last = [v for v in kernels if len(kernels) == 1 or v.name == "pointwise_kernel"]
    if len(last) != 1:
        raise _refusal(
            branch, layer, "has several kernels, and no single one scales its output"
        )
    return last + [v for v in layer.weights if v.name == "bias"]


def _refusal(branch: _Branch, operation: Any, reason: str) -> ValueError:
    return ValueError(
        "Argument `model` must have residual branches that their last kernel scales, "
        f"but in one of them {operation.name!r} {reason}. End that branch with a layer "
        "that has one kernel and no activation, such as `Dense`, or scale it yourself. "
        f"Received: a branch into {branch.add.name!r}"
    )
