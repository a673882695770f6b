"""The page: all findings of a training, the root cause first."""

import html
from collections.abc import Sequence

from keras_initkit.diagnosis.finding import CRITICAL, Finding
from keras_initkit.markdown import escaped

HEALTHY = "No problem was found."


class Diagnosis(Sequence[Finding]):
    """Findings, the root cause first. It prints as a page, in a notebook too.

    Args:
        findings: the findings in order.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = list(findings)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._findings[index]

    def __len__(self) -> int:
        return len(self._findings)

    @property
    def is_critical(self) -> bool:
        """Tells whether a finding says that the training is hopeless."""
        return any(finding.severity == CRITICAL for finding in self)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self)) or HEALTHY

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self._findings:
            return f"<p>{html.escape(str(self))}</p>"
        items = "".join(
            f"<li><pre>{html.escape(str(finding))}</pre></li>" for finding in self
        )
        return f"<ol>{items}</ol>"

    def to_markdown(self) -> str:
        """The page for TensorBoard's Text tab."""
        if not self._findings:
            return HEALTHY
        return "\n\n".join(
            f"**{f.problem}** ({f.severity}, since step {f.since}) "
            f"{escaped(', '.join(f.layers))}: {escaped(f.cause)}\n\n"
            f"{escaped(f.evidence)}.\n\n`{fix}`"
            for f in self
            for fix in [f.fix.replace("`", "'").replace("\n", "`\n\n`")]
        )
