"""Watches a training, and reports a problem as soon as it is certain."""

import logging
from collections.abc import Callable
from typing import Any

import keras

from keras_initkit.diagnosis.course import course_findings
from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.diagnosis.facts import NetworkFacts
from keras_initkit.diagnosis.finding import Finding, ranked
from keras_initkit.diagnosis.start import Suspicion
from keras_initkit.report.first_batch import first_suspicions
from keras_initkit.stats.history import History

log = logging.getLogger("keras_initkit")


class Watch:
    """The findings of one training.

    Args:
        on_finding: a function that gets each new `Finding`, or None.
        stop_on: the severity that ends the training, or None.

    Attributes:
        name: name of the training, which starts each message in the log.
        must_stop: the finding that must end the training, or None.
    """

    def __init__(
        self,
        on_finding: Callable[[Finding], Any] | None = None,
        stop_on: str | None = None,
    ) -> None:
        self.name = ""
        self._on_finding: Any = on_finding
        self._stop_on = stop_on
        self.must_stop: Finding | None = None
        self._facts = NetworkFacts()
        self._suspicions: list[Suspicion] = []
        self._certain: dict[str, Finding] = {}
        self._findings: list[Finding] | None = None  # None before the first judgment
        self._said: set[str] = set()
        self._steps_per_epoch: int | None = None
        self._epoch_loss: float | None = None  # loss of the last epoch

    def begin(self, steps_per_epoch: int | None) -> None:
        """Notes another call of `fit`, and its steps per epoch, if known."""
        self._steps_per_epoch = steps_per_epoch
        self.must_stop = None

    def note_epoch(self, logs: dict | None) -> None:
        """Notes the logs at the end of an epoch."""
        loss = (logs or {}).get("loss")
        self._epoch_loss = loss if isinstance(loss, float) else None

    def look_at(self, model: keras.Model, batch: Any) -> None:
        """Measures the start on the first batch (`first_suspicions`)."""
        self._facts, self._suspicions = first_suspicions(model, batch)

    def update(self, history: History, is_over: bool = False) -> bool:
        """Judges the records so far, and reports new findings.

        Returns:
            Whether anything has changed; always true for the first judgment.
        """
        found = course_findings(
            self._facts,
            self._suspicions,
            history,
            self._steps_per_epoch,
            self._epoch_loss if is_over else None,
        )
        for finding in found:  # keep each as it was when it became certain
            self._certain.setdefault(finding.problem, finding)
        before, self._findings = self._findings, ranked(list(self._certain.values()))
        for finding in self._findings:
            if finding.problem not in self._said:
                self._said.add(finding.problem)
                self._say(finding)
        return self._findings != before

    @property
    def diagnosis(self) -> Diagnosis:
        """All findings so far."""
        return Diagnosis(self._findings or [])

    def _say(self, finding: Finding) -> None:
        log.warning("keras_initkit: %s: %s", self.name, finding)
        if finding.severity == self._stop_on or self._stop_on == "warning":
            self.must_stop = self.must_stop or finding
        if self._on_finding is not None:
            try:
                self._on_finding(finding)
            except Exception:
                log.warning(
                    "keras_initkit: `on_finding` raised an exception. The training "
                    "continues.",
                    exc_info=True,
                )
