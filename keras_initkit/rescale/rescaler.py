"""Rescales kernels of a model that trains, one scalar each."""

import logging
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from keras_initkit.backends import keras_private
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.kernels.calls import LAYERS, kernel_of
from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.origin import own_initializer
from keras_initkit.kernels.selection import Selector, select_variables
from keras_initkit.rescale.optimizer_slots import transport_slots
from keras_initkit.rescale.reasons import listed_by_reason
from keras_initkit.rescale.successor import NoSuccessorError, successor

log = logging.getLogger("keras_initkit")


# Where a value is brought, from the reference (0) to the edge of the band (1) on a
# logarithmic scale. No farther in, for each factor changes how large the next steps
# are; and not on the edge, where rounding would take it out again.
JUST_INSIDE = 0.9


class Monitor(NamedTuple):
    """A quantity of a layer, and how it follows the scale of kernels.

    Attributes:
        statistic: the key under which it is recorded.
        power: a kernel times s makes it s^power times as large.
        power_of_input: so does, with this power, a kernel times s whose inputs have
            been divided by s.
    """

    statistic: str
    power: int
    power_of_input: int


MONITORS = {
    "pre_activation": Monitor("pre_activation_variance", 2, 0),
    "gradient": Monitor("gradient_variance", -2, -2),
    "weight_norm": Monitor("weight_l2_norm", 1, 1),
}


class Rescaling(NamedTuple):
    """A kernel that was multiplied by a factor.

    Attributes:
        step: the next step of the optimizer, the first with the new kernel.
        layer: the layer's name.
        factor: the positive factor.
        reason: what was out of which band, in words.
    """

    step: int
    layer: str
    factor: float
    reason: str


class Target(NamedTuple):
    """A layer that is rescaled.

    Attributes:
        name: its name.
        layer: the layer.
        kernel: its kernel variable.
        variance: the variance that its pre-activations should have.
    """

    name: str
    layer: Any
    kernel: Any
    variance: float


def find_targets(
    model: keras.Model, layers: Selector | Sequence[Selector] | None = None
) -> list[Target]:
    """The layers to be rescaled, in the order of `select_variables`.

    Args:
        model: a built `keras.Model`.
        layers: which; None for those whose kernel has a `DynamicRescaling` initializer.

    Raises:
        ValueError: if there is none.
    """
    variables = select_variables(model, layers=layers)
    owners = {
        id(kernel_of(layer)): layer
        for layer in keras_private.layers_of(model)
        if isinstance(layer, LAYERS) and layer.built
    }
    targets = [
        Target(name, owners[id(variable)], variable, _target_variance(initializer))
        for name, variable in zip(layer_names(model, variables), variables, strict=True)
        if id(variable) in owners
        for initializer in [own_initializer(owners[id(variable)], variable)]
        if layers is not None or isinstance(initializer, DynamicRescaling)
    ]
    if not targets:
        names = layer_names(model, variables)
        if layers is None:
            raise ValueError(
                "There is nothing to rescale: no layer of the model was built with "
                "`kernel_initializer=DynamicRescaling(...)`. Choose layers with "
                f'`layers=`, `layers="*"` for all. Received: a model with {names}'
            )
        raise ValueError(
            "Argument `layers` must select a Dense, EinsumDense or convolution layer. "
            f"Received: layers={layers!r}, which selects {names}"
        )
    return targets


def _target_variance(initializer: Any) -> float:
    if isinstance(initializer, DynamicRescaling):
        return initializer.target_variance
    return 1.0


class Rescaler:
    """Multiplies kernels whose monitored value has left its band: just back into it.

    Args:
        model: the `keras.Model`.
        optimizer: what it is trained with; its slots are rescaled too.
        targets: the layers, in the order of execution.
        monitor: what is looked at.
        band: what is healthy: from `band[0]` to `band[1]` times the reference value.
        function_preserving: whether the layer behind takes the inverse factor.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: Any,
        targets: Sequence[Target],
        monitor: Monitor,
        band: tuple[float, float],
        function_preserving: bool,
    ) -> None:
        self._optimizer = optimizer
        self._monitor = monitor
        self._band = band
        self._targets = list(targets)
        self._successors: dict[int, Any] = {}
        self._function_preserving = function_preserving
        if function_preserving:
            self._find_successors(model)

    def __call__(
        self, step: int, values: dict[int, float], references: dict[int, float]
    ) -> list[Rescaling]:
        """Rescales what has left its band.

        Without compensation, all layers behind a rescaled one see other inputs: then
        only the first is rescaled, and the others wait for new values.

        Args:
            step: the next step of the optimizer.
            values: the monitored value of each kernel, by its `id`.
            references: the value that it should have.

        Returns:
            What was done, in the order of the layers.
        """
        values = dict(values)
        low, high = self._band
        done = []
        for target in self._targets:
            key = id(target.kernel)
            if self._function_preserving and key not in self._successors:
                continue
            # A kernel of zeros has no norm to go back to.
            ratio = values.get(key, math.nan) / (references[key] or math.nan)
            if not 0 < ratio < math.inf or low <= ratio <= high:
                continue
            edge = low if ratio < 1 else high
            factor = (edge**JUST_INSIDE / ratio) ** (1 / self._monitor.power)
            reason = (
                f"{self._monitor.statistic} {values[key]:.3g} is not within "
                f"{low:g} to {high:g} times {references[key]:.3g}"
            )
            self._rescale(target, factor, values)
            done.append(Rescaling(step, target.name, factor, reason))
            if not self._function_preserving:
                break
        return done

    def _rescale(self, target: Target, factor: float, values: dict[int, float]) -> None:
        self._multiply(target.kernel, factor)
        if not self._function_preserving:
            return
        bias = getattr(target.layer, "bias", None)
        if bias is not None:
            self._multiply(bias, factor)
        following = self._successors[id(target.kernel)]
        self._multiply(following, 1 / factor)
        if id(following) in values:
            values[id(following)] *= factor**-self._monitor.power_of_input

    def _multiply(self, variable: Any, factor: float) -> None:
        variable.assign(variable * factor)
        if variable.trainable:
            transport_slots(self._optimizer, variable, factor)

    def _find_successors(self, model: keras.Model) -> None:
        without = {}
        for target in self._targets:
            try:
                following = successor(model, target.layer)
            except NoSuccessorError as why:
                without[target.name] = str(why)
            else:
                self._successors[id(target.kernel)] = kernel_of(following)
        if without:
            log.warning(
                "keras_initkit: %d of %d layers are not rescaled, because the network "
                "would compute something else: %s. With `function_preserving=False` "
                "they are rescaled all the same.",
                len(without),
                len(self._targets),
                listed_by_reason(without),
            )
