"""Scene 2: what depth makes of a signal and of its gradient."""

import functools
import math
from typing import Any

import numpy as np

from keras_initkit.diagnosis.start import DRIFT, GROWTH
from keras_initkit.experiments.datasets import Dataset, load_dataset
from keras_initkit.experiments.play import lesson
from keras_initkit.experiments.play.fields import Choice, Number, Values
from keras_initkit.experiments.play.probe import Look
from keras_initkit.experiments.play.run import Run
from keras_initkit.experiments.play.scene import (
    SEED,
    Scene,
    optimizer_field,
    rate_field,
)
from keras_initkit.theory.profile import signal_profile
from keras_initkit.theory.variance import variance

WIDTH = 100


class Depth(Scene):
    """Up to 50 layers of 100 units, whose kernels have any variance."""

    name = "depth"
    title = "Depth"
    shared = (
        Number("layers", "Hidden layers", 20, 2, 50, is_integer=True),
        Choice(
            *("activation", "Activation", "linear"),
            ("linear", "relu", "tanh", "sigmoid", "gelu"),
        ),
        optimizer_field("sgd"),
        rate_field(0.01),
        SEED,
    )
    own = (Number("variance", "n Var(W)", 1.0, 0.05, 4.0),)
    batch_size = 100
    seen = 100

    def dataset(self, values: Values) -> Dataset:
        return _dataset()

    def dataset_arguments(self, values: Values) -> str:
        return '"digits", max_train=1400'

    def size(self, values: Values) -> tuple[int, int]:
        return values["layers"], WIDTH

    def start(self, values: Values) -> str:
        # LeCun's kernels have n Var(W) = 1.
        return f"lecun_normal*{math.sqrt(values['variance'])!r}"

    def picture(self, run: Run, values: Values) -> dict[str, Any]:
        signal, gradient = measured(run.look)
        expected = expectation(run.first, values["activation"], values["variance"])
        return {
            "signal": {"measured": signal, "theory": expected[0]},
            "gradient": {"measured": gradient, "theory": expected[1]},
        }

    def lesson(self, run: Run, values: Values) -> list[str]:
        signal, gradient = measured(run.look)
        return [
            _drift_sentence("signal", "from the first layer to the last", signal),
            _drift_sentence(
                "gradient", "from the last layer back to the first", gradient[::-1]
            ),
            lesson.cost_sentence(run)
            if run.step
            else lesson.advice_sentence(run, run.findings),
        ]


def measured(look: Look) -> tuple[np.ndarray, np.ndarray]:
    """The variances of z and of its gradient in the hidden layers, `(layers,)` each."""
    signal = [variance(z) for z in look.outputs[:-1]]
    gradient = [variance(delta) for delta in look.deltas[:-1]]
    return np.array(signal), np.array(gradient)


def expectation(
    look: Look, activation: str, weight_variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """What theory says of a start, of which it takes what comes in at both ends.

    Args:
        look: at the start: the size of the inputs, and of the gradient of the logits.
        activation: of the hidden layers.
        weight_variance: `n Var(W)` of all kernels.

    Returns:
        As `measured`.
    """
    *hidden, head = look.outputs
    input_size = float(np.mean(np.square(look.inputs[0])))
    signal, slopes = _profile(activation, weight_variance, len(hidden), input_size)
    # Backwards, the head has as many inputs as classes, and the others their width.
    fans = head.shape[1] / hidden[-1].shape[1]
    logit_gradient = fans * float(np.mean(np.square(look.deltas[-1])))
    return signal, logit_gradient * np.cumprod(slopes[::-1])[::-1]


def _drift_sentence(what: str, way: str, variances: np.ndarray) -> str:
    """How a variance changes, in words."""
    with np.errstate(all="ignore"):  # of a training that has broken down
        ratio = variances[-1] / variances[0]
        decades = np.log10(ratio)
        a_layer = ratio ** (1 / (len(variances) - 1))
    if not np.isfinite(variances).all():
        return f"The {what} is no longer a number."
    if variances[-1] == 0:
        return f"The {what} vanishes: {way}, nothing is left of it."
    if not -DRIFT < decades < GROWTH:
        verb = "explodes" if decades > 0 else "vanishes"
        return (
            f"The {what} {verb}: {way}, each layer multiplies its variance by "
            f"{lesson.in_short(a_layer, 2)}, and all of them by "
            f"{lesson.in_short(ratio, 1)}."
        )
    factor = lesson.in_short(ratio, 2)
    return f"The {what} arrives: {way}, its variance changes by a factor of {factor}."


# Theory takes longer than a frame, and has as many answers as the sliders have places.
@functools.lru_cache
def _profile(
    activation: str, weight_variance: float, depth: int, input_size: float
) -> tuple[np.ndarray, np.ndarray]:
    first = weight_variance * input_size
    return signal_profile(activation, weight_variance, depth, first)


@functools.lru_cache
def _dataset() -> Dataset:
    # As many as fill all batches.
    return load_dataset("digits", max_train=1400)
