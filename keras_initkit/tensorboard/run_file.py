"""The event file of one training: everything that TensorBoard shows of it."""

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np

from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.stats import log_bins
from keras_initkit.stats.history import Histograms, History, Records
from keras_initkit.stats.row import HISTOGRAM_SOURCES
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.findings import write_diagnosis
from keras_initkit.tensorboard.histograms import HistogramWriter
from keras_initkit.tensorboard.layer_heatmap import write_layer_heatmap
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter
from keras_initkit.tensorboard.marks import Mark, write_mark


class RunFile:
    """A new file in a run's directory, which starts with the facts of the run.

    Args:
        directory: the directory of the run; it is made if it does not exist.
        keys: names of the statistics.
        layers: names of the layers.
        table: a description of the layers, in Markdown.

    Raises:
        OSError: if it cannot be written. Every method raises this.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        keys: Sequence[str],
        layers: Sequence[str],
        table: str,
    ) -> None:
        self._file = EventFile(directory)
        try:
            self._writer = LayerStatsWriter(self._file, keys, layers, table)
        except BaseException:
            self._file.close()
            raise
        self._histogram_writers = {
            source: HistogramWriter(self._file, [source], layers, log_bins.edges())
            for source in HISTOGRAM_SOURCES
        }

    def write(self, records: Records) -> None:
        """Writes an event for each record."""
        self._writer.write(records)

    def write_intended(self, key: str, values: np.ndarray) -> None:
        """Writes what a statistic of the layers is meant to be at the start."""
        self._writer.write_intended(key, values)

    def write_interval(self, step: int, interval: int) -> None:
        """Writes the number of steps between two records from this step on."""
        self._writer.write_interval(step, interval)

    def write_epoch(self, step: int, logs: Mapping[str, float]) -> None:
        """Writes the losses and metrics of an epoch that ends with this step."""
        self._writer.write_epoch(step, logs)

    def write_diagnosis(self, step: int, diagnosis: Diagnosis) -> None:
        """Writes all findings so far, which replace those before."""
        write_diagnosis(self._file, step, diagnosis)

    def write_mark(self, mark: tuple[int, str]) -> None:
        """Writes a step and the fingerprint of the weights before it."""
        write_mark(self._file, Mark(*mark))

    def write_histograms(self, source: str, histograms: Histograms) -> None:
        """Writes the histograms of one of `HISTOGRAM_SOURCES`."""
        steps, counts = histograms
        self._histogram_writers[source].write(steps, counts[:, None])

    def draw(self, history: History, key: str) -> None:
        """Writes a picture of a statistic, layers x steps."""
        write_layer_heatmap(
            self._file, key, history.layers, history.steps, history[key]
        )

    def close(self) -> None:
        """Closes the file, if it is open."""
        self._file.close()
