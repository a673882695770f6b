"""Training one network once per initializer, and measuring it."""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_initkit.callbacks.dynamic_rescaling import DynamicRescalingCallback
from keras_initkit.callbacks.layer_stats import LayerStatsCallback
from keras_initkit.diagnosis.finding import Finding
from keras_initkit.experiments.datasets import Dataset
from keras_initkit.experiments.kernel_initializers import (
    LSUV,
    Start,
    kernel_initializers,
)
from keras_initkit.experiments.networks import dense_network, pre_activation_variances
from keras_initkit.experiments.run_log import METRICS, RunLog
from keras_initkit.experiments.settings import LEARNING_RATES, Settings
from keras_initkit.rescale.lsuv import lsuv
from keras_initkit.rescale.reinitialize import reinitialize
from keras_initkit.tensorboard.local_directory import local_directory

MOMENTUM = 0.9
# Most samples for the loss on the training set. On MNIST, the rest would double the
# time and change the third digit.
TRAINING_PROBE = 10_000
EVALUATION_BATCH = 1000
# Above this share of chance's loss, a network did not learn.
NOT_LEARNED = 0.95

OnProgress = Callable[[str, int, int], None]
"""Called with the initializer's name, its steps so far, and its steps in all."""


@dataclass(frozen=True)
class RunResult:
    """The result of one initializer.

    Attributes:
        initializer: its name.
        initial_loss: cross-entropy in nats on the training set before training.
        final_loss: the same after training; nan or inf if the run exploded.
        train_accuracy: share of the training set that is classified correctly, 0 to 1.
        test_accuracy: the same for the test set.
        forward_variance_ratio: variance of the last hidden layer's pre-activations
            over the first's, on one training batch before training. 1 keeps the
            signal; nan if there is none.
        gradient_variance_ratio: gradient variance of the first kernel over the head's,
            at step 0; nan if both are 0.
        seconds: wall time of building, tracing, training and evaluating, without the
            pictures for TensorBoard.
        loss_steps: training steps before each of `losses`, int, `(epochs + 1,)`.
        losses: cross-entropy on the training set, `(epochs + 1,)`.
        layers: names of the layers with a recorded kernel, input to output.
        gradient_variance_start: at step 0, `(layers,)`.
        gradient_variance_end: at the last recorded step, `(layers,)`.
        end_step: that step.
        outcome: what went wrong, in words, such as `"did not learn"`, or an empty
            string.
        findings: the findings of the diagnosis, worst first.
    """

    initializer: str
    initial_loss: float
    final_loss: float
    train_accuracy: float
    test_accuracy: float
    forward_variance_ratio: float
    gradient_variance_ratio: float
    seconds: float
    loss_steps: np.ndarray
    losses: np.ndarray
    layers: list[str]
    gradient_variance_start: np.ndarray
    gradient_variance_end: np.ndarray
    end_step: int
    outcome: str
    findings: list[Finding]


def compare(
    dataset: Dataset,
    settings: Settings,
    log_dir: str | Path,
    on_progress: OnProgress | None = None,
) -> list[RunResult]:
    """Trains the same network once with each initializer.

    The runs share everything but their kernels: the data, its order, the optimizer,
    and the network itself, which gets new weights in place. The same settings give the
    same results.

    Args:
        dataset: from `load_dataset`.
        settings: the network, its training and the initializers.
        log_dir: `RunLog` writes a TensorBoard file for each run in
            `<log_dir>/<initializer>`, and `LayerStatsCallback` another one below it.
        on_progress: called after each training step, perhaps on another thread.

    Returns:
        One result per initializer, in the order of `settings.initializers`.

    Raises:
        ValueError: `log_dir` is not on this machine.

    Examples:

    >>> results = compare(load_dataset("digits"), Settings(epochs=5), "logs")
    >>> {result.initializer: result.test_accuracy for result in results}
    """
    directory = local_directory(log_dir)
    network = compiled_network(dataset, settings)
    results = []
    for name in settings.initializers:
        with RunLog(directory / run_name(name), name, dataset, settings) as log:
            results.append(_train(network, name, dataset, settings, log, on_progress))
    return results


def run_name(initializer: str) -> str:
    """The name of a run's directory, without characters that a shell expands.

    >>> run_name("he_normal*3+rescaling")
    'he_normal_3_rescaling'
    """
    return re.sub(r"[^\w.-]+", "_", initializer)


def _train(
    network: keras.Model,
    name: str,
    dataset: Dataset,
    settings: Settings,
    log: RunLog,
    on_progress: OnProgress | None,
) -> RunResult:
    started = time.perf_counter()
    draw(network, name, dataset, settings)
    building = time.perf_counter() - started
    log.start(network)
    started = time.perf_counter()
    forward = pre_activation_variances(network, dataset.x_train[: settings.batch_size])
    probe = (dataset.x_train[:TRAINING_PROBE], dataset.y_train[:TRAINING_PROBE])
    initial_loss, initial_accuracy = network.evaluate(
        *probe, EVALUATION_BATCH, verbose=0
    )
    log.losses(0, initial_loss, initial_accuracy)

    steps_per_epoch = math.ceil(len(dataset.x_train) / settings.batch_size)
    layer_stats = LayerStatsCallback(str(log.directory))
    callbacks = [layer_stats, _LogEpochs(log, steps_per_epoch)]
    if Start.of(name).rescaling:
        callbacks.insert(0, DynamicRescalingCallback(log_dir=log.directory))
    if on_progress is not None:
        steps = steps_per_epoch * settings.epochs
        callbacks.append(_ReportProgress(name, steps, on_progress))
    keras.utils.set_random_seed(settings.seed)  # the same data order in every run
    epochs = network.fit(
        dataset.x_train,
        dataset.y_train,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        callbacks=callbacks,
        # The `loss` of a fit is a mean over changing weights; this one is not.
        validation_data=probe,
        validation_batch_size=EVALUATION_BATCH,
        verbose=0,
    ).history
    _, test_accuracy = network.evaluate(
        dataset.x_test, dataset.y_test, EVALUATION_BATCH, verbose=0
    )
    history = layer_stats.history
    gradient_variance = np.asarray(history["gradient_variance"], dtype="float64")
    result = RunResult(
        initializer=name,
        initial_loss=initial_loss,
        final_loss=epochs["val_loss"][-1],
        train_accuracy=epochs["val_accuracy"][-1],
        test_accuracy=test_accuracy,
        forward_variance_ratio=_ratio(forward[-1], forward[0]),
        gradient_variance_ratio=_ratio(
            gradient_variance[0, 0], gradient_variance[0, -1]
        ),
        seconds=building + time.perf_counter() - started,
        loss_steps=np.arange(settings.epochs + 1) * steps_per_epoch,
        losses=np.array([initial_loss, *epochs["val_loss"]]),
        layers=list(history.layers),
        gradient_variance_start=gradient_variance[0],
        gradient_variance_end=gradient_variance[-1],
        end_step=int(history.steps[-1]),
        outcome=_outcome(
            epochs["val_loss"][-1],
            math.log(dataset.num_classes),
            history.steps[~np.isfinite(history.losses)],
            layer_stats.findings,
        ),
        findings=list(layer_stats.findings),
    )
    metrics = {metric: getattr(result, metric) for metric in METRICS}
    log.end(network, steps_per_epoch * settings.epochs, metrics)
    return result


def compiled_network(dataset: Dataset, settings: Settings) -> keras.Model:
    """Builds the network of the settings, with zero kernels until `draw`."""
    network = dense_network(
        dataset.num_features,
        dataset.num_classes,
        settings.width,
        settings.activation,
        [keras.initializers.Zeros()] * (settings.depth + 1),
        settings.residual,
    )
    network.compile(
        optimizer=_optimizer(settings),
        # From logits: Keras clips probabilities, which would hide an exploding loss.
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return network


def draw(network: keras.Model, name: str, dataset: Dataset, settings: Settings) -> None:
    """Draws new weights in place, which needs no new trace.

    Args:
        network: from `compiled_network`.
        name: name of the initializer.
        dataset: the initializer `"lsuv"` uses its first batch.
        settings: those of `compiled_network`, perhaps with another seed.

    Raises:
        ValueError: the initializer is unknown or does not fit this network.
    """
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    initializers = kernel_initializers(
        name, settings.depth, settings.activation, settings.seed
    )
    for layer, initializer in zip(dense, initializers, strict=True):
        layer.kernel_initializer = initializer
    reinitialize(network, settings.seed)
    if Start.of(name).name == LSUV:
        # Its own orthogonal kernels would have no seed.
        lsuv(network, dataset.x_train[: settings.batch_size], orthogonal=False)


def _outcome(
    loss: float, chance: float, lost_steps: np.ndarray, findings: Sequence[Finding]
) -> str:
    """Says what went wrong, with the first cause from the diagnosis."""
    if not math.isfinite(loss):
        step = f" at step {lost_steps[0]}" if len(lost_steps) else ""
        words = f"diverged{step}"
    elif loss > NOT_LEARNED * chance:
        words = "did not learn"
    else:
        return ""
    return ": ".join([words, *(finding.problem for finding in findings[:1])])


def _optimizer(settings: Settings) -> keras.optimizers.Optimizer:
    rate = settings.learning_rate or LEARNING_RATES[settings.optimizer]
    if settings.optimizer == "momentum":
        return keras.optimizers.SGD(rate, momentum=MOMENTUM)
    return keras.optimizers.get(
        {"class_name": settings.optimizer, "config": {"learning_rate": rate}}
    )


def _ratio(numerator: float, denominator: float) -> float:
    """The quotient by IEEE's rules: 0 / 0 is nan, and 1 / 0 is inf."""
    with np.errstate(all="ignore"):
        return float(np.float64(numerator) / np.float64(denominator))


class _ReportProgress(keras.callbacks.Callback):
    async_safe = True  # it reads no logs, so training does not wait for it

    def __init__(self, name: str, steps: int, on_progress: OnProgress) -> None:
        super().__init__()
        self.name = name
        self.steps = steps
        self.on_progress = on_progress
        self.done = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.done += 1
        self.on_progress(self.name, self.done, self.steps)


class _LogEpochs(keras.callbacks.Callback):
    def __init__(self, log: RunLog, steps_per_epoch: int) -> None:
        super().__init__()
        self.log = log
        self.steps_per_epoch = steps_per_epoch

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        assert logs is not None  # Keras always gives them
        step = (epoch + 1) * self.steps_per_epoch
        self.log.losses(step, logs["val_loss"], logs["val_accuracy"])
