"""Checks that the last activation, the loss and the labels go together."""

import math

from keras_initkit.diagnosis.facts import NetworkFacts

PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid", "sparsemax")
RANGES = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
    "exponential": (0.0, math.inf),
}
CATEGORICAL = ("sparse_categorical_crossentropy", "categorical_crossentropy")
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
REGRESSION = (
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "log_cosh",
    "mean_squared_logarithmic_error",
)
# Keras uses the logits behind these activations if the loss takes logits.
NO_LOGITS = ("relu", "tanh")


def mismatch(network: NetworkFacts) -> tuple[str, str, str] | None:
    """Evidence, cause and fix if they do not go together, or None."""
    f, loss, units = network.output_activation, network.loss, network.output_units
    low, high = network.target_low, network.target_high
    if not network.output or not loss:
        return None
    seen = f'activation="{f}", {units} output units, loss="{loss}"'
    targets = f"y lies in [{low:g}, {high:g}]"
    if f == "softmax" and units == 1:
        fix = "sigmoid" if loss in BINARY else "linear"
        return (
            f"{seen}: the output is 1 for every input",
            "softmax over a single unit is always 1, whatever the weights are",
            f'activation="{fix}"',
        )
    if loss in CATEGORICAL and not network.from_logits and f not in PROBABILITIES:
        return (
            f"{seen} with from_logits=False",
            f"the loss takes probabilities, and {f} does not make any",
            'activation="softmax"',
        )
    if loss in CATEGORICAL and network.from_logits and f in NO_LOGITS:
        return (
            f"{seen} with from_logits=True",
            f"the loss takes logits of any size and sign, and {f} cuts them off",
            'activation="linear"',
        )
    if loss == CATEGORICAL[1] and not network.targets_sum_to_one:
        return (
            f"{seen}; the entries of y for a sample do not sum to 1",
            "the loss takes classes that exclude each other, and these do not",
            'activation="sigmoid"\nloss="binary_crossentropy"',
        )
    if loss == CATEGORICAL[0] and (high >= units or low < 0):
        return (
            f"{seen}; {targets}, normal are classes from 0 to {units - 1}",
            "there are classes that have no output unit",
            f"units={int(high) + 1}" if low >= 0 else "y = y - y.min()",
        )
    if loss in BINARY:
        if high > 1 or low < 0:
            return (
                f"{seen}; {targets}, normal is [0, 1]",
                "the loss takes labels between 0 and 1",
                "y = (y - y.min()) / (y.max() - y.min())",
            )
        if not network.from_logits and f not in PROBABILITIES:
            return (
                f"{seen} with from_logits=False",
                f"the loss takes probabilities, and {f} does not make any",
                'activation="sigmoid"',
            )
        if f == "softmax" and not network.targets_sum_to_one:
            return (
                f"{seen}; the entries of y for a sample do not sum to 1",
                "softmax makes the labels exclude each other, and they do not",
                'activation="sigmoid"',
            )
        if network.from_logits and f in NO_LOGITS:
            return (
                f"{seen} with from_logits=True",
                f"the loss takes logits of any size and sign, and {f} cuts them off",
                'activation="linear"',
            )
    if loss in REGRESSION and f in RANGES:
        least, greatest = RANGES[f]
        span = high - low
        outside = max(least - low, high - greatest)
        if span > 0 and outside > 0.05 * span:
            return (
                f"{seen}; {targets}, {f} reaches [{least:g}, {greatest:g}]",
                f"the output of {f} cannot reach the targets",
                'activation="linear"',
            )
    return None
