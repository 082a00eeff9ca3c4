"""Records in brief, in memory; for tests."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from kingpost.records.record import Outcome
from kingpost.records.review import Review
from kingpost.records.search import JoinedLabel, KnownLabel, RecordLine, RecordQuery

__all__ = ["MemoryRecords"]


class MemoryRecords:
    """A `RecordSearch` that is gone when the process ends."""

    def __init__(self) -> None:
        self._lines: dict[bytes, RecordLine] = {}

    def add(self, lines: Sequence[RecordLine]) -> None:
        for line in lines:
            self._lines.setdefault(line.id, line)

    def label(
        self, tenant: str, decision: str, labels: Sequence[KnownLabel]
    ) -> Sequence[JoinedLabel]:
        joined: list[JoinedLabel] = []
        for label in labels:
            for line in sorted(self._lines.values(), key=lambda line: line.offset):
                is_its_own = line.event_key == label.event_key and line.offset < label.offset
                if (line.tenant, line.decision) != (tenant, decision) or not is_its_own:
                    continue
                told = replace(line, label=label.positive, label_known_us=label.known_us)
                self._lines[line.id] = told
                joined.append(
                    JoinedLabel(
                        label,
                        line.id,
                        line.bundle,
                        line.event_time_us,
                        line.outcome,
                        line.positive,
                        line.label,
                    )
                )
        return joined

    def review(self, tenant: str, reviews: Sequence[Review]) -> Sequence[RecordLine]:
        known: list[RecordLine] = []
        for review in reviews:
            line = self.get(tenant, review.record)
            if line is not None:
                self._lines[line.id] = replace(
                    line,
                    review=review.verdict,
                    review_positive=review.positive,
                    reviewed_by=review.by,
                    review_reason=review.reason,
                    reviewed_us=review.at_us,
                )
                known.append(self._lines[line.id])
        return known

    def remove(self, ranges: Sequence[tuple[int, int]]) -> int:
        gone = [
            line.id
            for line in self._lines.values()
            if any(first <= line.offset < end for first, end in ranges)
        ]
        for identifier in gone:
            del self._lines[identifier]
        return len(gone)

    def get(self, tenant: str, identifier: bytes) -> RecordLine | None:
        line = self._lines.get(identifier)
        return line if line is not None and line.tenant == tenant else None

    def find(self, query: RecordQuery) -> Sequence[RecordLine]:
        found = [line for line in self._lines.values() if _is_asked_for(line, query)]
        return sorted(found, key=lambda line: line.place, reverse=True)[: query.limit]

    def count(self, tenant: str, decision: str) -> int:
        return sum(
            (line.tenant, line.decision) == (tenant, decision) for line in self._lines.values()
        )

    def decisions(self, tenant: str) -> Sequence[str]:
        return sorted({line.decision for line in self._lines.values() if line.tenant == tenant})

    def last_at(self, tenant: str) -> int | None:
        times = [line.at_us for line in self._lines.values() if line.tenant == tenant]
        return max(times, default=None)


def _is_asked_for(line: RecordLine, query: RecordQuery) -> bool:
    texts = (str(UUID(bytes=line.id)), line.event_key, line.session, line.trace_id)
    return (
        (line.tenant, line.decision) == (query.tenant, query.decision)
        and (not query.text or query.text in texts)
        and query.outcome in (None, line.outcome)
        and query.review in (None, line.review or "none")
        and (not query.model or query.model in (line.bundle, line.model))
        and query.principal in ("", line.principal)
        and (not query.mistaken or line.is_mistaken)
        and (query.since_us is None or line.event_time_us >= query.since_us)
        and (query.until_us is None or line.event_time_us < query.until_us)
        and (query.decided_since_us is None or line.at_us >= query.decided_since_us)
        and (query.decided_until_us is None or line.at_us < query.decided_until_us)
        and (query.missed_us is None or _has_missed(line, query.missed_us))
        and (query.before is None or line.place < query.before)
    )


def _has_missed(line: RecordLine, within_us: int) -> bool:
    return line.outcome is Outcome.FAILED or line.took_us > within_us
