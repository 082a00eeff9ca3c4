"""Retractions and corrections in the live engine: what counts, from where on, and what is kept."""

import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

import kingpost.decisions.past_events
from kingpost.contracts import contract_of
from kingpost.core import KingpostError
from kingpost.decisions import Ask, Change, Engine, EngineStopped, EventUnreadable
from kingpost.journal import Entry, scan
from kingpost.records import DecisionRecord
from tests.shared_windows import engine_over
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, Payment, open_engine, payment
from tests.written import written

DATA = Path("/journal/data")
DECODE = contract_of(Payment).decode
T = TypeVar("T")
COUNT, MEAN = 1, 2
"""Where the count and the mean of one day lie among the features."""


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk()


@pytest.fixture(params=["process", pytest.param("redis", marks=pytest.mark.needs_service("redis"))])
def engine(disk: SimulatedDisk, request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_over(request.param, DATA, disk) as opened:
        yield opened


def ingest(engine: Engine, *bodies: bytes) -> int:
    events = [(DECODE(body), body) for body in bodies]
    return written(lambda landed: engine.ingest("acme", "payment", events, landed)).accepted


def retract(engine: Engine, key: str, tenant: str = "acme") -> Change:
    return written(lambda landed: engine.retract(tenant, "payment", key, landed))


def correct(engine: Engine, body: bytes) -> Change:
    return written(lambda landed: engine.correct("acme", "payment", DECODE(body), body, landed))


def decide(engine: Engine, body: bytes) -> DecisionRecord:
    ask = Ask("fraud", "acme", "k", DECODE(body), body, "0" * 32, None, None, 0)
    [reply] = written(lambda landed: engine.decide([ask], landed))
    assert reply.record is not None
    return reply.record


def features(record: DecisionRecord) -> list[float]:
    return array("d", record.features).tolist()


def kinds(disk: SimulatedDisk) -> list[str]:
    return [entry.kind for commit in scan(DATA, disk=disk) for entry in commit.entries]


def test_what_was_retracted_counts_no_more(engine: Engine, disk: SimulatedDisk) -> None:
    ingest(engine, payment("p1", 10), payment("p2", 30))

    assert retract(engine, "p1") is Change.RETRACTED

    found = features(decide(engine, payment("p3", 50)))
    assert (found[COUNT], found[MEAN]) == (2, 40)
    assert kinds(disk)[-3:] == ["retraction", "event", "record"]
    assert engine.events_held()["payment"] == 2


def test_a_correction_counts_in_the_place_of_what_was_held(engine: Engine) -> None:
    ingest(engine, payment("p1", 10), payment("p2", 30))

    assert correct(engine, payment("p1", 100)) is Change.CORRECTED
    assert correct(engine, payment("p1", 70)) is Change.CORRECTED

    found = features(decide(engine, payment("p3", 50)))
    assert (found[COUNT], found[MEAN]) == (3, 50)


def test_a_correction_may_move_an_event_to_another_key_and_time(engine: Engine) -> None:
    ingest(engine, payment("p1", 10, minute=59), payment("p2", 30))

    assert correct(engine, payment("p1", 10, card="c2", minute=1)) is Change.CORRECTED

    assert features(decide(engine, payment("p3", 50, minute=2)))[COUNT] == 2
    assert features(decide(engine, payment("p4", 50, card="c2", minute=2)))[COUNT] == 2


def test_what_says_nothing_new_writes_nothing(engine: Engine, disk: SimulatedDisk) -> None:
    ingest(engine, payment("p1", 10))
    retract(engine, "p9")
    correct(engine, payment("p1", 20))
    before = kinds(disk)

    assert correct(engine, payment("p1", 20)) is Change.UNCHANGED
    assert correct(engine, payment("p5", 20)) is Change.NO_EVENT
    assert retract(engine, "p9") is Change.HELD
    assert correct(engine, payment("p9", 20)) is Change.WAS_RETRACTED
    assert kinds(disk) == before

    retract(engine, "p1")
    before = kinds(disk)
    assert retract(engine, "p1") is Change.UNCHANGED
    assert correct(engine, payment("p1", 30)) is Change.WAS_RETRACTED
    assert ingest(engine, payment("p1", 40)) == 0
    assert kinds(disk) == before


def test_an_event_after_its_retraction_is_recorded_and_does_not_count(
    engine: Engine, disk: SimulatedDisk
) -> None:
    assert retract(engine, "p1") is Change.HELD
    assert retract(engine, "p2") is Change.HELD

    assert ingest(engine, payment("p1", 10)) == 1
    asked = decide(engine, payment("p2", 10))

    assert features(asked)[COUNT] == 0
    assert kinds(disk)[-3:] == ["event", "event", "record"]
    assert ingest(engine, payment("p1", 10)) == 0
    assert engine.events_held()["payment"] == 0


def test_a_record_stays_what_it_was_when_its_request_is_taken_back(engine: Engine) -> None:
    record = decide(engine, payment("p1", 10))

    assert retract(engine, "p1") is Change.RETRACTED
    ask = Ask(
        "fraud", "acme", "k", DECODE(payment("p1", 10)), payment("p1", 10), "0", None, None, 0
    )
    [again] = written(lambda landed: engine.decide([ask], landed))

    assert again.repeats == record.event_offset + 1
    assert engine.record_at("acme", record.event_offset + 1) is not None
    assert features(decide(engine, payment("p2", 10)))[COUNT] == 1


def test_a_tenant_takes_back_nothing_of_another(engine: Engine) -> None:
    ingest(engine, payment("p1", 10))

    assert retract(engine, "p1", tenant="umbrella") is Change.HELD

    assert features(decide(engine, payment("p2", 10)))[COUNT] == 2


def test_what_is_not_durable_yet_has_to_be_asked_for_again(engine: Engine) -> None:
    ingest(engine, payment("p0"))
    is_held_up, release = threading.Event(), threading.Event()

    def hold_up(_: KingpostError | None) -> None:
        is_held_up.set()
        release.wait(10)

    engine.append([Entry("note", "acme", "", b"")], hold_up)
    assert is_held_up.wait(10)
    event, body = DECODE(payment("p1")), payment("p1")
    landed = threading.Event()
    engine.ingest("acme", "payment", [(event, body)], lambda _: landed.set())

    early = engine.retract("acme", "payment", "p1", lambda _: None)
    release.set()
    assert landed.wait(10)

    assert early == (Change.NOT_YET, False)
    assert retract(engine, "p1") is Change.RETRACTED


def test_one_event_of_a_batch_is_read_back_by_its_position(engine: Engine) -> None:
    ingest(engine, *[payment(f"p{at}", at, card=f"c{at % 3}") for at in range(300)])

    for at in (0, 299, 150, 3):
        assert retract(engine, f"p{at}") is Change.RETRACTED

    assert features(decide(engine, payment("q", 0, card="c0")))[COUNT] == 100 - 3 + 1
    assert features(decide(engine, payment("r", 0, card="c2")))[COUNT] == 100 - 1 + 1


def test_only_the_latest_batches_are_kept_decoded(engine: Engine) -> None:
    kept = kingpost.decisions.past_events.BATCHES_KEPT
    for batch in range(kept + 2):
        ingest(engine, payment(f"a{batch}"), payment(f"b{batch}"))

    for key in ("a", "b"):
        for batch in range(kept + 2):
            assert retract(engine, f"{key}{batch}") is Change.RETRACTED


def test_an_event_that_cannot_be_read_back_is_an_error_and_nothing_is_changed(
    engine: Engine,
) -> None:
    ingest(engine, payment("p1", 10))
    ingest(engine, payment("p2", 10))
    state = engine._memory.tenants["acme"]  # pyright: ignore[reportPrivateUsage]  as if the journal held another entry there
    state.keys["payment"]._at["p1"] = 0  # pyright: ignore[reportPrivateUsage]

    with pytest.raises(EventUnreadable, match="payment at position 0 cannot be read back"):
        retract(engine, "p1")

    assert retract(engine, "p2") is Change.RETRACTED
    assert features(decide(engine, payment("p3", 10)))[COUNT] == 2


def test_a_stopped_engine_takes_no_change(engine: Engine) -> None:
    ingest(engine, payment("p1"))
    unknown = Ask("none", "acme", "k", DECODE(payment("x")), b"", "0", None, None, 0)
    with pytest.raises(KeyError):
        engine.decide([unknown], print)

    with pytest.raises(EngineStopped):
        retract(engine, "p1")
    with pytest.raises(EngineStopped):
        correct(engine, payment("p1", 9))


def test_a_restart_finds_changes_as_they_were_made(disk: SimulatedDisk) -> None:
    engine = open_engine(DATA, disk=disk, clock=FakeClock())
    ingest(engine, payment("p1", 10), payment("p2", 20), payment("p3", 30))
    retract(engine, "p1")
    correct(engine, payment("p2", 60))
    retract(engine, "p8")
    engine.close()

    again = open_engine(DATA, disk=disk.after_kill(), clock=FakeClock())

    assert ingest(again, payment("p8", 1), payment("p1", 1)) == 1
    assert correct(again, payment("p2", 60)) is Change.UNCHANGED
    assert retract(again, "p3") is Change.RETRACTED
    found = features(decide(again, payment("p9", 0)))
    assert (found[COUNT], found[MEAN]) == (2, 30)
    again.close()
