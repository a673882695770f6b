"""The TensorBoard file of each run of a comparison, besides that of its layers."""

import time
from pathlib import Path

import keras
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from keras_initkit.experiments.datasets import Dataset
from keras_initkit.experiments.settings import LEARNING_RATES, Settings
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.hparams import (
    HParam,
    write_session_end,
    write_session_start,
)
from keras_initkit.tensorboard.images import write_image

# HParams has room for five columns besides the metrics.
SHOWN = ("initializer", "activation", "depth", "width", "learning_rate")
METRICS = ("test_accuracy", "train_accuracy", "final_loss")


class RunLog:
    """Writes the event file of a run: hyperparameters, losses, metrics and pictures.

    HParams shows a row with the hyperparameters and the metrics, and Time Series the
    scalars `loss` and `accuracy`. For a dataset in the plane, Images shows the decision
    boundary before and after training as `decision_boundary`.

    Examples:

    >>> with RunLog("logs/he_normal", "he_normal", dataset, settings) as log:
    ...     log.start(network)
    ...     log.losses(0, loss=2.3, accuracy=0.1)
    ...     log.end(network, 23, {"final_loss": 0.1, "test_accuracy": 0.9})

    Args:
        directory: where the file goes.
        initializer: the name of the run's initializer.
        dataset: the dataset that the network learns.
        settings: the network and its training.

    Attributes:
        directory: where the file is.

    Raises:
        OSError: the directory or the file cannot be made. Its methods raise it if the
            disk is full, or if the file or its file system has gone.
    """

    def __init__(
        self, directory: Path, initializer: str, dataset: Dataset, settings: Settings
    ) -> None:
        self.directory = directory
        self._initializer = initializer
        self._dataset = dataset
        self._settings = settings
        self._file = EventFile(directory)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def start(self, network: keras.Model) -> None:
        """Writes the hyperparameters and the first picture, before training."""
        hparams = hyperparameters(self._initializer, self._dataset, self._settings)
        write_session_start(self._file, hparams, SHOWN, METRICS)
        self._write_boundary(network, 0)

    def losses(self, step: int, loss: float, accuracy: float) -> None:
        """Writes loss and accuracy on the training set after some steps."""
        values = [
            Summary.Value(tag="loss", simple_value=loss),
            Summary.Value(tag="accuracy", simple_value=accuracy),
        ]
        summary = Summary(value=values)
        self._file.add(Event(wall_time=time.time(), step=step, summary=summary))

    def end(self, network: keras.Model, step: int, metrics: dict[str, float]) -> None:
        """Writes the result.

        Args:
            network: the trained network.
            step: the number of training steps.
            metrics: a number for each of `METRICS`.
        """
        write_session_end(self._file, step, metrics)
        self._write_boundary(network, step)

    def _write_boundary(self, network: keras.Model, step: int) -> None:
        if self._dataset.num_features != 2:
            return
        # Imported here, because only the extra `experiments` installs matplotlib.
        from keras_initkit.experiments.decision_boundary import draw_decision_boundary

        title = f"{self._dataset.name}, {self._initializer}, step {step}"
        png = draw_decision_boundary(network, self._dataset, title)
        write_image(self._file, "decision_boundary", step, png)


def hyperparameters(
    initializer: str, dataset: Dataset, settings: Settings
) -> dict[str, HParam]:
    """The settings that distinguish a run."""
    return {
        "initializer": initializer,
        "activation": settings.activation,
        "depth": settings.depth,
        "width": settings.width,
        "learning_rate": settings.learning_rate or LEARNING_RATES[settings.optimizer],
        "optimizer": settings.optimizer,
        "residual": settings.residual,
        "dataset": dataset.name,
        "batch_size": settings.batch_size,
        "epochs": settings.epochs,
        "seed": settings.seed,
    }
