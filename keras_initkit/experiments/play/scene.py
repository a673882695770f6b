"""What the scenes have in common: what is chosen, trained and seen in each."""

from typing import Any, ClassVar

import numpy as np

from keras_initkit.experiments.datasets import Dataset
from keras_initkit.experiments.play import lesson
from keras_initkit.experiments.play.fields import Choice, Field, Number, Values, second
from keras_initkit.experiments.play.run import Run
from keras_initkit.experiments.play.starts import start_name
from keras_initkit.experiments.settings import LEARNING_RATES, Settings

STARTS = Choice("starts", "Starts", "one", ("one", "two"))
SEED = Number("seed", "Seed", 0, 0, 999, is_integer=True)


def optimizer_field(default: str) -> Choice:
    return Choice("optimizer", "Optimizer", default, tuple(LEARNING_RATES))


def rate_field(default: float) -> Number:
    return Number("rate", "Learning rate", default, 1e-5, 10.0, is_logarithmic=True)


class Scene:
    """A task, the networks that learn it, and the picture of one.

    Attributes:
        name: in links.
        title: for the reader.
        shared: the fields that two starts have in common.
        own: the fields that each start has.
        batch_size: samples of a training step.
        seen: how many of the training samples are looked at.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    shared: ClassVar[tuple[Field, ...]]
    own: ClassVar[tuple[Field, ...]]
    batch_size: ClassVar[int]
    seen: ClassVar[int]

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields, in the order of the form."""
        return (*self.shared, *self.own, STARTS, *map(second, self.own))

    def dataset(self, values: Values) -> Dataset:
        """What is learned. The same object for the same task."""
        raise NotImplementedError

    def dataset_arguments(self, values: Values) -> str:
        """What `load_dataset` loads it with, as Python has it."""
        raise NotImplementedError

    def size(self, values: Values) -> tuple[int, int]:
        """How many hidden layers the network has, and how many units in each."""
        raise NotImplementedError

    def start(self, values: Values) -> str:
        """What `kernel_initializers` calls the start."""
        return start_name(values["initializer"], values["scale"])

    def settings(self, values: Values) -> Settings:
        """The network, and its start as the only initializer."""
        depth, width = self.size(values)
        return Settings(
            (self.start(values),),
            depth=depth,
            width=width,
            activation=values["activation"],
            batch_size=self.batch_size,
            optimizer=values["optimizer"],
            learning_rate=values["rate"],
            seed=values["seed"],
        )

    def others(self, dataset: Dataset) -> np.ndarray:
        """Samples whose logits the picture needs, `(others, features)`."""
        return dataset.x_test[:1]

    def still(self, values: Values) -> dict[str, Any]:
        """The part of the picture that stays as it is while a network learns."""
        return {}

    def picture(self, run: Run, values: Values) -> dict[str, Any]:
        """The part that moves, as JSON takes it."""
        raise NotImplementedError

    def lesson(self, run: Run, values: Values) -> list[str]:
        """Three sentences on what is seen now."""
        findings = run.findings
        return [
            lesson.seen_sentence(run, findings),
            lesson.cost_sentence(run),
            lesson.advice_sentence(run, findings),
        ]
