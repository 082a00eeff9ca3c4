"""What is recomputed equals what was recorded, and every altered part is found."""

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import kingpost as kp
from kingpost.core import id_text
from kingpost.decisions.application import Application
from kingpost.decisions.bundle import Bundle
from kingpost.decisions.comparison import Comparison, Difference, compare, read_past
from kingpost.decisions.declare import Decision
from kingpost.decisions.engine import Ask, Engine, ServedDecision
from kingpost.journal import Entry, Journal, scan
from kingpost.models import FittedModel, TrainingSet
from kingpost.records import DecisionRecord, Outcome, decode_record, encode_record
from tests.simulated_disk import SimulatedDisk

DATA = Path("/data/journal/data")
DAY = 86_400_000_000
MODEL = "ab" * 32


class Payment(kp.Event):
    """A payment."""

    id: kp.Key[str]
    at: kp.EventTime
    card: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]
    limit: float | None = None


class Finding(kp.Event):
    """What was found out about it."""

    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool


@kp.feature
def share(amount: float, limit: float | None) -> float:
    """How much of the limit it takes; there may be no limit."""
    if limit is None:
        raise ValueError("no limit")
    return amount / limit


def no_trainer(data: TrainingSet) -> FittedModel:
    """Stand in for a trainer that no test calls."""
    raise AssertionError(data)


spend = (
    kp.stream(Payment).by("card").over("1d", "7d").features(n=kp.count(), mean=kp.mean("amount"))
)
decision: Decision = kp.decision(
    "payment",
    request=Payment,
    features=[kp.field("amount"), share, spend],
    model=kp.model("payment", trainer=no_trainer, label=kp.stream(Finding).label("fraud")),
    gate=kp.gate(min_confidence=0.6, otherwise=kp.review("desk")),
)
bundle = Bundle(
    format=1,
    kingpost="0",
    decision="payment",
    application="app.py",
    contract=decision.request.digest,
    code="0",
    features=decision.features.digest,
    feature_names=decision.features.names,
    label="fraud",
    gate=decision.gate,
    budget=decision.budget,
    model=MODEL,
    model_name="payment",
    model_number=1,
    threshold=0.5,
    source="0",
    lock="0",
)


class Clock:
    """A clock that goes on by a millisecond each time it is read."""

    def __init__(self) -> None:
        self.us = 1_533_124_800_000_000

    def now_us(self) -> int:
        self.us += 1000
        return self.us

    def monotonic_ns(self) -> int:
        return self.us * 1000


class Scorer:
    """A model of one line: the smaller the mean of the week, the likelier it is fraud."""

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        return (1 / (1 + rows[:, -1].astype(np.float64) / 50)).tolist()


def live(disk: SimulatedDisk, decision: Decision = decision) -> list[DecisionRecord]:
    """Serve a dozen payments of two tenants: a late one, and one that was ingested before."""
    application = Application(
        Path("/app"),
        Path("app.py"),
        {contract.name: contract for contract in decision.streams},
        {"payment": decision},
        {},
    )
    served = ServedDecision(
        decision, bytes.fromhex(bundle.digest), bytes.fromhex(MODEL), Scorer(), 0.5
    )
    engine = Engine.open(DATA, application, {"payment": served}, disk=disk, clock=Clock())
    records: list[DecisionRecord] = []
    for at in range(12):
        tenant = "acme" if at % 3 else "umbrella"
        day = at - 5 if at == 8 else at  # the ninth one comes late
        limit = None if at % 4 == 0 else 500.0
        event = Payment(
            id=f"p{at}",
            at=kp.Instant(DAY * (day + 1)),
            card=f"c{at % 2}",
            amount=at * 17.25,
            limit=limit,
        )
        body = msgspec.json.encode(
            {
                "id": event.id,
                "at": event.at.isoformat(),
                "card": event.card,
                "amount": event.amount,
                "limit": limit,
            }
        )
        if at == 10:
            engine.ingest(tenant, "payment", [(event, body)], lambda _: None)
        ask = Ask("payment", tenant, "key", event, body, "trace", None, None, 0)
        replies, _ = engine.decide([ask], lambda _: None)
        for reply in replies:
            assert reply.record is not None
            records.append(reply.record)
    engine.close()
    return records


def compared(
    disk: SimulatedDisk, *, only: bytes | None = None, decision: Decision = decision
) -> Comparison:
    past = read_past(DATA, decision, bytes.fromhex(bundle.digest), disk=disk, only=only)
    return compare(decision, bundle, Scorer(), past, partition="data")


Alter = Callable[[Entry, DecisionRecord | None], Entry]


def rewritten(disk: SimulatedDisk, alter: Alter) -> SimulatedDisk:
    """Write the journal anew with altered entries, with checks that hold."""
    other = SimulatedDisk()
    with Journal.open(DATA, disk=other, clock=Clock()) as journal:
        for commit in scan(DATA, disk=disk):
            journal.append(
                [
                    alter(one, decode_record(one.body) if one.kind == "record" else None)
                    for one in commit.entries
                ]
            )
    return other


def altered_record(disk: SimulatedDisk, identifier: bytes, **changes: object) -> SimulatedDisk:
    def alter(entry: Entry, record: DecisionRecord | None) -> Entry:
        if record is None or record.id != identifier:
            return entry
        return msgspec.structs.replace(
            entry, body=encode_record(msgspec.structs.replace(record, **changes))
        )

    return rewritten(disk, alter)


def test_every_record_comes_out_as_it_was_made() -> None:
    disk = SimulatedDisk()
    records = live(disk)

    found = compared(disk)

    assert {record.outcome for record in records} == {Outcome.DECIDED, Outcome.REVIEW}
    assert (found.records, found.different, found.failed) == (12, 0, 0)
    assert (found.reads, found.reads_different, found.shown) == (12 * 6, 0, [])


def test_a_rule_says_the_same_again() -> None:
    disk = SimulatedDisk()
    rules = [
        kp.rule("amount", above=100, then=kp.review("leads")),
        kp.rule("share", below=0.1, then=kp.fallback(positive=False)),
    ]
    ruled = replace(decision, gate=kp.gate(rules=rules))
    records = live(disk, ruled)

    found = compared(disk, decision=ruled)

    assert {record.outcome for record in records} == {
        Outcome.DECIDED,
        Outcome.REVIEW,
        Outcome.FALLBACK,
    }
    assert (found.records, found.different, found.shown) == (12, 0, [])
    assert compared(disk).different > 0


def test_a_score_that_was_found_is_the_models_own() -> None:
    disk = SimulatedDisk()
    model = replace(decision.model, cache=kp.cache())
    repeating = kp.decision(
        "payment", request=Payment, features=[kp.field("limit")], model=model, gate=decision.gate
    )
    records = live(disk, repeating)

    found = compared(disk, decision=repeating)

    assert sum(record.is_cached for record in records) == 12 - 2 * 2, "two rows of two tenants"
    assert (found.records, found.different, found.shown) == (12, 0, [])


def test_a_request_whose_event_was_held_before_is_read_at_its_own_position() -> None:
    disk = SimulatedDisk()
    record = live(disk)[10]
    held = [
        (commit.offset + at, entry.kind)
        for commit in scan(DATA, disk=disk)
        for at, entry in enumerate(commit.entries)
        if b'"id":"p10"' in entry.body
    ]

    assert [kind for _, kind in held] == ["event", "request"]
    assert record.event_offset == held[1][0]
    assert compared(disk, only=record.id).different == 0


def test_one_record_is_compared_alone() -> None:
    disk = SimulatedDisk()
    records = live(disk)

    found = compared(disk, only=records[7].id)

    assert (found.records, found.reads, found.different) == (1, 6, 0)


def test_an_altered_feature_value_is_named_with_both_values() -> None:
    disk = SimulatedDisk()
    record = live(disk)[5]
    values = array("d", record.features)
    values[0] += 0.01

    found = compared(altered_record(disk, record.id, features=values.tobytes()))

    assert (found.different, found.reads_different) == (1, 1)
    assert found.shown == [Difference(id_text(record.id), "feature amount", "86.26", "86.25")]


def test_a_feature_value_altered_in_its_last_bit_is_found() -> None:
    disk = SimulatedDisk()
    record = live(disk)[5]
    values = array("d", record.features)
    values[5] = float(np.nextafter(values[5], np.inf))

    found = compared(altered_record(disk, record.id, features=values.tobytes()))

    assert [one.part for one in found.shown] == ["feature card_mean_7d"]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"answer": b'{"fraud":true,"score":0.99}'}, "answer"),
        ({"confidence": 0.99}, "confidence"),
        ({"outcome": Outcome.FALLBACK}, "outcome"),
        ({"reason": "because"}, "reason"),
        ({"model": bytes(32)}, "model"),
        ({"request_digest": bytes(32)}, "request"),
        ({"event_key": "p99"}, "event_key"),
        ({"tenant": "acme2"}, "tenant"),
        ({"event_offset": 0}, "request"),
        ({"features": b""}, "features"),
        ({"features": bytes(8)}, "features"),
        ({"unavailable": ("amount",)}, "feature amount"),
        ({"unavailable": ("unheard_of",)}, "feature unheard_of"),
        ({"position": "data:4"}, "feature card_n_7d"),
        ({"position": "elsewhere:4"}, "position"),
        ({"position": "?"}, "position"),
    ],
)
def test_an_altered_part_of_a_record_is_named(changes: dict[str, object], part: str) -> None:
    disk = SimulatedDisk()
    record = live(disk)[11]

    found = compared(altered_record(disk, record.id, **changes))

    assert found.different == 1
    assert part in [one.part for one in found.shown]
    assert {one.record for one in found.shown} == {id_text(record.id)}


def test_an_altered_request_is_found_by_its_digest() -> None:
    disk = SimulatedDisk()
    live(disk)

    def alter(entry: Entry, _: DecisionRecord | None) -> Entry:
        return msgspec.structs.replace(entry, body=entry.body.replace(b'"id":"p11"', b'"id":"q11"'))

    found = compared(rewritten(disk, alter))

    assert [one.part for one in found.shown] == ["request"]


def test_an_altered_earlier_event_is_found_in_the_features_that_saw_it() -> None:
    disk = SimulatedDisk()
    records = live(disk)

    def alter(entry: Entry, record: DecisionRecord | None) -> Entry:
        body = entry.body
        if record is None and b'"id":"p5"' in body:
            return msgspec.structs.replace(entry, body=body.replace(b"86.25", b"86.26"))
        if record is not None and record.event_key == "p5":
            altered = hashlib.sha256(body).digest()
            changed = msgspec.structs.replace(record, request_digest=altered)
            return msgspec.structs.replace(entry, body=encode_record(changed))
        return entry

    found = compared(rewritten(disk, alter), only=records[11].id)

    assert [one.part for one in found.shown] == ["feature card_mean_7d", "answer", "confidence"]


def test_a_request_that_failed_in_service_has_its_features_compared_and_no_answer() -> None:
    disk = SimulatedDisk()
    record = live(disk)[5]
    failed = {
        "outcome": Outcome.FAILED,
        "reason": "model_error",
        "answer": b"null",
        "confidence": 0.0,
    }

    found = compared(altered_record(disk, record.id, **failed))

    assert (found.records, found.failed, found.different, found.reads) == (12, 1, 0, 72)


def test_a_request_that_came_too_late_has_nothing_to_compare() -> None:
    disk = SimulatedDisk()
    record = live(disk)[5]
    failed = {
        "outcome": Outcome.FAILED,
        "reason": "deadline_exceeded",
        "answer": b"null",
        "confidence": 0.0,
        "features": b"",
        "unavailable": (),
    }

    found = compared(altered_record(disk, record.id, **failed))

    assert (found.failed, found.different, found.reads) == (1, 0, 66)


def test_a_failure_that_has_an_answer_after_all_is_found() -> None:
    disk = SimulatedDisk()
    record = live(disk)[5]

    found = compared(altered_record(disk, record.id, outcome=Outcome.FAILED, reason="model_error"))

    assert [one.part for one in found.shown] == ["answer"]


def test_records_of_another_bundle_are_left_out() -> None:
    disk = SimulatedDisk()
    record = live(disk)[5]

    found = compared(altered_record(disk, record.id, bundle=bytes(32)))

    assert found.records == 11
