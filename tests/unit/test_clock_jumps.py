"""The clock of a machine jumps, back an hour and on a day: order stays, deadlines hold."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from kingpost.access import (
    ApiKeyRefused,
    KeyRing,
    MemoryKeys,
    MemorySessions,
    Principal,
    SessionOver,
    Sessions,
    create_key,
)
from kingpost.contracts import contract_of
from kingpost.core import KingpostError, TimeOrderedIds, id_text
from kingpost.decisions import Ask, Engine, Reply
from kingpost.journal import scan
from kingpost.tasks import MemoryTasks, Task, TaskClaimed
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, Payment, open_engine, payment

DATA = Path("/journal/data")
DECODE = contract_of(Payment).decode
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
JUMPS = (0, -HOUR_US, 0, DAY_US, -DAY_US, 1)


def decide(engine: Engine, *bodies: bytes) -> Sequence[Reply]:
    landed: list[KingpostError | None] = []
    wait = Event()

    def hear(error: KingpostError | None) -> None:
        landed.append(error)
        wait.set()

    asks = [Ask("fraud", "acme", "k", DECODE(body), body, "0", None, None, 0) for body in bodies]
    replies, has_written = engine.decide(asks, hear)
    assert not has_written or wait.wait(10)
    assert not any(landed)
    return replies


def test_ids_grow_and_records_keep_their_order_whatever_the_clock_says() -> None:
    clock, disk = FakeClock(), SimulatedDisk()
    engine = open_engine(DATA, disk=disk, clock=clock)
    made: list[bytes] = []
    for number, jump_us in enumerate(JUMPS):
        clock.us += jump_us
        (reply,) = decide(engine, payment(f"p{number}"))
        assert reply.record is not None
        assert reply.record.at_us == clock.us
        made.append(reply.record.id)
        (again,) = decide(engine, payment(f"p{number}"))
        assert again.repeats is not None

    assert made == sorted(made)
    assert all(engine.record("acme", id_text(one)) is not None for one in made)
    engine.close()
    clock.us -= DAY_US
    engine = open_engine(DATA, disk=disk.after_kill(), clock=clock)
    (reply,) = decide(engine, payment("after"))
    assert reply.record is not None
    assert reply.record.id > made[-1]
    assert all(engine.record("acme", id_text(one)) is not None for one in made)
    engine.close()
    times = [commit.time_us for commit in scan(DATA, disk=disk)]
    assert times == sorted(times)


def test_ids_grow_when_the_clock_stands_before_those_of_the_past() -> None:
    clock = FakeClock()
    last = TimeOrderedIds(clock).next()
    clock.us = 0

    ids = TimeOrderedIds(clock, after=last)

    made = [last, *(ids.next() for _ in range(100))]
    assert all(one < other for one, other in itertools.pairwise(made))


def test_a_key_expires_by_the_clock_and_no_jump_keeps_it_open() -> None:
    clock, store = FakeClock(), MemoryKeys()
    made = create_key(
        store, clock, tenant="acme", scopes=["decide"], expires_us=clock.us + 12 * HOUR_US
    )
    ring, header = KeyRing(store, clock), f"Bearer {made.secret}".encode()
    assert ring.check(header).tenant == "acme"

    clock.us -= HOUR_US
    clock.ns += 2_000_000_000
    assert ring.check(header).tenant == "acme"
    clock.us += DAY_US + HOUR_US
    clock.ns += 2_000_000_000

    with pytest.raises(ApiKeyRefused):
        ring.check(header)


def test_a_session_outlives_a_jump_back_and_ends_by_one_ahead() -> None:
    clock, store = FakeClock(), MemorySessions()
    sessions = Sessions(lambda: store, MemoryKeys, clock)
    opened = sessions.open(Principal("p", "acme", frozenset({"records"})))

    clock.us -= HOUR_US
    assert sessions.check(opened.token).principal.tenant == "acme"
    clock.us += HOUR_US
    assert sessions.check(opened.token).principal.tenant == "acme"
    clock.us += DAY_US

    with pytest.raises(SessionOver):
        sessions.check(opened.token)


def test_a_claim_outlives_a_jump_back_and_lapses_by_one_ahead() -> None:
    now_us, tasks = FakeClock().us, MemoryTasks()
    tasks.add([
        Task(id="t", tenant="acme", kind="review", queue="desk", decision="fraud", subject="t",
             title="a payment", created_us=now_us, event_time_us=now_us)
    ])  # fmt: skip
    tasks.claim("acme", "t", "ann", now_us)

    with pytest.raises(TaskClaimed):
        tasks.claim("acme", "t", "bob", now_us - HOUR_US)
    assert tasks.claim("acme", "t", "ann", now_us - HOUR_US).claimed_by == "ann"
    assert tasks.claim("acme", "t", "bob", now_us + DAY_US).claimed_by == "bob"
