"""What of the journal is observed: records, labels and reviews, gathered from commits.

The rule: what is gathered from some commits does not depend on how many were read at once.
A label carries its offset, since it counts only for the records before it; its correction
is a later label. A retraction leaves what was joined as it is.

Events that are no labels of a declared decision are passed over undecoded, and so are
labels of a tenant whose decision has no records yet: a history may hold millions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Contract, Event, decode_batch
from kingpost.decisions import Application
from kingpost.journal import Commit, Entry
from kingpost.monitoring import (
    NO_ANSWER,
    OUTCOMES,
    Alarmed,
    CostNews,
    Observations,
)
from kingpost.records import (
    DecisionRecord,
    KnownLabel,
    Outcome,
    RecordLine,
    Review,
    decode_record,
    decode_review,
)
from kingpost.serving.cost_news import given_review, record_costs, token_costs
from kingpost.serving.extraction import SuspicionDocument

__all__ = ["Gathered", "Gathering", "ReviewAt", "line_of", "observations_of"]

Scope = tuple[str, str]
"""Tenant and decision."""

_LABELS = ("event", "events", "correction")
_SCORE = b',"score":'
_REQUESTS = ("event", "request")
_ALARMING = (Outcome.DECIDED, Outcome.REVIEW)
_CODE_OF = {outcome: code for code, outcome in enumerate(OUTCOMES)}
_Answer = dict[str, bool | float | None] | None
_suspicions = msgspec.json.Decoder(SuspicionDocument)
_answers: msgspec.json.Decoder[_Answer] = msgspec.json.Decoder(_Answer)


class ReviewAt(NamedTuple):
    """A review and where it lies."""

    offset: int
    review: Review


@dataclass
class Gathered:
    """What some commits held, each list in the order of the journal.

    Attributes:
        lines: The records in brief; `records` has them whole, by tenant, decision, bundle.
        to_review: The records that wait for a person.
        labels, reviews: By tenant and decision.
        suspicions: With tenant and decision.
        alarms: Positive answers of decisions that are alarms, by tenant and decision.
        costs: What records, tokens and reviews count in costs.
        size: A measure of the work in it.
    """

    lines: list[RecordLine] = field(default_factory=list[RecordLine])
    records: dict[tuple[str, str, bytes], list[tuple[DecisionRecord, RecordLine]]] = field(
        default_factory=dict[tuple[str, str, bytes], list[tuple[DecisionRecord, RecordLine]]]
    )
    to_review: list[DecisionRecord] = field(default_factory=list[DecisionRecord])
    labels: dict[Scope, list[KnownLabel]] = field(default_factory=dict[Scope, list[KnownLabel]])
    reviews: dict[Scope, list[ReviewAt]] = field(default_factory=dict[Scope, list[ReviewAt]])
    suspicions: list[tuple[str, str, SuspicionDocument]] = field(
        default_factory=list[tuple[str, str, SuspicionDocument]]
    )
    alarms: dict[Scope, list[Alarmed]] = field(default_factory=dict[Scope, list[Alarmed]])
    costs: CostNews = field(default_factory=CostNews)
    size: int = 0


class _LabelReader:
    """Reads the labels of one decision from the events of its label's stream."""

    def __init__(self, decision: str, contract: Contract[Event], name: str) -> None:
        self.decision = decision
        self._contract, self._name = contract, name
        self._known = (contract.known_time or contract.event_time).name
        self._values = attrgetter(contract.key.name, name, f"{self._known}.us")

    def read(self, entry: Entry, offset: int) -> Iterator[KnownLabel]:
        if entry.kind != "events":
            key, label, known_us = self._values(self._contract.decode_protected(entry.body))
            if label is not None:
                yield KnownLabel(str(key), bool(label), known_us, offset)
            return
        batch = decode_batch(entry.body, self._contract)
        rows = zip(
            batch.values(self._contract.key.name),
            batch.values(self._name),
            batch.numbers(self._known).tolist(),
            strict=True,
        )
        for at, (key, label, known_us) in enumerate(rows, offset):
            if label is not None:
                yield KnownLabel(str(key), bool(label), known_us, at)


class _AlarmReader:
    """Finds what the alarms of one decision are about, in the requests beside its records."""

    def __init__(self, request: Contract[Event], entity: str) -> None:
        self._request = request
        self._values = attrgetter(request.key.name, entity)

    def entities(self, tenant: str, commit: Commit) -> Mapping[str, str]:
        """Return the entities of a tenant's requests in a commit, by the request's key."""
        about, found = (tenant, self._request.name), dict[str, str]()
        for entry in commit.entries:
            if entry.kind in _REQUESTS and (entry.tenant, entry.topic) == about:
                key, entity = self._values(self._request.decode_protected(entry.body))
                found[str(key)] = str(entity)
        return found


class Gathering:
    """Gathers from commits what an application's decisions are observed by.

    Args:
        has_records: Says whether a tenant's decision has any records yet.
    """

    def __init__(self, application: Application, has_records: Callable[[str, str], bool]) -> None:
        self._has_records = has_records
        self._readers: dict[str, list[_LabelReader]] = {}
        for name, decision in application.decisions.items():
            label = decision.model.label
            contract = label.stream.contract
            self._readers.setdefault(contract.name, []).append(
                _LabelReader(name, contract, label.field)
            )
        self._alarms = {
            name: _AlarmReader(decision.request, decision.alarm.entity)
            for name, decision in application.decisions.items()
            if decision.alarm is not None
        }
        self._seen: set[Scope] = set()

    def add(self, commit: Commit, into: Gathered) -> None:
        """Take one commit.

        Raises:
            NewerRecord, NewerReview, UnreadableBatch: A later version of Kingpost wrote it.
        """
        offset = commit.offset
        into.size += 1
        alarming: list[tuple[DecisionRecord, RecordLine]] = []
        made: list[tuple[int, DecisionRecord]] = []
        for entry in commit.entries:
            kind = entry.kind
            if kind == "record":
                record, line = self._record(entry, offset, into)
                made.append((offset, record))
                if (
                    line.positive
                    and record.outcome in _ALARMING
                    and record.decision in self._alarms
                ):
                    alarming.append((record, line))
            elif kind == "shadow":
                made.append((offset, decode_record(entry.body)))
                into.size += 1
            elif kind == "usage":
                into.costs.tokens += token_costs(entry, offset)
                into.size += 1
            elif kind == "review":
                review = ReviewAt(offset, decode_review(entry.body))
                into.reviews.setdefault((entry.tenant, entry.topic), []).append(review)
                into.costs.reviews.append(given_review(entry.tenant, offset, review.review))
                into.size += 1
            elif kind == "suspicion":
                document = _suspicions.decode(entry.body)
                into.suspicions.append((entry.tenant, entry.topic, document))
                into.size += 1
            elif entry.topic in self._readers and kind in _LABELS:
                self._labels(entry, offset, into)
            offset += entry.count
        if alarming:
            self._alarm(alarming, commit, into)
        if made:
            into.costs.records += record_costs(made, commit.size_bytes)

    def _alarm(
        self, alarming: list[tuple[DecisionRecord, RecordLine]], commit: Commit, into: Gathered
    ) -> None:
        """Take alarms, each of the entity that its request names."""
        known: dict[Scope, Mapping[str, str]] = {}
        for record, line in alarming:
            scope = (record.tenant, record.decision)
            if scope not in known:
                known[scope] = self._alarms[record.decision].entities(record.tenant, commit)
            entity = known[scope].get(record.event_key)
            if entity is None or line.score is None:
                continue
            alarm = Alarmed(
                entity, record.event_time_us, record.at_us, record.bundle, record.id, line.score
            )
            into.alarms.setdefault(scope, []).append(alarm)

    def _record(
        self, entry: Entry, offset: int, into: Gathered
    ) -> tuple[DecisionRecord, RecordLine]:
        record = decode_record(entry.body)
        line = line_of(record, offset)
        into.lines.append(line)
        group = (record.tenant, record.decision, record.bundle)
        records = into.records.get(group)
        if records is None:
            records = into.records[group] = []
            self._seen.add(group[:2])
        records.append((record, line))
        if record.outcome is Outcome.REVIEW:
            into.to_review.append(record)
        into.size += 1
        return record, line

    def _labels(self, entry: Entry, offset: int, into: Gathered) -> None:
        for reader in self._readers[entry.topic]:
            scope = (entry.tenant, reader.decision)
            if scope not in self._seen:
                if not self._has_records(*scope):
                    continue
                self._seen.add(scope)
            into.labels.setdefault(scope, []).extend(reader.read(entry, offset))
            into.size += entry.count


def line_of(record: DecisionRecord, offset: int) -> RecordLine:
    """Put a record in brief."""
    positive, score = _answered(record.answer)
    took = record.stages
    return RecordLine(
        id=record.id,
        offset=offset,
        tenant=record.tenant,
        decision=record.decision,
        bundle=record.bundle,
        model=record.model,
        principal=record.principal,
        event_key=record.event_key,
        session=record.session,
        trace_id=record.trace_id,
        event_time_us=record.event_time_us,
        at_us=record.at_us,
        outcome=record.outcome,
        positive=positive,
        score=score,
        confidence=record.confidence,
        took_us=took.queue_us + took.features_us + took.model_us + took.gate_us,
    )


def observations_of(
    records: list[tuple[DecisionRecord, RecordLine]], features: int
) -> Observations:
    """Put records of one bundle in columns.

    Args:
        features: How many features its decision has. A record that has another number of
            them, as one that failed before they were read, has none of them.
    """
    rows = len(records)
    lines = [line for _, line in records]
    return Observations(
        offset=_integers([line.offset for line in lines]),
        event_time_us=_integers([line.event_time_us for line in lines]),
        at_us=_integers([line.at_us for line in lines]),
        outcome=np.array([_CODE_OF[line.outcome] for line in lines], np.int8),
        features=_features([record.features for record, _ in records], features),
        score=np.array([line.score for line in lines], np.float64),
        confidence=np.array([line.confidence for line in lines], np.float64),
        positive=np.array(
            [NO_ANSWER if line.positive is None else line.positive for line in lines], np.int8
        ),
        stages=np.array(
            [
                (one.queue_us, one.features_us, one.model_us, one.gate_us)
                for one in [record.stages for record, _ in records]
            ],
            np.int64,
        ).reshape(rows, 4),
        ids=[line.id for line in lines],
    )


def _integers(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _features(values: list[bytes], width: int) -> NDArray[np.float64]:
    size = 8 * width
    missing = np.full(width, np.nan).astype("<f8").tobytes()
    whole = b"".join([value if len(value) == size else missing for value in values])
    return np.frombuffer(whole, "<f8").astype(np.float64, copy=False).reshape(-1, width)


def _answered(answer: bytes) -> tuple[bool | None, float | None]:
    """Read an answer as `judge` writes it; None twice where there is none."""
    at = answer.rfind(_SCORE)
    if at > 0 and answer.endswith(b"}"):
        try:
            return answer.endswith(b":true", 0, at), float(answer[at + len(_SCORE) : -1])
        except ValueError:
            pass
    values = _answers.decode(answer)
    return (None, None) if values is None else _first_two(list(values.values()))


def _first_two(values: list[bool | float | None]) -> tuple[bool | None, float | None]:
    positive = values[0] if values else None
    score = values[1] if len(values) > 1 else None
    return None if positive is None else bool(positive), score
