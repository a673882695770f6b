"""Scene 1: a small network divides a plane."""

import functools
from typing import Any

import numpy as np

from keras_initkit.experiments.datasets import Dataset, load_dataset
from keras_initkit.experiments.decision_boundary import (
    MARGIN,
    POINTS,
    class_probabilities,
    places,
)
from keras_initkit.experiments.play.fields import Choice, Number, Values
from keras_initkit.experiments.play.run import Run
from keras_initkit.experiments.play.scene import (
    SEED,
    Scene,
    optimizer_field,
    rate_field,
)
from keras_initkit.experiments.play.starts import INITIALIZER, SCALE

CELLS = 40  # places in a row of the decision boundary
CERTAIN = 255  # a probability of 1, in a byte
ROUNDING = 1e-5  # of float32, in a few steps


class Plane(Scene):
    """Up to 4 layers of 8 units, all drawn, on a task with two features."""

    name = "plane"
    title = "A small network"
    shared = (
        Choice(
            *("dataset", "Dataset", "moons"),
            ("moons", "circles", "blobs", "spirals", "xor"),
        ),
        Number("layers", "Hidden layers", 2, 1, 4, is_integer=True),
        Number("units", "Units per layer", 6, 1, 8, is_integer=True),
        Choice("activation", "Activation", "relu", ("relu", "tanh", "sigmoid", "gelu")),
        optimizer_field("adam"),
        rate_field(0.01),
        SEED,
    )
    own = (INITIALIZER, SCALE)
    batch_size = 64
    seen = 1600

    def dataset(self, values: Values) -> Dataset:
        return _dataset(values["dataset"])

    def dataset_arguments(self, values: Values) -> str:
        return f'"{values["dataset"]}"'

    def size(self, values: Values) -> tuple[int, int]:
        return values["layers"], values["units"]

    def others(self, dataset: Dataset) -> np.ndarray:
        return places(*_corners(dataset), CELLS)

    def still(self, values: Values) -> dict[str, Any]:
        dataset = self.dataset(values)
        low, high = _corners(dataset)
        return {
            "low": low,
            "high": high,
            "cells": CELLS,
            "points": dataset.x_train[:POINTS],
            "classes": dataset.y_train[:POINTS],
        }

    def picture(self, run: Run, values: Values) -> dict[str, Any]:
        look = run.look
        gradients = [look.kernel_gradient(i) for i in range(len(look.outputs))]
        probabilities = class_probabilities(look.others)
        largest = np.nan_to_num(probabilities.max(axis=1))
        hidden = list(zip(run.kernels, gradients, strict=True))[:-1]
        return {
            "weights": run.kernels,
            "gradients": gradients,
            "equal": [equal_units(*layer) for layer in hidden],
            "region": probabilities.argmax(axis=1),
            "certainty": (CERTAIN * largest).astype(int),
        }


def equal_units(kernel: np.ndarray, gradient: np.ndarray) -> list[list[int]]:
    """Units that no training can tell apart: equal weights, and equal gradients.

    >>> kernel = np.array([[1.0, 2.0, 1.0]])
    >>> equal_units(kernel, np.zeros_like(kernel))
    [[0, 2]]

    Args:
        kernel: `(fan_in, units)`.
        gradient: of its shape.

    Returns:
        Groups of two units or more.
    """
    both = [_in_units(of) for of in (kernel, gradient)]
    if not all(np.isfinite(of).all() for of in both):
        return []
    columns = np.concatenate(both).T
    groups: list[list[int]] = []
    for unit, column in enumerate(columns):
        for group in groups:
            if np.abs(column - columns[group[0]]).max() <= ROUNDING:
                group.append(unit)
                break
        else:
            groups.append([unit])
    return [group for group in groups if len(group) > 1]


def _in_units(tensor: np.ndarray) -> np.ndarray:
    """Divided by its largest entry."""
    largest = np.abs(tensor).max()
    return tensor / largest if largest > 0 else tensor


def _corners(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    x = dataset.x_train
    return x.min(axis=0) - MARGIN, x.max(axis=0) + MARGIN


@functools.lru_cache
def _dataset(name: str) -> Dataset:
    return load_dataset(name)
