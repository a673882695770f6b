"""Layer-sequential unit variance: weights that are right on the data itself."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_initkit import arguments, backends
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.kernels.calls import KernelCall, each_kernel_call
from keras_initkit.kernels.fans import KernelFans, kernel_fans
from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.origin import note_factors, note_origin
from keras_initkit.kernels.random_state import keras_random_state_kept
from keras_initkit.kernels.selection import Selector, select_variables
from keras_initkit.report.batch import build_on, check_batch
from keras_initkit.report.kept_state import assign, read, state_kept, variables_kept
from keras_initkit.report.layer_report import LayerReport
from keras_initkit.report.scale_invariance import is_scale_invariant
from keras_initkit.theory.variance import variance as variance_of

# A smaller step may change no number of bfloat16, so that nothing comes of it.
_ROUNDING = 2**-7


def lsuv(
    model: keras.Model,
    x: Any,
    target_variance: float = 1.0,
    tolerance: float = 0.02,
    max_iterations: int = 20,
    orthogonal: bool = True,
    layers: Selector | Sequence[Selector] | None = None,
    discard_trained: bool = False,
) -> LayerReport:
    """Draws new orthogonal kernels, and rescales them to unit variance on a batch.

    Trained kernels are lost, unless `orthogonal=False`, which only rescales them. In
    the order of execution, each kernel is replaced by an orthogonal one, and then
    divided by `sqrt(Var[z] / target_variance)` until the variance of the layer's
    pre-activations z = W x + b, over samples, positions and units, is within the
    tolerance. One pass through the network does it: each layer is run about once for
    each of its iterations, on what the layers before, which are done, hand on.

    Kernels of Dense, EinsumDense (so of attention) and convolution layers are treated,
    where they are trainable; all other weights stay as they are. The pass is made in
    training mode (dropout, batch statistics); afterwards moving averages, seeds and
    metrics are as before. A shared layer is treated at its first call.

    Examples:

    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(2)]
    ... )
    >>> report = lsuv(model, np.random.normal(size=(256, 8)))
    >>> np.round(report["after"], 1)
    array([1., 1.])

    Args:
        model: `keras.Model`. If it is not built yet, it is built on `x`.
        x: one batch of inputs, as the model is called with: an array, or a list or dict
            of arrays. Some hundred samples are enough.
        target_variance: positive float.
        tolerance: positive float; how far the variance may be from its target, as a
            share of it.
        max_iterations: positive integer, for each layer. One is enough where the bias
            is zero; with the bias's share `r` of the target variance, what is missing
            becomes about `r` times as much in each.
        orthogonal: whether the kernels are replaced by orthogonal ones first. If False,
            each keeps its values but for one factor, and a layer within the tolerance
            is not touched at all.
        layers: which layers are treated: a pattern, as of file names, of the layer's
            name or path (`"dense_*"`), a layer, a layer class, a function from a layer
            to a bool, or a list of these, of which one must apply. None for all.
        discard_trained: whether orthogonal kernels may replace those of a model whose
            optimizer has taken steps.

    Returns:
        A `LayerReport` with a row for each layer and the columns `before` and `after`
        (the variance of its pre-activations, `before` with the layers before it already
        treated), `factor` (what the kernel, orthogonal or its own, was multiplied by),
        `iterations` and `converged`. It prints as a table.

    Raises:
        ValueError: if an argument is wrong, no layer is selected, trained kernels would
            be replaced, or no factor gives a layer its target variance, which names it:
            its pre-activations are constant (a kernel of zeros, dead units before it)
            or not finite, its bias alone has more, it normalizes its kernel itself
            (weight standardization), the model changes its kernel when it is called in
            training (`SpectralNormalization`), or calls the layer inside a compiled
            function. The weights are then as before.

    Reference:

    - [Mishkin & Matas, 2015](https://arxiv.org/abs/1511.06422)
    """
    check_batch(model, x)
    target_variance = arguments.number("target_variance", target_variance, above=0)
    tolerance = arguments.number("tolerance", tolerance, above=0)
    max_iterations = arguments.integer("max_iterations", max_iterations)
    orthogonal = arguments.flag("orthogonal", orthogonal)
    if not arguments.flag("discard_trained", discard_trained) and orthogonal:
        _check_untrained(model)
    sweep = _Sweep(target_variance, tolerance, max_iterations, orthogonal)
    return sweep(model, x, layers)


class _Sweep:
    """One pass through a model that brings its layers to their target variance.

    Args:
        target_variance: as of `lsuv`, like all others.
    """

    def __init__(
        self,
        target_variance: float,
        tolerance: float,
        max_iterations: int,
        orthogonal: bool,
    ) -> None:
        self._target_variance = target_variance
        self._tolerance = tolerance
        self._max_iterations = max_iterations
        self._orthogonal = orthogonal

    def __call__(
        self,
        model: keras.Model,
        x: Any,
        layers: Selector | Sequence[Selector] | None = None,
    ) -> LayerReport:
        """Rescales the kernels of the layers that `lsuv` would select."""
        build_on(model, x)
        # Not later: within a layer of mixed precision, a variable reads as a half one.
        self._originals = {
            id(kernel): (kernel, keras.ops.convert_to_numpy(kernel))
            for kernel in select_variables(model, layers=layers)
        }
        self._fans = {id(fans.variable): fans for fans in kernel_fans(model)}
        others = [v for v in model.trainable_variables if id(v) not in self._originals]
        self._rows: dict[int, tuple] = {}
        self._treated: dict[int, np.ndarray] = {}
        try:
            with (
                state_kept(model),
                variables_kept(others),  # SpectralNormalization changes its kernel
                keras_random_state_kept(),
                each_kernel_call(model, self._on_call),
            ):
                model(x, training=True)
                # Once more: it may undo the factor of a kernel that it normalizes.
                model(x, training=True)
            if not self._rows:
                raise _nothing_called(model, layers)
        except BaseException as error:
            for kernel, original in self._originals.values():
                assign(kernel, original)
            if isinstance(error, _Refusal):
                raise ValueError(str(error)) from None
            raise
        self._note_origins(model)
        names = ("kernel", "before", "after", "factor", "iterations", "converged")
        columns = {
            name: [row[place] for row in self._rows.values()]
            for place, name in enumerate(names)
        }
        return LayerReport(layer_names(model, columns.pop("kernel")), columns)

    def _on_call(self, call: KernelCall) -> Any:
        key = id(call.kernel)
        if key in self._originals and (
            backends.current().trace_of(call.inputs) is not None
        ):
            raise _Refusal(call, "are computed inside a compiled function")
        if key in self._originals and key not in self._rows:
            self._rows[key] = self._rescale(call, *self._originals[key])
            self._treated[key] = read(call.kernel)
        elif key in self._rows and not np.array_equal(
            read(call.kernel), self._treated[key]
        ):
            raise _Refusal(call, "come from a kernel that the model itself changes")
        return call.run()

    def _rescale(self, call: KernelCall, kernel: Any, start: np.ndarray) -> tuple:
        before = variance = _variance(call)
        if self._orthogonal:
            draw = _orthogonal(self._fans[id(kernel)])
            start = keras.ops.convert_to_numpy(draw(start.shape, str(start.dtype)))
            assign(kernel, start)
            variance = _variance(call)
        factor, iterations = 1.0, 0
        if not self._is_good(variance):
            if is_scale_invariant(call):
                raise _Refusal(call, "do not depend on the scale of its kernel")
            self._check_bias(call)
        while not self._is_good(variance) and iterations < self._max_iterations:
            step = math.sqrt(self._target_variance / variance)
            factor *= step
            assign(kernel, start * factor)
            previous, variance = variance, _variance(call)
            if variance == previous and abs(step - 1) > _ROUNDING:
                raise _Refusal(call, "do not depend on its kernel")
            iterations += 1
        is_good = self._is_good(variance)
        return kernel, before, variance, factor, iterations, is_good

    def _note_origins(self, model: keras.Model) -> None:
        factors = [(kernel, factor) for kernel, _, _, factor, *_ in self._rows.values()]
        if not self._orthogonal:
            note_factors(model, factors)
            return
        for kernel, factor in factors:
            note_origin(kernel, _orthogonal(self._fans[id(kernel)], factor))

    def _is_good(self, variance: float) -> bool:
        return abs(variance / self._target_variance - 1) <= self._tolerance

    def _check_bias(self, call: KernelCall) -> None:
        bias = getattr(call.layer, "bias", None)
        of_bias = 0.0 if bias is None else variance_of(bias)
        if of_bias > (1 + self._tolerance) * self._target_variance:
            raise _Refusal(
                call, f"have a variance of {of_bias:.3g} from its bias alone"
            )


def _nothing_called(model: keras.Model, layers: Any) -> ValueError:
    kinds = "Dense, EinsumDense or convolution layer"
    if layers is None:
        return ValueError(
            f"Argument `model` must call a {kinds} with a trainable kernel: no other "
            f"kernels are rescaled. Received: model {model.name!r}"
        )
    return ValueError(
        f"Argument `layers` must select a {kinds} that the model calls. "
        f"Received: layers={layers!r}"
    )


# Not an Exception: Keras rewrites the messages of those that leave a layer's call.
class _Refusal(BaseException):
    """No factor of a kernel gives its layer the target variance."""

    def __init__(self, call: KernelCall, why: str) -> None:
        super().__init__(
            f"The pre-activations of layer {call.layer.path!r} {why}, so no factor of "
            "its kernel can give them the target variance. The model is left as it "
            f"was. Received: x, which reaches the layer in shape {call.inputs.shape}"
        )


def _variance(call: KernelCall) -> float:
    variance = variance_of(call.pre_activation())
    if variance == 0:
        raise _Refusal(call, "are constant")
    if not math.isfinite(variance):
        raise _Refusal(call, "are not finite")
    return variance


def _orthogonal(fans: KernelFans, gain: float = 1.0) -> ScaledOrthogonal:
    axes = {"input_axes": fans.input_axes, "output_axes": fans.output_axes}
    return ScaledOrthogonal(gain, **axes)


def _check_untrained(model: keras.Model) -> None:
    optimizer = getattr(model, "optimizer", None)
    steps = 0 if optimizer is None else int(optimizer.iterations)
    if steps:
        raise ValueError(
            "Argument `orthogonal=True` would discard the trained kernels of the "
            "model. Pass `orthogonal=False` to keep and rescale them, or "
            "`discard_trained=True` to replace them. "
            f"Received: model {model.name!r}, whose optimizer has taken {steps} steps"
        )
