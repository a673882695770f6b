"""What a weight was drawn from, by its layer or by a remedy since, and its name."""

import inspect
import numbers
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from keras_initkit.initializers.intended_variance import with_axes
from keras_initkit.initializers.scaled import Scaled
from keras_initkit.kernels.fans import KernelFans, kernel_fans
from keras_initkit.kernels.kernel import owners

# A longer text, such as a path, says less than it takes up in a table.
_MAX_VALUE_LENGTH = 16
# What these layers draw from without keeping the initializer.
_INITIALIZERS_WITHOUT_ATTRIBUTE: dict[tuple[str, str], Any] = {
    ("AdditiveAttention", "scale"): "glorot_uniform",
    ("Attention", "scale"): "ones",
    ("Attention", "concat_score_weight"): "ones",
    ("RMSNormalization", "scale"): "ones",
    ("SpectralNormalization", "vector_u"): keras.initializers.TruncatedNormal(0.02),
    ("BatchNormalization", "moving_stddev"): "ones",
    ("BatchNormalization", "renorm_mean"): "zeros",
    ("BatchNormalization", "renorm_stddev"): "ones",
}
# What remedies drew kernels from, by the id of a living variable, which has no hash.
_redrawn: dict[int, Any] = {}


def own_initializer(layer: Any, variable: Any) -> Callable[..., Any] | None:
    """What a layer drew its variable from; None if unknown.

    A layer keeps the initializer of its variable `x` or `x_kernel` as `x_initializer`,
    a depthwise convolution that of its `kernel` as `depthwise_initializer`.
    """
    name = variable.name
    if name == "bias" and getattr(layer, "unit_forget_bias", False):
        return _forget_gate_bias(layer)
    stems = [name, name.removesuffix("_kernel"), name.removeprefix("reverse_")]
    if hasattr(layer, "depthwise_initializer"):
        stems.append("depthwise")
    for stem in stems:
        initializer = getattr(layer, f"{stem}_initializer", None)
        if initializer is not None:
            return initializer
    known = _INITIALIZERS_WITHOUT_ATTRIBUTE.get((type(layer).__name__, name))
    return None if known is None else keras.initializers.get(known)


def _forget_gate_bias(cell: Any) -> Callable[..., Any]:
    """The bias of an LSTM whose forget gate, the second of four, starts open."""

    def initializer(shape: Any, dtype: Any) -> Any:
        first, _, *others = ops.split(cell.bias_initializer(shape, dtype=dtype), 4)
        return ops.concatenate([first, ops.ones_like(first), *others])

    return initializer


def note_origin(variable: Any, initializer: Any) -> None:
    """From now on, a kernel counts as drawn from this initializer.

    Neither a copy of the model nor a saved one knows of it.
    """
    if id(variable) not in _redrawn:
        weakref.finalize(variable, _redrawn.pop, id(variable))
    _redrawn[id(variable)] = initializer


def note_factors(model: Any, factors: Iterable[tuple[Any, float]]) -> None:
    """From now on, kernels count as drawn from what they were, times a factor.

    Args:
        model: a built model.
        factors: variables of it, each with what it was multiplied by; what is no kernel
            is passed over.
    """
    made_by = owners(model)
    kernels = {id(kernel.variable): kernel for kernel in kernel_fans(model)}
    for variable, factor in factors:
        kernel = kernels.get(id(variable))
        if kernel is None or factor == 1:
            continue
        initializer = kernel_initializer(made_by[id(variable)], kernel)
        if initializer is not None:
            note_origin(variable, Scaled(initializer, factor))


def kernel_initializer(layer: Any, kernel: KernelFans) -> Callable[..., Any] | None:
    """What a kernel was drawn from, with its axes; None if unknown.

    That is what a remedy has noted, or else what the layer says. It is for formulas and
    for its name, not to draw from.
    """
    own = own_initializer(layer, kernel.variable)
    initializer = _redrawn.get(id(kernel.variable), own)
    if isinstance(layer, keras.layers.EinsumDense) and isinstance(
        initializer, keras.initializers.VarianceScaling
    ):
        # As the layer does, which keeps the one without axes.
        return with_axes(initializer, kernel.input_axes, kernel.output_axes)
    return initializer


def initializer_name(initializer: Any) -> str:
    """The class, and the arguments that it cannot do without, where they are short.

    >>> initializer_name(ScaledDepth(24)), initializer_name(Critical("tanh", depth=9))
    ('ScaledDepth(24)', 'Critical(tanh)')
    """
    if initializer is None:
        return "-"
    if not isinstance(initializer, keras.initializers.Initializer):
        return _name(initializer)
    kind = type(initializer)
    required = [
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is parameter.empty
    ]
    values = [_short(vars(initializer).get(name)) for name in required]
    said = [value for value in values if value]
    return kind.__name__ + (f"({', '.join(said)})" if said else "")


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _short(value: Any) -> str:
    """A number, a short text or the name of a function; nothing of an array."""
    if callable(value):
        return _name(value)
    if isinstance(value, float):
        return f"{value:.3g}"
    text = str(value) if isinstance(value, (str, numbers.Number)) else ""
    return text if len(text) <= _MAX_VALUE_LENGTH else ""
