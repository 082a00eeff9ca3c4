"""What is sealed, and how a row of each kind lies in a table.

The rule: a column says one thing, in a type that needs no decoding: times are timestamps in
UTC, ids are UUIDs, digests are hex, features are a map from name to value. What was never
there is NULL. No name of a column is a word of SQL.

What tells of a person is NULL too once somebody whom the request names was erased; the row
stays, so that what was decided can still be counted.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import NamedTuple

import numpy as np

from kingpost.core import id_text
from kingpost.decisions.sealed.subjects import subjects_of
from kingpost.journal import Entry
from kingpost.records import decode_inference, decode_record, decode_review

__all__ = ["KINDS", "SUBJECTS", "FeatureNames", "Kind", "Row", "kind_of"]

FeatureNames = Callable[[str, bytes], Sequence[str]]
"""The names of a decision's features by its bundle's digest, in the order of their values."""

Row = tuple[object, ...]
SUBJECTS = "subjects"
"""The column with the digests of whom a request names: by it an erasure finds its rows."""
_TIME = "TIMESTAMP WITH TIME ZONE"
_ID = "UUID"


class Kind(NamedTuple):
    """A table.

    Attributes:
        name: Of the table, and of its directory.
        entries: The kinds of the journal's entries that are its rows.
        columns: Name to type.
        row: Makes a row from the offset of an entry, the entry and the one before it in its
            commit.
        record: The column with the id of the record that a row is of; None where it is of none.
        erased: The columns that are NULL once the record is of somebody who was erased.
    """

    name: str
    entries: tuple[str, ...]
    columns: Mapping[str, str]
    row: Callable[[int, Entry, Entry | None, FeatureNames], Row]
    record: str | None = None
    erased: frozenset[str] = frozenset()


def _record(offset: int, entry: Entry, before: Entry | None, names_of: FeatureNames) -> Row:
    one = decode_record(entry.body)
    values = np.frombuffer(one.features, "<f8").tolist()
    names = list(names_of(one.decision, one.bundle)) if values else []
    stages = one.stages
    return (
        offset,
        id_text(one.id),
        one.at_us,
        one.event_time_us,
        one.tenant,
        one.decision,
        one.role.value,
        one.outcome.value,
        one.reason,
        one.answer.decode(),
        None if isnan(one.confidence) else one.confidence,
        one.bundle.hex(),
        one.model.hex(),
        one.principal,
        one.session,
        one.trace_id,
        one.idempotency_key,
        one.request_digest.hex(),
        one.event_key,
        one.event_offset,
        one.position,
        dict(zip(names, values, strict=True)) if values else None,
        list(one.unavailable),
        list(one.no_consent),
        one.is_cached,
        stages.queue_us,
        stages.features_us,
        stages.model_us,
        stages.gate_us,
        subjects_of(before),
        False,
    )


_RECORD_COLUMNS = {
    "journal_offset": "BIGINT",
    "id": _ID,
    "decided_at": _TIME,
    "event_time": _TIME,
    "tenant": "VARCHAR",
    "decision": "VARCHAR",
    "role": "VARCHAR",
    "outcome": "VARCHAR",
    "reason": "VARCHAR",
    "answer": "VARCHAR",
    "confidence": "DOUBLE",
    "bundle": "VARCHAR",
    "model": "VARCHAR",
    "principal": "VARCHAR",
    "session": "VARCHAR",
    "trace_id": "VARCHAR",
    "idempotency_key": "VARCHAR",
    "request_sha256": "VARCHAR",
    "event_key": "VARCHAR",
    "event_offset": "BIGINT",
    "read_position": "VARCHAR",
    "features": "MAP(VARCHAR, DOUBLE)",
    "unavailable": "VARCHAR[]",
    "no_consent": "VARCHAR[]",
    "is_cached": "BOOLEAN",
    "queue_us": "BIGINT",
    "features_us": "BIGINT",
    "model_us": "BIGINT",
    "gate_us": "BIGINT",
    SUBJECTS: "BIGINT[]",
    "is_erased": "BOOLEAN",
}
_ERASED_OF_RECORD = frozenset(
    (
        "reason answer confidence session trace_id idempotency_key request_sha256 event_key "
        f"features unavailable no_consent {SUBJECTS}"
    ).split()
)


def _inference(offset: int, entry: Entry, before: Entry | None, names_of: FeatureNames) -> Row:
    one = decode_inference(entry.body)
    return (
        offset,
        id_text(one.id),
        one.at_us,
        one.tenant,
        one.model,
        one.bundle.hex(),
        one.artefact.hex(),
        one.principal,
        one.session,
        one.trace_id,
        one.rows,
        one.cached,
        one.inputs_digest.hex(),
        one.scores_digest.hex(),
    )


_INFERENCE_COLUMNS = {
    "journal_offset": "BIGINT",
    "id": _ID,
    "asked_at": _TIME,
    "tenant": "VARCHAR",
    "model": "VARCHAR",
    "bundle": "VARCHAR",
    "artefact": "VARCHAR",
    "principal": "VARCHAR",
    "session": "VARCHAR",
    "trace_id": "VARCHAR",
    "row_count": "BIGINT",
    "cached_rows": "BIGINT",
    "inputs_sha256": "VARCHAR",
    "scores_sha256": "VARCHAR",
}


def _review(offset: int, entry: Entry, before: Entry | None, names_of: FeatureNames) -> Row:
    one = decode_review(entry.body)
    return (
        offset,
        id_text(one.record),
        one.at_us,
        entry.tenant,
        one.decision,
        one.verdict,
        one.positive,
        one.reason,
        one.by,
        one.task,
        False,
    )


_REVIEW_COLUMNS = {
    "journal_offset": "BIGINT",
    "record": _ID,
    "reviewed_at": _TIME,
    "tenant": "VARCHAR",
    "decision": "VARCHAR",
    "verdict": "VARCHAR",
    "positive": "BOOLEAN",
    "reason": "VARCHAR",
    "reviewed_by": "VARCHAR",
    "task": "VARCHAR",
    "is_erased": "BOOLEAN",
}

KINDS: Sequence[Kind] = (
    Kind("records", ("record", "shadow"), _RECORD_COLUMNS, _record, "id", _ERASED_OF_RECORD),
    Kind("inferences", ("inference",), _INFERENCE_COLUMNS, _inference),
    Kind("reviews", ("review",), _REVIEW_COLUMNS, _review, "record", frozenset(["reason"])),
)
_KIND_OF = {entry: kind for kind in KINDS for entry in kind.entries}


def kind_of(entry: Entry) -> Kind | None:
    """Return the table of an entry; None when it is not sealed."""
    return _KIND_OF.get(entry.kind)
