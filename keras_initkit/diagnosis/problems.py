"""The problems that the rules look for, and their consequences."""

from typing import NamedTuple


class Problem(NamedTuple):
    """The text about a problem, wherever it is explained.

    Attributes:
        meaning: what it is.
        symptom: what it looks like, with the thresholds of the rules.
        remedy: what to do, as one or two sentences.
    """

    meaning: str
    symptom: str
    remedy: str


# Causes come before effects: a finding explains the later ones that it leads to.
PROBLEMS = {
    "non_finite": Problem(
        "NaN or an infinity in the data, the weights or the loss",
        (
            "NaN or infinities in the data or the weights, or a loss that becomes NaN "
            "from one step to the next"
        ),
        "Clean the data: `np.nan_to_num`.",
    ),
    "loss_activation_mismatch": Problem(
        "the last activation, the loss and the labels do not fit together",
        (
            "softmax over one unit; ReLU before a cross-entropy; logits without "
            "`from_logits=True`; targets that the last activation cannot reach; "
            "classes without an output unit"
        ),
        (
            "Change the activation, number of units or label range that the finding "
            "names."
        ),
    ),
    "unscaled_data": Problem(
        "the inputs are far from mean 0 and variance 1",
        (
            "inputs with a standard deviation above 30, or a mean far above it, and a "
            "loss that does not fall"
        ),
        "Subtract the mean and divide by the standard deviation.",
    ),
    "symmetric_units": Problem(
        "units of a layer are equal and get equal gradients",
        (
            "90 % of a layer's units have the same weights and the same gradient as "
            "another unit; constant initialization does this"
        ),
        "Use a random initializer in all layers with equal units.",
    ),
    "weights_too_large": Problem(
        "the kernels amplify the signal until training fails",
        (
            "`fan_in mean(W^2)` is over 6 times what keeps the signal of the "
            "activation, or the variance of z grows by a factor of more than 10^2 over "
            "depth"
        ),
        "Use the initializer for the activation and the depth.",
    ),
    "weights_too_small": Problem(
        "the kernels shrink the signal until nothing arrives",
        (
            "`fan_in mean(W^2)` is below 0.16 times what keeps the signal of the "
            "activation, or the variance of z shrinks by a factor of more than 10^3 "
            "over depth"
        ),
        "Use the initializer for the activation and the depth.",
    ),
    "saturated_units": Problem(
        "most units are where their activation has no slope",
        (
            "90 % of the units of a bounded activation have almost no slope in over "
            "half of the batch"
        ),
        "Set biases to 0, or make the kernels smaller.",
    ),
    "dead_units": Problem(
        "most units are 0 for every sample and get no gradient",
        (
            "90 % of the units are 0 for every sample; or a layer's gradient is "
            "exactly 0 in three records in a row"
        ),
        "Set biases to 0, use the right kernels, or lower the learning rate.",
    ),
    "exploding_gradient": Problem(
        "the gradient grows from layer to layer",
        (
            "the variance of the gradient grows by a factor of more than 10^6 from the "
            "last hidden layer to the first"
        ),
        "Use the initializer for the activation and the depth.",
    ),
    "vanishing_gradient": Problem(
        "the gradient shrinks from layer to layer",
        (
            "the variance of the gradient shrinks by a factor of more than 10^6 from "
            "the last hidden layer to the first"
        ),
        "Use the initializer for the activation and the depth; replace sigmoid.",
    ),
    "learning_rate_too_high": Problem(
        "the steps are so large that the loss rises",
        (
            "in `fit`, the loss more than doubles; or it grows and then becomes NaN; "
            "or it does not fall, at over 30 times the usual rate"
        ),
        "Use the usual rate of the optimizer, or a tenth of yours.",
    ),
    "learning_rate_too_low": Problem(
        "the steps are so small that the weights hardly change",
        (
            "after 200 steps, or at the end, the loss is still above 0.8 times the "
            "first losses, at less than 1/30 of the usual rate"
        ),
        "Use the usual rate of the optimizer.",
    ),
}

_SCALE = ("saturated_units", "dead_units", "exploding_gradient", "vanishing_gradient")
_RATES = ("learning_rate_too_high", "learning_rate_too_low")
# The problems that each problem leads to. They are folded under it.
CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "non_finite": tuple(PROBLEMS),
    "loss_activation_mismatch": (*_SCALE, *_RATES, "non_finite"),
    "unscaled_data": (
        *("weights_too_large", "weights_too_small"),
        *(*_SCALE, *_RATES, "non_finite"),
    ),
    "symmetric_units": (
        *("weights_too_large", "weights_too_small"),
        *(*_SCALE, *_RATES),
    ),
    "weights_too_large": (*_SCALE, *_RATES, "non_finite"),
    "weights_too_small": (*_SCALE, *_RATES),
    "saturated_units": ("dead_units", "vanishing_gradient", *_RATES),
    "dead_units": ("vanishing_gradient", *_RATES),
    "exploding_gradient": ("learning_rate_too_high", "non_finite"),
    "vanishing_gradient": ("learning_rate_too_low",),
    "learning_rate_too_high": (*_SCALE, "non_finite"),
    "learning_rate_too_low": (),
}


# Effects of another problem, unless they are there from the start.
EFFECTS = ("non_finite", "dead_units")
