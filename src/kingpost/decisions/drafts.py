"""Records in the making: what is known of a request while its batch is decided.

Pure but for the user's rules: ids, positions and times are given.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from kingpost.decisions.answer import Verdict
from kingpost.decisions.ask import Ask
from kingpost.decisions.lane import Lane, no_verdict, row_verdict
from kingpost.decisions.served import ServedDecision
from kingpost.decisions.tenant_state import TenantState
from kingpost.features import Unavailable
from kingpost.journal import Entry
from kingpost.records import RECORD_FORMAT, DecisionRecord, Stages, encode_record

__all__ = ["Draft", "Scored", "commit_of", "record_of", "verdict_of"]

_AVAILABLE = Unavailable()


class Draft(msgspec.Struct):
    """A record in the making.

    Attributes:
        keys: What a retry of it is recognised by.
        offset: Where its request will lie; its record is the next one.
        position: What its features are as of.
        body: Its request as it is stored.
        lane_row: Its place among the rows of its model; -1 while it has no features.
        reason: Why it has none.
    """

    ask: Ask
    served: ServedDecision
    state: TenantState
    keys: tuple[str, ...]
    event_key: str
    digest: bytes
    offset: int
    is_event: bool
    position: str
    event_time_us: int
    body: bytes
    lane_row: int = -1
    unavailable: Unavailable = _AVAILABLE
    reason: str = ""


class Scored(NamedTuple):
    """What the models said to a batch.

    Attributes:
        lanes, scores: By decision.
        stages: Microseconds a request took for its features and its model.
        found: The rows whose score was not computed for them, by decision.
    """

    lanes: Mapping[str, Lane]
    scores: Mapping[str, Sequence[float | None]]
    started_ns: int
    now_us: int
    stages: tuple[int, int]
    found: Mapping[str, Collection[int]] = {}


def verdict_of(draft: Draft, scored: Scored) -> Verdict:
    """Judge a draft by its score; one without features has failed for its own reason."""
    row = draft.lane_row
    if row < 0:
        return no_verdict(draft.reason)
    name = draft.ask.decision
    return row_verdict(draft.served, scored.lanes[name].values, row, scored.scores[name][row])


def record_of(draft: Draft, scored: Scored, verdict: Verdict, identifier: bytes) -> DecisionRecord:
    """Make the record of a draft."""
    ask, served, row = draft.ask, draft.served, draft.lane_row
    width, (features_us, model_us) = served.width, scored.stages
    features = b""
    if row >= 0:
        features = scored.lanes[ask.decision].values[row * width : (row + 1) * width].tobytes()
    return DecisionRecord(  # by place: by name it takes ten times as long
        RECORD_FORMAT,
        identifier,
        scored.now_us,
        ask.decision,
        served.bundle,
        served.model,
        ask.principal,
        ask.tenant,
        ask.trace_id,
        ask.session,
        ask.idempotency_key,
        draft.digest,
        draft.event_key,
        draft.offset,
        draft.position,
        features,
        draft.unavailable.names,
        verdict.answer,
        verdict.confidence,
        verdict.outcome,
        verdict.reason,
        Stages((scored.started_ns - ask.arrived_ns) // 1000, features_us, model_us, 0),
        draft.event_time_us,
        draft.unavailable.no_consent,
        served.role,
        bool(scored.found) and row in scored.found.get(ask.decision, ()),
    )


def commit_of(draft: Draft, record: DecisionRecord) -> Sequence[Entry]:
    """Return what is written of a draft in one commit."""
    ask = draft.ask
    kind = "event" if draft.is_event else "request"
    return (
        Entry(kind, ask.tenant, draft.served.decision.request.name, draft.body),
        Entry("record", ask.tenant, ask.decision, encode_record(record)),
    )
