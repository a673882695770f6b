"""Finds what is suspect in a model before its first update."""

import logging
from typing import Any

import keras

from keras_initkit.diagnosis.facts import NetworkFacts
from keras_initkit.diagnosis.start import Suspicion, suspicions
from keras_initkit.report.network_facts import network_facts
from keras_initkit.report.signal_report import signal_report

# Enough for a mean over samples, and cheap for any model.
MAX_SAMPLES = 128
log = logging.getLogger("keras_initkit")


def first_suspicions(
    model: keras.Model, batch: Any
) -> tuple[NetworkFacts, list[Suspicion]]:
    """Measures the start on the first batch, without changing the model.

    It does not judge a model that it cannot measure, such as one without a `call`.

    Args:
        model: the model before its first update.
        batch: the trainer's batch; None if several replicas share it.
    """
    facts, found = NetworkFacts(), []
    try:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(_first_samples(batch))
        facts = network_facts(model, x, y)
        found = suspicions(facts)
        if not any(suspicion.is_certain for suspicion in found):
            report = signal_report(model, x, y)
            facts, found = report.facts, report.suspicions
    except Exception as error:  # the user's model may raise anything
        log.debug("keras_initkit: the first batch is not judged: %s", error)
    return facts, found


def _first_samples(batch: Any) -> Any:
    return keras.tree.map_structure(
        lambda array: None if array is None else array[:MAX_SAMPLES], batch
    )
