"""The live engine: what a batch of requests leaves in the journal and what it answers."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import IncompatibleContract, contract_of
from kingpost.core import KingpostError, id_text
from kingpost.decisions import (
    Ask,
    Engine,
    EngineStopped,
    EventConflict,
    IdempotencyKeyReused,
    Ingested,
    Reply,
)
from kingpost.decisions.tenant_state import Answered
from kingpost.journal import Commit, Entry, Journal, JournalFailed, scan
from kingpost.records import DecisionRecord, Outcome
from tests.shared_windows import engine_over
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import (
    APPLICATION,
    BUNDLE,
    FakeClock,
    Payment,
    fraud,
    open_engine,
    payment,
    served,
)

DATA = Path("/journal/data")
DECODE = contract_of(Payment).decode


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk()


@pytest.fixture(params=["process", pytest.param("redis", marks=pytest.mark.needs_service("redis"))])
def engine(disk: SimulatedDisk, request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_over(request.param, DATA, disk) as opened:
        yield opened


def ask(body: bytes, *, tenant: str = "acme", key: str | None = None, arrived_ns: int = 0) -> Ask:
    return Ask("fraud", tenant, "key-1", DECODE(body), body, "0" * 32, None, key, arrived_ns)


def decide(engine: Engine, *asks: Ask) -> list[Reply]:
    """Decide a batch and wait for the disk."""
    landed, outcome = Event(), list[KingpostError | None]()

    def hear(error: KingpostError | None) -> None:
        outcome.append(error)
        landed.set()

    replies, has_written = engine.decide(asks, hear)
    if has_written:
        assert landed.wait(10)
        assert outcome == [None]
    return replies


def record_of(reply: Reply) -> DecisionRecord:
    assert reply.record is not None
    return reply.record


def features_of(record: DecisionRecord) -> list[float]:
    return array("d", record.features).tolist()


def commits(disk: SimulatedDisk) -> list[Commit]:
    return list(scan(DATA, disk=disk))


def ingest(engine: Engine, *bodies: bytes, beside: Sequence[Entry] = ()) -> Ingested:
    landed = Event()
    events = [(DECODE(body), body) for body in bodies]
    ingested, has_written = engine.ingest(
        "acme", "payment", events, lambda _: landed.set(), beside=beside
    )
    assert not has_written or landed.wait(10)
    return ingested


def test_a_decision_and_the_event_that_asked_are_one_commit(
    engine: Engine, disk: SimulatedDisk
) -> None:
    record = record_of(*decide(engine, ask(payment("p1"))))

    last = commits(disk)[-1]
    assert [entry.kind for entry in last.entries] == ["event", "record"]
    assert last.entries[0].body == payment("p1")
    assert record.event_offset == last.offset
    assert record.position == f"data:{last.offset}"
    assert (record.outcome, record.bundle) == (Outcome.DECIDED, BUNDLE)


def test_a_record_says_when_its_event_happened(engine: Engine) -> None:
    record = record_of(*decide(engine, ask(payment("p1", minute=7))))

    assert record.event_time_us == 1_533_124_800_000_000 + 7 * 60_000_000
    assert record.format == 5


def test_a_record_is_found_by_its_id_and_by_its_offset(engine: Engine) -> None:
    records = [
        record_of(reply) for at in range(250) for reply in decide(engine, ask(payment(f"p{at}")))
    ]

    for record in (records[0], records[101], records[-1]):
        found = engine.record("acme", id_text(record.id))
        assert found is not None
        assert found.record == record
        assert engine.record_at("acme", found.offset) == found
        assert engine.request_of(record) == payment(record.event_key)


@pytest.mark.parametrize("identifier", ["", "nonsense", "0199f2a0-7c00-7000-8000-00000000002a"])
def test_an_id_that_nobody_has_is_no_record(engine: Engine, identifier: str) -> None:
    decide(engine, ask(payment("p1")))

    assert engine.record("acme", identifier) is None


def test_each_request_of_a_batch_sees_itself_and_those_before_it(engine: Engine) -> None:
    replies = decide(
        engine,
        ask(payment("p1", 10)),
        ask(payment("p2", 20)),
        ask(payment("p3", 60)),
    )

    seen = [features_of(record_of(reply))[1:3] for reply in replies]
    assert seen == [[1, 10], [2, 15], [3, 30]]


def test_an_answer_does_not_depend_on_its_batch_mates(disk: SimulatedDisk) -> None:
    bodies = [payment(f"p{at}", at * 7.5, card=f"c{at}") for at in range(40)]
    together = open_engine(DATA, disk=disk, clock=FakeClock())
    alone = open_engine(DATA, disk=SimulatedDisk(), clock=FakeClock())

    in_one = [record_of(reply) for reply in decide(together, *map(ask, bodies))]
    one_by_one = [record_of(*decide(alone, ask(body))) for body in bodies]

    assert [(r.answer, r.features) for r in in_one] == [(r.answer, r.features) for r in one_by_one]
    together.close()
    alone.close()


def test_a_row_that_breaks_the_model_fails_alone(engine: Engine) -> None:
    asks = [ask(payment(f"p{at}", amount)) for at, amount in enumerate((10, 666, 20))]

    replies = decide(engine, *asks)

    outcomes = [(record_of(reply).outcome, record_of(reply).reason) for reply in replies]
    assert outcomes == [("decided", ""), ("failed", "model_error"), ("decided", "")]


def test_a_feature_that_breaks_fails_its_request_alone(engine: Engine) -> None:
    asks = [ask(payment(f"p{at}", amount)) for at, amount in enumerate((10, 13, 20))]

    replies = decide(engine, *asks)

    records = [record_of(reply) for reply in replies]
    assert [record.reason for record in records] == ["", "feature_error", ""]
    assert [len(record.features) for record in records] == [56, 0, 56]
    assert features_of(records[2])[1] == 3


def test_the_same_failure_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    engine = open_engine(DATA, disk=SimulatedDisk(), clock=clock)

    for at, seconds in enumerate((0, 1, 58, 2)):
        clock.advance(seconds)
        decide(engine, ask(payment(f"a{at}", 13)), ask(payment(f"b{at}", 666)))

    logged = [record.message for record in caplog.records]
    assert logged == ["feature_failed", "model_failed"] * 2
    engine.close()


def test_a_batch_that_fails_as_a_whole_is_still_on_record(engine: Engine) -> None:
    (reply,) = decide(engine, ask(payment("p1", 13)))

    assert engine.record("acme", id_text(record_of(reply).id)) is not None


def test_no_score_is_a_failure_with_its_features(engine: Engine) -> None:
    (reply,) = decide(engine, ask(payment("p1", 404)))

    record = record_of(reply)
    assert (record.outcome, record.reason) == (Outcome.FAILED, "no_score")
    assert features_of(record)[0] == 404


def test_a_request_that_waited_longer_than_its_budget_fails() -> None:
    clock = FakeClock()
    engine = open_engine(DATA, disk=SimulatedDisk(), clock=clock, budget="25ms")
    clock.advance(0.026)

    late, on_time = decide(
        engine, ask(payment("p1"), arrived_ns=0), ask(payment("p2"), arrived_ns=2_000_000)
    )

    assert record_of(late).reason == "deadline_exceeded"
    assert record_of(on_time).outcome is Outcome.DECIDED
    engine.close()


def test_a_retry_repeats_the_record_and_writes_nothing(engine: Engine, disk: SimulatedDisk) -> None:
    first = record_of(*decide(engine, ask(payment("p1"))))
    before = commits(disk)

    (again,) = decide(engine, ask(payment("p1")))

    assert again.repeats is not None
    stored = engine.record_at("acme", again.repeats)
    assert stored is not None
    assert stored.record == first
    assert commits(disk) == before


def test_a_retry_in_the_same_batch_repeats_the_record(engine: Engine, disk: SimulatedDisk) -> None:
    first, second, other = decide(
        engine, ask(payment("p1")), ask(payment("p1")), ask(payment("p2"))
    )

    assert second.repeats == record_of(first).event_offset + 1
    assert record_of(other).outcome is Outcome.DECIDED
    kinds = [entry.kind for commit in commits(disk) for entry in commit.entries]
    assert kinds.count("record") == 2


def test_another_body_under_the_same_event_key_is_a_conflict(engine: Engine) -> None:
    decide(engine, ask(payment("p1", 10)))

    (reply,) = decide(engine, ask(payment("p1", 11)))

    assert isinstance(reply.error, EventConflict)


def test_an_idempotency_key_repeats_its_request_and_no_other(engine: Engine) -> None:
    (first,) = decide(engine, ask(payment("p1"), key="k"))

    same, other = decide(engine, ask(payment("p1"), key="k"), ask(payment("p2"), key="k"))

    assert same.repeats == record_of(first).event_offset + 1
    assert isinstance(other.error, IdempotencyKeyReused)


@pytest.mark.parametrize("event_key", ["k", "#k", "fraud", "\\u0001k", "\\u0000k"])
def test_an_event_key_is_never_taken_for_an_idempotency_key(engine: Engine, event_key: str) -> None:
    decide(engine, ask(payment(event_key)))

    (reply,) = decide(engine, ask(payment("p2"), key="k"))

    assert record_of(reply).outcome is Outcome.DECIDED


def test_a_failed_request_may_be_asked_again_and_is_then_no_second_event(
    disk: SimulatedDisk,
) -> None:
    clock = FakeClock()
    engine = open_engine(DATA, disk=disk, clock=clock, budget="25ms")
    clock.advance(1)
    (failed,) = decide(engine, ask(payment("p1"), key="k", arrived_ns=0))

    (again,) = decide(engine, ask(payment("p1"), key="k", arrived_ns=clock.ns))

    assert record_of(failed).outcome is Outcome.FAILED
    assert record_of(again).outcome is Outcome.DECIDED
    assert features_of(record_of(again))[1] == 1
    kinds = [entry.kind for commit in commits(disk) for entry in commit.entries]
    assert kinds[-4:] == ["event", "record", "request", "record"]
    engine.close()


def test_a_failed_request_keeps_its_key_for_its_body(engine: Engine) -> None:
    decide(engine, ask(payment("p1", 666)))

    (reply,) = decide(engine, ask(payment("p1", 20)))

    assert isinstance(reply.error, EventConflict)


def test_an_event_that_was_ingested_before_is_decided_without_a_second_one(
    engine: Engine, disk: SimulatedDisk
) -> None:
    ingest(engine, payment("p1", 20), payment("p2", 40))

    (reply,) = decide(engine, ask(payment("p1", 20)))

    assert features_of(record_of(reply))[1:3] == [2, 30]
    assert [entry.kind for entry in commits(disk)[-1].entries] == ["request", "record"]


def test_a_duplicate_event_is_dropped_once_and_counted(engine: Engine, disk: SimulatedDisk) -> None:
    first = ingest(engine, payment("p1"), payment("p1"), payment("p2"))
    second = ingest(engine, payment("p2"), payment("p3"))

    assert (first.accepted, first.duplicates) == (2, 1)
    assert (second.accepted, second.duplicates) == (1, 1)
    assert engine.events_held()["payment"] == 3
    kept = [entry for commit in commits(disk) for entry in commit.entries]
    assert [(entry.kind, entry.count) for entry in kept[-2:]] == [("events", 2), ("event", 1)]


def test_entries_beside_the_events_are_in_their_commit(engine: Engine, disk: SimulatedDisk) -> None:
    refused = Entry("quarantine", "acme", "payment", b"{}")

    ingest(engine, payment("p1"), beside=[refused])
    ingest(engine, payment("p1"), beside=[refused])

    kinds = [[entry.kind for entry in commit.entries] for commit in commits(disk)[-2:]]
    assert kinds == [["event", "quarantine"], ["quarantine"]]


def test_what_a_person_said_is_written_beside_the_decisions(
    engine: Engine, disk: SimulatedDisk
) -> None:
    landed = Event()
    said = Entry("review", "acme", "fraud", b"[]")

    engine.append([said], lambda _: landed.set())

    assert landed.wait(10)
    assert commits(disk)[-1].entries == (said,)
    engine.close()
    assert open_engine(DATA, disk=disk, clock=FakeClock()).events_held() == {}


def test_a_rule_decides_what_happens_whatever_the_model_says(disk: SimulatedDisk) -> None:
    rules = [
        kp.rule("amount", above=500, then=kp.review("leads")),
        kp.rule("card_count_1d", above=1, then=kp.refuse()),
    ]
    ruled = replace(fraud, gate=kp.gate(rules=rules))
    one = {"fraud": replace(served()["fraud"], decision=ruled)}
    engine = Engine.open(DATA, APPLICATION, one, disk=disk, clock=FakeClock())

    replies = decide(
        engine,
        ask(payment("p1", 900)),
        ask(payment("p2", 20)),
        ask(payment("p3", 20, card="c2")),
        ask(payment("p4", 13, card="c3")),
        ask(payment("p5", 404, card="c4")),
    )
    engine.close()

    assert [(one.outcome.value, one.reason) for one in map(record_of, replies)] == [
        ("review", "amount above 500; review by leads"),
        ("refused", "card_count_1d above 1; refused"),
        ("decided", ""),
        ("failed", "feature_error"),
        ("failed", "no_score"),
    ]
    assert record_of(replies[0]).answer == b'{"fraud":true,"score":0.8999999761581421}'
    assert record_of(replies[1]).answer == b"null"


def test_a_tenant_sees_nothing_of_another(engine: Engine) -> None:
    theirs = record_of(*decide(engine, ask(payment("p1", 1000), tenant="umbrella", key="k")))

    (mine,) = decide(engine, ask(payment("p1", 10), tenant="acme", key="k"))

    assert features_of(record_of(mine))[1:3] == [1, 10]
    assert engine.record("acme", id_text(theirs.id)) is None
    assert engine.record_at("acme", theirs.event_offset + 1) is None
    assert engine.record("umbrella", id_text(theirs.id)) is not None


def test_after_a_restart_everything_answered_is_known(disk: SimulatedDisk) -> None:
    clock = FakeClock()
    engine = open_engine(DATA, disk=disk, clock=clock)
    decided = record_of(*decide(engine, ask(payment("p1", 10), key="k")))
    decide(engine, ask(payment("p2", 666)))
    ingest(engine, payment("p3", 30), payment("p4", 40))
    engine.close()

    engine = open_engine(DATA, disk=disk.after_kill(), clock=clock)
    same, other, again, new = decide(
        engine,
        ask(payment("p1", 10)),
        ask(payment("p9"), key="k"),
        ask(payment("p2", 666)),
        ask(payment("p5", 50)),
    )

    assert same.repeats == decided.event_offset + 1
    assert isinstance(other.error, IdempotencyKeyReused)
    assert record_of(again).reason == "model_error"
    assert record_of(again).id > decided.id
    assert features_of(record_of(new))[1] == 5
    assert ingest(engine, payment("p3", 30)).duplicates == 1
    engine.close()


def test_a_contract_is_written_once_and_again_only_when_it_changes(disk: SimulatedDisk) -> None:
    for _ in range(3):
        open_engine(DATA, disk=disk, clock=FakeClock()).close()

    written = [entry for commit in commits(disk) for entry in commit.entries]
    assert sorted(entry.topic for entry in written) == ["chargeback", "payment"]


def test_events_that_the_contract_cannot_read_any_more_are_refused_by_field(
    disk: SimulatedDisk,
) -> None:
    stored = contract_of(Payment).description.replace(b'"amount"', b'"total"')
    journal = Journal.open(DATA, disk=disk, clock=FakeClock())
    journal.append([Entry("contract", "", "payment", stored)])
    journal.append([Entry("event", "acme", "payment", payment("p1").replace(b"amount", b"total"))])
    journal.close()

    with pytest.raises(IncompatibleContract, match="amount"):
        open_engine(DATA, disk=disk.after_kill(), clock=FakeClock())


def test_after_a_failed_write_nothing_is_decided_and_nothing_undurable_is_shown(
    engine: Engine, disk: SimulatedDisk
) -> None:
    decide(engine, ask(payment("p1")))
    disk.fails = {disk.steps: 5, disk.steps + 1: 5, disk.steps + 2: 5}
    landed, outcome = Event(), list[KingpostError | None]()

    def hear(error: KingpostError | None) -> None:
        outcome.append(error)
        landed.set()

    (reply,), _ = engine.decide([ask(payment("p2"))], hear)
    assert landed.wait(10)

    assert isinstance(outcome[0], JournalFailed)
    assert engine.record("acme", id_text(record_of(reply).id)) is None
    with pytest.raises(JournalFailed):
        engine.decide([ask(payment("p3"))], hear)
    with pytest.raises(EngineStopped):
        engine.decide([ask(payment("p4"))], hear)


def test_an_error_half_way_stops_the_engine_for_good(engine: Engine) -> None:
    broken = msgspec.structs.replace(ask(payment("p1")), decision="nothing of this name")

    with pytest.raises(KeyError):
        engine.decide([broken], lambda _: None)

    with pytest.raises(EngineStopped, match="KeyError"):
        decide(engine, ask(payment("p2")))
    with pytest.raises(EngineStopped):
        ingest(engine, payment("p3"))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=300))
def test_the_latest_keys_are_remembered_and_no_others(noted: list[tuple[int, int]]) -> None:
    answered, expected = Answered(limit=20), dict[str, int]()
    for number, offset in noted:
        key = Answered.of_event("fraud", f"p{number}")
        answered.remember([key], bytes(32), offset)
        if key not in expected and len(expected) == 20:
            del expected[next(iter(expected))]
        expected[key] = offset

    kept = Answered.of(answered.columns())
    for number in range(61):
        key = Answered.of_event("fraud", f"p{number}")
        before = answered.find(key)
        assert (None if before is None else before.offset) == expected.get(key)
        assert kept.find(key) == before
