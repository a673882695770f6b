"""One network in training, drawn anew in place for each start."""

import math
from dataclasses import replace

import keras
import numpy as np

from keras_initkit.callbacks.layer_stats import LayerStatsCallback
from keras_initkit.diagnosis.finding import Finding
from keras_initkit.experiments.compare import compiled_network, draw
from keras_initkit.experiments.datasets import Dataset
from keras_initkit.experiments.play.probe import Look, Probe
from keras_initkit.experiments.play.stepped_fit import SteppedFit
from keras_initkit.experiments.settings import LEARNING_RATES, Settings
from keras_initkit.stats.history import Record

MAX_STEPS = 5000
"""A page that is forgotten trains no longer than this."""

# Enough to see every bend of a curve.
MAX_CURVE = 200


class Run:
    """A network, its training, and what is seen of both.

    `start` before anything else. What a run does is decided by its settings alone: all
    see the data in the same order, `shuffle=False`.

    Args:
        dataset: what it learns.
        settings: the network; the initializer, the learning rate and the seed of
            another start may be others.
        seen: how many of the training samples are looked at.
        others: samples to classify, `(others, features)`.

    Attributes:
        step: how many steps were taken.
        look: what the weights make of the samples now.
        first: what they made of them before the first step.
        costs: the mean cross-entropy of the samples that are looked at, in nats, by
            step.
        record: the last one of `LayerStatsCallback`; None before the first step.
    """

    def __init__(
        self, dataset: Dataset, settings: Settings, seen: int, others: np.ndarray
    ) -> None:
        self.dataset = dataset
        self.step = 0
        self.costs: dict[int, float] = {}
        self.record: Record | None = None
        self.look: Look
        self.first: Look
        self._network = compiled_network(dataset, settings)
        self._probe = Probe(self._network, settings.activation)
        self._seen = dataset.x_train[:seen], dataset.y_train[:seen]
        self._others = others
        self._settings = settings
        self._callback: LayerStatsCallback | None = None
        self._fit: SteppedFit | None = None

    def fits(self, dataset: Dataset, settings: Settings) -> bool:
        """Whether a start with these settings needs no other network."""
        same = replace(
            settings,
            initializers=self._settings.initializers,
            learning_rate=self._settings.learning_rate,
            seed=self._settings.seed,
        )
        return dataset is self.dataset and same == self._settings

    def start(self, settings: Settings) -> None:
        """Draws the weights, and is before the first step again.

        Raises:
            ValueError: the initializer is not for this network.
        """
        self.close()
        self._settings = settings
        rate = settings.learning_rate or LEARNING_RATES[settings.optimizer]
        self._network.optimizer.learning_rate = rate
        draw(self._network, settings.initializers[0], self.dataset, settings)
        self.step, self.costs, self.record = 0, {}, None
        self.see()
        self.first = self.look

    def advance(self) -> bool:
        """Takes a training step; False where there is none left."""
        if self._fit is None:
            self._begin()
        assert self._fit is not None
        if not self._fit.step():
            return False
        self.step += 1
        return True

    def see(self) -> None:
        """Looks at what the steps have made of the weights."""
        if self._callback is not None:
            _ = self._callback.history  # hands on what was recorded so far
        self.look = self._probe.look(*self._seen, self._others)
        self.costs[self.step] = self._cost()

    @property
    def findings(self) -> list[Finding]:
        """What the diagnosis says of the training so far, the root cause first."""
        return self._callback.findings if self._callback is not None else []

    @property
    def kernels(self) -> list[np.ndarray]:
        """Of all layers, the head last, `(fan_in, units)` each."""
        return [keras.ops.convert_to_numpy(x.kernel) for x in self._probe.dense]

    @property
    def accuracy(self) -> float:
        """The share of the samples looked at that is classified rightly, 0 to 1."""
        logits = self.look.outputs[-1]
        is_right = logits.argmax(axis=1) == self._seen[1]
        # The argmax of NaN is the first class.
        return float(np.mean(is_right & np.isfinite(logits).all(axis=1)))

    def curve(self) -> list[tuple[int, float]]:
        """The costs, thinned evenly, with the first and the last."""
        points = list(self.costs.items())
        stride = math.ceil(len(points) / MAX_CURVE)
        return [*points[:-1:stride], points[-1]]

    def close(self) -> None:
        """Ends the training, if there is one."""
        if self._fit is not None:
            self._fit.close()
        self._fit = self._callback = None

    def _begin(self) -> None:
        callback = LayerStatsCallback(None, "batch", on_record=self._note)
        x, y = self.dataset.x_train, self.dataset.y_train
        batch_size = self._settings.batch_size

        def fit(pause: keras.callbacks.Callback) -> None:
            self._network.fit(
                x,
                y,
                batch_size=batch_size,
                epochs=math.ceil(MAX_STEPS * batch_size / len(x)),
                shuffle=False,
                callbacks=[callback, pause],
                verbose=0,
            )

        self._callback = callback
        self._fit = SteppedFit(fit)

    def _note(self, record: Record) -> None:
        self.record = record

    def _cost(self) -> float:
        logits = self.look.outputs[-1].astype("float64")
        with np.errstate(all="ignore"):  # of a training that has broken down
            shifted = logits - logits.max(axis=1, keepdims=True)
            log_sums = np.log(np.exp(shifted).sum(axis=1))
        own = shifted[np.arange(len(logits)), self._seen[1]]
        return float(np.mean(log_sums - own))
