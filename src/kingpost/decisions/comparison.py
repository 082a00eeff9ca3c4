"""Decides recorded requests again and compares every bit.

The rule: a record is right when its request, read at its recorded position, gives the same
feature values, and these the same score, answer and outcome, by the same code that serves
a live request. Nothing here trusts a record: its request is checked by digest, its model
by the bundle, its features by recomputing them.

Many records are recomputed at once, by the column; one record is many records of one.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Contract, ContractViolation, Event, batch_of
from kingpost.core import Disk, KingpostError, id_text
from kingpost.decisions.answer import judge, matching_rule, placed_rules
from kingpost.decisions.bundle import Bundle
from kingpost.decisions.declare import Decision, Rule
from kingpost.decisions.errors import PartitionNotHere
from kingpost.decisions.joined import JoinedHistories
from kingpost.decisions.record_selection import RecordSelection
from kingpost.decisions.served import Scorer
from kingpost.features import (
    Erased,
    Histories,
    ReadVectors,
    Requests,
    as_recorded,
    feature_matrix,
)
from kingpost.journal import BadPosition, Commit, Entry, Position, scan
from kingpost.models import model_input
from kingpost.records import DecisionRecord, Outcome, decode_record

__all__ = ["Comparison", "Difference", "Past", "Stored", "compare", "entry_at", "read_past"]

_NO_ANSWER = b"null"
_ROWS_PER_CALL = 8192
_SHOWN = 100


class Difference(msgspec.Struct, frozen=True):
    """One part of a record that does not come out as recorded."""

    record: str
    part: str
    recorded: str
    replayed: str


class Stored(NamedTuple):
    """A record and the entry that its commit holds at the recorded offset."""

    record: DecisionRecord
    asked: Entry | None


class Past(NamedTuple):
    """What the journal held: events by tenant and stream, and the records to compare.

    Attributes:
        joined: The events of all partitions; None when no record speaks of another one.
    """

    histories: Histories
    stored: Sequence[Stored]
    joined: JoinedHistories | None = None


@dataclass
class Comparison:
    """What came of comparing records.

    Attributes:
        records: How many were compared.
        failed: How many of them had failed in service: too late, or broken on the way.
            They gave no answer, and what broke them cannot be repeated; what they hold is
            compared all the same.
        erased: How many are of an entity that was erased since: what was known of it is
            gone, so they are not compared.
        different: How many differ in any part.
        reads: Feature values compared.
        reads_different: How many of them differ.
        shown: The first differences.
        erased_fields: Fields of the request whose content was erased with its subject's key.
    """

    records: int = 0
    failed: int = 0
    erased: int = 0
    different: int = 0
    reads: int = 0
    reads_different: int = 0
    shown: list[Difference] = field(default_factory=list[Difference])
    erased_fields: list[str] = field(default_factory=list[str])


def read_past(
    directory: Path,
    decision: Decision,
    bundle: bytes,
    *,
    disk: Disk,
    only: bytes | None = None,
    selection: RecordSelection | None = None,
    stop: int | None = None,
    partitions: Mapping[str, Path] | None = None,
) -> Past:
    """Read the events a decision's features need and the records of one bundle.

    Args:
        directory: The data partition.
        bundle: The bundle's digest, 32 bytes.
        only: The id of the one record wanted.
        selection: Which of the bundle's are wanted; all of them when None.
        stop: Of commits from this offset on only erasures are read: all else that they
            hold changed nothing before it.
        partitions: The journal of every partition by its name, in the order that numbers
            them; None where this is the only one.

    Raises:
        PartitionNotHere: A record was read as of a partition whose journal is not here.
        JournalCorrupt, JournalNewer: See `scan`.
        NewerRecord: A later version of Kingpost wrote a record.
    """
    histories = Histories(decision.features.streams)
    stored: list[Stored] = []
    for commit in scan(directory, disk=disk):
        if stop is not None and commit.offset >= stop:
            histories.add_erasures(commit)
            continue
        histories.add(commit)
        for entry in commit.entries:
            if entry.kind == "record" and entry.topic == decision.name:
                record = decode_record(entry.body)
                if record.bundle != bundle or only not in (None, record.id):
                    continue
                asked = entry_at(commit, record.event_offset)
                if selection is None or selection.takes(record, asked):
                    stored.append(Stored(record, asked))
    own = directory.name
    others = _others(stored, own)
    if not others:
        return Past(histories, stored)
    listed = {own: directory} if partitions is None else partitions
    for name in others:
        if name not in listed or not disk.list(listed[name]):
            raise PartitionNotHere(name, listed.get(name))
    parts: dict[str, Histories] = {}
    contracts = decision.features.streams
    for name, place in listed.items():
        part = parts[name] = histories if name == own else Histories(contracts)
        for commit in scan(place, disk=disk) if name in others else ():
            part.add(commit)
    return Past(histories, stored, JoinedHistories(parts, contracts))


def _others(stored: Sequence[Stored], own: str) -> set[str]:
    """Return the other partitions that records were read as of."""
    found: set[str] = set()
    for record, _ in stored:
        if record.position != f"{own}:{record.event_offset}":
            with contextlib.suppress(BadPosition):  # compared, it is a difference
                read = Position.parse(record.position).partitions
                found.update(read if own in read else ())
    return found - {own}


def entry_at(commit: Commit, wanted: int) -> Entry | None:
    """Return the request that a commit holds at an offset; None when there is none."""
    offset = commit.offset
    for entry in commit.entries:
        if offset == wanted and entry.kind in ("event", "request"):
            return entry
        offset += entry.count
    return None


class _Again(NamedTuple):
    """A record whose request is what it says, ready to be decided again."""

    record: DecisionRecord
    event: Event
    read_at: int
    position: Position | None
    """What it was read as of, when that is more than the own partition."""


def compare(
    decision: Decision, bundle: Bundle, scorer: Scorer, past: Past, *, partition: str
) -> Comparison:
    """Decide every record again and compare.

    Args:
        decision: As the bundle's own source declares it.
        scorer: The bundle's model.
        partition: The name of the data partition.
    """
    found = _Findings(Comparison(records=len(past.stored)))
    by_tenant: dict[str, list[_Again]] = {}
    for one in past.stored:
        again = _checked(one, decision.request, bundle, partition, found)
        if again is not None:
            by_tenant.setdefault(again.record.tenant, []).append(again)
    for tenant, every in by_tenant.items():
        erased = _erased(past, tenant, partition)
        rows = [one for one in every if not _is_erased(one, erased, partition)]
        found.comparison.erased += len(every) - len(rows)
        features = _Features(decision, past, tenant, partition)
        _compare_rows(decision, bundle, scorer, features, rows, found)
    found.comparison.different = len(found.records)
    return found.comparison


def _erased(past: Past, tenant: str, partition: str) -> Mapping[str, Erased]:
    """Return by partition whom it has erased."""
    parts = {partition: past.histories} if past.joined is None else past.joined.parts
    return {name: Erased(histories.erasures(tenant)) for name, histories in parts.items()}


def _is_erased(row: _Again, erased: Mapping[str, Erased], partition: str) -> bool:
    """Say whether something that a record was read as of is erased since."""
    if erased[partition].find(row.event, row.record.event_offset):
        return True
    if row.position is None:
        return False
    return any(
        erased[name].find(row.event, row.position.offset(name))
        for name in row.position.partitions
        if name != partition
    )


@dataclass
class _Findings:
    comparison: Comparison
    records: set[bytes] = field(default_factory=set[bytes])

    def differs(
        self, record: DecisionRecord, part: str, recorded: object, replayed: object
    ) -> None:
        self.records.add(record.id)
        if len(self.comparison.shown) < _SHOWN:
            self.comparison.shown.append(
                Difference(id_text(record.id), part, str(recorded), str(replayed))
            )


def _checked(
    stored: Stored, contract: Contract[Event], bundle: Bundle, partition: str, found: _Findings
) -> _Again | None:
    """Check a record against its request and its bundle."""
    record, asked = stored
    if asked is None:
        found.differs(record, "request", f"at offset {record.event_offset}", "not there")
        return None
    try:
        kept = contract.stored_digest(asked.body)
    except KingpostError as error:
        found.differs(record, "request", "personal content as it was encrypted", error)
        return None
    if kept is None:
        _note_erased(found.comparison, contract)
        return None
    digest = kept.hex()
    for part, recorded, replayed in (
        ("request", record.request_digest.hex(), digest),
        ("tenant", record.tenant, asked.tenant),
        ("stream", contract.name, asked.topic),
        ("model", record.model.hex(), bundle.model),
    ):
        if recorded != replayed:
            found.differs(record, part, recorded, replayed)
            return None
    try:
        if contract.subject is None:
            event = contract.decode(asked.body)
        else:
            event = contract.decode_stored(asked.body)
        position = _position(record, partition)
        read_at = record.event_offset if position is None else position.offset(partition)
    except ContractViolation as violation:
        found.differs(record, "request", "a request that keeps its contract", violation)
        return None
    except KingpostError as error:
        found.differs(record, "position", record.position, error)
        return None
    key = str(attrgetter(contract.key.name)(event))
    if key != record.event_key:
        found.differs(record, "event_key", record.event_key, key)
    is_own = position is None or position.partitions == (partition,)
    return _Again(record, event, read_at, None if is_own else position)


def _note_erased(comparison: Comparison, contract: Contract[Event]) -> None:
    comparison.erased += 1
    for one in contract.personal:
        if one.personal == "encrypt" and one.name not in comparison.erased_fields:
            comparison.erased_fields.append(one.name)


def _position(record: DecisionRecord, partition: str) -> Position | None:
    """Return what a record was read as of; None when that is its own offset alone."""
    if record.position == f"{partition}:{record.event_offset}":
        return None  # as a rule; parsing is far slower
    return Position.parse(record.position)


class _Features:
    """Computes the features of records of one tenant, each as of what it was read as of."""

    def __init__(self, decision: Decision, past: Past, tenant: str, partition: str) -> None:
        self._decision, self._past = decision, past
        self._tenant, self._partition = tenant, partition

    def of(self, rows: Sequence[_Again]) -> NDArray[np.float64]:
        """Return values as float64, shape (rows, features)."""
        features = self._decision.features
        values = np.empty((len(rows), len(features)), np.float64)
        alone = np.array([row.position is None for row in rows], np.bool_)
        if alone.any():
            own = [row for row in rows if row.position is None]
            requests = Requests(
                self._events(own),
                np.array([row.record.event_offset for row in own], np.int64),
                np.array([row.read_at for row in own], np.int64),
            )
            values[alone] = feature_matrix(
                features, requests, self._past.histories.of(self._tenant)
            )
        if not alone.all():
            joined = self._past.joined
            assert joined is not None  # made when a record speaks of another partition
            shared = [row for row in rows if row.position is not None]
            offsets = np.array([row.read_at for row in shared], np.int64)
            vectors = ReadVectors.of(joined.partitions, [row.position for row in shared])
            values[~alone] = as_recorded(
                features,
                self._events(shared),
                vectors,
                joined.of(self._tenant),
                positions=joined.partitions.sequences(self._partition, offsets),
            )
        return values

    def _events(self, rows: Sequence[_Again]) -> ColumnBatch:
        return batch_of(self._decision.request, [row.event for row in rows])


def _compare_rows(
    decision: Decision,
    bundle: Bundle,
    scorer: Scorer,
    features: "_Features",
    rows: list[_Again],
    found: _Findings,
) -> None:
    """Compare the records of one tenant."""
    failed = [row for row in rows if _is_failed(row.record)]
    found.comparison.failed += len(failed)
    for row in failed:
        answer = row.record.answer
        if answer != _NO_ANSWER:
            found.differs(row.record, "answer", _text(answer), "null")
    size = 8 * len(decision.features)
    whole: list[_Again] = []
    for row in rows:
        if len(row.record.features) == size:
            whole.append(row)
        elif row.record.features or not _is_failed(row.record):
            found.differs(row.record, "features", f"{len(row.record.features)} bytes", size)
    if not whole:
        return
    values = _compare_features(decision, features, whole, found)
    answered = np.array([not _is_failed(row.record) for row in whole], np.bool_)
    scores = _scores(scorer, model_input(values[answered]))
    matched = _matched_rules(decision, values[answered])
    judged = (row.record for row in whole if not _is_failed(row.record))
    for record, score, rule in zip(judged, scores, matched, strict=True):
        _compare_answer(decision, bundle, record, score, rule, found)


def _is_failed(record: DecisionRecord) -> bool:
    """Say whether service failed, not the model."""
    return record.outcome is Outcome.FAILED and record.reason != "no_score"


def _compare_features(
    decision: Decision, computed: "_Features", rows: list[_Again], found: _Findings
) -> NDArray[np.float64]:
    features, values = decision.features, computed.of(rows)
    joined = b"".join([row.record.features for row in rows])
    recorded = np.frombuffer(joined, "<f8").reshape(values.shape)
    differ = recorded.astype(np.float64).view(np.int64) != values.view(np.int64)
    differ &= ~(np.isnan(recorded) & np.isnan(values))
    found.comparison.reads += values.size
    found.comparison.reads_different += int(np.count_nonzero(differ))
    for at, column in np.argwhere(differ).tolist():
        found.differs(
            rows[at].record,
            f"feature {features.names[column]}",
            float(recorded[at, column]),
            float(values[at, column]),
        )
    missing = np.isnan(values)
    for at, row in enumerate(rows):
        for name in row.record.unavailable:
            if name not in features.names or not missing[at, features.names.index(name)]:
                found.differs(row.record, f"feature {name}", "unavailable", "a value")
    return values


def _scores(scorer: Scorer, rows: NDArray[np.float32]) -> list[float]:
    scores: list[float] = []
    for start in range(0, len(rows), _ROWS_PER_CALL):
        scores.extend(scorer.score(rows[start : start + _ROWS_PER_CALL]))
    return scores


def _matched_rules(decision: Decision, values: NDArray[np.float64]) -> Sequence[Rule | None]:
    rules = placed_rules(decision.gate, decision.features.names)
    if not rules:
        return [None] * len(values)
    return [matching_rule(rules, row) for row in values.tolist()]


def _compare_answer(
    decision: Decision,
    bundle: Bundle,
    record: DecisionRecord,
    score: float,
    rule: Rule | None,
    found: _Findings,
) -> None:
    verdict = judge(
        score, label=bundle.label, threshold=bundle.threshold, gate=decision.gate, rule=rule
    )
    answer = record.answer
    if answer != verdict.answer:
        found.differs(record, "answer", _text(answer), f"{_text(verdict.answer)} (score {score!r})")
    if not _same_bits(record.confidence, verdict.confidence):
        found.differs(record, "confidence", record.confidence, verdict.confidence)
    if record.outcome is not verdict.outcome:
        found.differs(record, "outcome", record.outcome, verdict.outcome)
    if record.reason != verdict.reason:
        found.differs(record, "reason", repr(record.reason), repr(verdict.reason))


def _same_bits(one: float, other: float) -> bool:
    return one == other and math.copysign(1.0, one) == math.copysign(1.0, other)


def _text(answer: bytes) -> str:
    return answer.decode(errors="replace")
