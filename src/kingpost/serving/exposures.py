"""What a reader sees of records whose decision does not show its scores in full.

The rule: who may ask a decision sees no more of its answers anywhere than when it asked.
Who may not, such as an auditor, sees the record as it is.
"""

from collections.abc import Mapping

from kingpost.access import Principal
from kingpost.decisions import Exposure, ServedDecision
from kingpost.records import DecisionRecord, RecordLine
from kingpost.serving.errors import RawScoreWithheld

__all__ = ["Exposures"]


class Exposures:
    """The exposures of what is served."""

    def __init__(self, served: Mapping[str, ServedDecision]) -> None:
        found = ((name, one.decision.exposure) for name, one in served.items())
        self._by_decision = {name: exposure for name, exposure in found if exposure is not None}

    def of(self, principal: Principal, decision: str) -> Exposure | None:
        """Return what a reader sees of a decision's records; None where it sees all."""
        exposure = self._by_decision.get(decision)
        return exposure if exposure is not None and principal.may("decide", decision) else None

    def check_explanation(self, principal: Principal, record: DecisionRecord) -> None:
        """Let a record be explained to who may see its score in full.

        Raises:
            RawScoreWithheld: It may not: what features added adds up to the score.
        """
        if self.of(principal, record.decision) is not None:
            raise RawScoreWithheld(record.decision)

    def seen(self, principal: Principal, line: RecordLine) -> tuple[float | None, float | None]:
        """Return score and confidence of a record in brief, as a reader sees them."""
        exposure = self.of(principal, line.decision)
        if exposure is None:
            return line.score, line.confidence
        digits = exposure.score_digits
        is_shown = "score" in exposure.show and line.score is not None
        score = line.score if is_shown else None
        confidence = line.confidence if "confidence" in exposure.show else None
        if digits is None:
            return score, confidence
        rounded = [None if one is None else round(one, digits) for one in (score, confidence)]
        return rounded[0], rounded[1]
