"""Servers that share windows in Redis: each sees what the others wrote, and every record can be
computed again from the journals, to the bit.
"""

import copy
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.contracts import batch_of, contract_of
from kingpost.core import KingpostError
from kingpost.decisions import Ask, Engine, Reply
from kingpost.decisions.joined import JoinedHistories
from kingpost.features import (
    Histories,
    OverlaidFeatures,
    Partitions,
    ReadVectors,
    StoreAhead,
    StoreUnfit,
    as_recorded,
)
from kingpost.journal import Landed, Position, scan
from kingpost.records import DecisionRecord, decode_record
from tests.shared_windows import own_prefix, shared_windows
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, Payment, open_engine, payment, served

pytestmark = pytest.mark.needs_service("redis")

TWO = Partitions(("data", "b"))
PLACES = {name: Path("/journal") / name for name in TWO.names}
CONTRACT = contract_of(Payment)
TENANTS = ("acme", "umbrella")


class Step(NamedTuple):
    """What one server is asked to do."""

    partition: str
    kind: str
    tenant: str
    numbers: list[int]
    amount: float
    card: str
    minute: int

    def body(self, number: int) -> bytes:
        return payment(f"{self.partition}{number}", self.amount, card=self.card, minute=self.minute)


steps = st.lists(
    st.builds(
        Step,
        partition=st.sampled_from(TWO.names),
        kind=st.sampled_from(["decide", "decide", "ingest", "retract", "correct"]),
        tenant=st.sampled_from(TENANTS),
        numbers=st.lists(st.integers(0, 9), min_size=1, max_size=4),
        amount=st.sampled_from([0.07, 10.0, 19.99, 666.0]),
        card=st.sampled_from(["c1", "c2"]),
        minute=st.integers(0, 3),
    ),
    min_size=1,
    max_size=14,
)


class House:
    """Some servers over one Redis, each with a journal of its own."""

    def __init__(self, prefix: str, names: Sequence[str], partitions: Partitions) -> None:
        self.prefix, self.partitions = prefix, partitions
        self.disk = SimulatedDisk()
        self.engines = {name: self.open(name) for name in names}

    def open(self, name: str) -> Engine:
        windows = shared_windows(self.prefix, self.disk, partition=name, partitions=self.partitions)
        return open_engine(PLACES[name], disk=self.disk, clock=FakeClock(), windows=windows)

    def do(self, step: Step) -> list[Reply]:
        return do(self.engines[step.partition], step)

    def close(self) -> None:
        for engine in self.engines.values():
            engine.close()


def do(engine: Engine, step: Step) -> list[Reply]:
    bodies = [step.body(number) for number in step.numbers]
    events = [CONTRACT.decode(body) for body in bodies]
    replies: list[Reply] = []
    match step.kind:
        case "decide":
            asks = [
                Ask("fraud", step.tenant, "k", event, body, "0", None, None, 0)
                for event, body in zip(events, bodies, strict=True)
            ]

            def decide(landed: Landed) -> bool:
                made, has_written = engine.decide(asks, landed)
                replies.extend(made)
                return has_written

            written(decide)
        case "ingest":
            both = list(zip(events, bodies, strict=True))
            written(lambda landed: engine.ingest(step.tenant, "payment", both, landed)[1])
        case "retract":
            written(lambda at: engine.retract(step.tenant, "payment", events[0].id, at)[1])
        case _:
            event, body = events[0], bodies[0]
            written(lambda at: engine.correct(step.tenant, "payment", event, body, at)[1])
    return replies


def written(write: Callable[[Landed], bool]) -> None:
    landed = Event()

    def hear(error: KingpostError | None) -> None:
        assert error is None
        landed.set()

    assert not write(hear) or landed.wait(10)


@contextmanager
def house(names: Sequence[str], partitions: Partitions = TWO) -> Generator[House]:
    with own_prefix() as prefix, ExitStack() as stack:
        made = House(prefix, names, partitions)
        stack.callback(made.close)
        yield made


def recorded(disk: SimulatedDisk, partition: str) -> list[tuple[DecisionRecord, bytes]]:
    """Return a partition's records with the bodies that asked."""
    found: list[tuple[DecisionRecord, bytes]] = []
    for commit in scan(PLACES[partition], disk=disk):
        for before, entry in zip(commit.entries, commit.entries[1:], strict=False):
            if entry.kind == "record":
                found.append((decode_record(entry.body), before.body))
    return found


def check_records(disk: SimulatedDisk, names: Sequence[str]) -> int:
    """See that every record has the bits of the journals as of its vector; return how many."""
    decision = served()["fraud"].decision
    contracts = [view.stream.contract for view in decision.views]
    parts: dict[str, Histories] = {}
    for name in TWO.names:
        parts[name] = Histories(contracts)
        for commit in scan(PLACES[name], disk=disk):
            parts[name].add(commit)
    joined = JoinedHistories(parts, contracts)
    checked = 0
    for name in names:
        for tenant in TENANTS:
            mine = [one for one in recorded(disk, name) if one[0].tenant == tenant]
            vectors = [Position.parse(record.position) for record, _ in mine]
            for (record, _), vector in zip(mine, vectors, strict=True):
                assert record.reason != "online_store_unreachable"
                assert vector.offset(name) == record.event_offset
            if mine:
                values = as_recorded(
                    decision.features,
                    batch_of(CONTRACT, [CONTRACT.decode(body) for _, body in mine]),
                    ReadVectors.of(joined.partitions, vectors),
                    joined.of(tenant),
                )
                assert values.tobytes() == b"".join(record.features for record, _ in mine)
            checked += len(mine)
    return checked


@given(past=steps)
@settings(max_examples=60)
def test_one_server_decides_as_one_with_its_windows_in_process(past: list[Step]) -> None:
    alone = open_engine(PLACES["data"], disk=SimulatedDisk(), clock=FakeClock())
    with house(["data"]) as one:
        for step in past:
            mine = step._replace(partition="data")
            assert verdicts(one.do(mine)) == verdicts(do(alone, mine))
    alone.close()


def verdicts(replies: Sequence[Reply]) -> list[object]:
    return [
        (one.record.features, one.record.position, bytes(one.record.answer), one.record.outcome)
        if one.record
        else (one.repeats, repr(one.error))
        for one in replies
    ]


@given(past=steps, restarts=st.integers(0, 14))
@settings(max_examples=60)
def test_every_record_of_two_servers_is_that_of_both_journals_as_of_its_vector(
    past: list[Step], restarts: int
) -> None:
    with house(TWO.names) as both:
        for number, step in enumerate(past):
            if number == restarts:
                both.engines["b"].close()
                both.engines["b"] = both.open("b")
            both.do(step)
        both.close()
        check_records(both.disk, TWO.names)


def keep(features: OverlaidFeatures, before: int) -> None:
    """Hand nothing on."""


@given(past=steps)
@settings(max_examples=40)
def test_what_is_not_handed_on_yet_counts_all_the_same(past: list[Step]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # as if the thread never got its turn
        patch.setattr(OverlaidFeatures, "hand_on", keep)
        alone = open_engine(PLACES["data"], disk=SimulatedDisk(), clock=FakeClock())
        with house(["data"]) as one:
            for step in past:
                mine = step._replace(partition="data")
                assert verdicts(one.do(mine)) == verdicts(do(alone, mine))
        alone.close()


def test_a_server_sees_what_another_one_has_written() -> None:
    with house(TWO.names) as both:
        first = Step("data", "decide", "acme", [1], 10.0, "c1", 0)
        both.do(first)
        both.engines["data"].close()  # whatever it wrote is in Redis now
        both.engines["data"] = both.open("data")

        [seen] = both.do(first._replace(partition="b", numbers=[2], minute=1))

        assert seen.record is not None
        count = np.frombuffer(seen.record.features)[1]
        assert count == 2
        assert Position.parse(seen.record.position).partitions == ("b", "data")
        assert check_records(both.disk, TWO.names) == 2


def test_two_servers_cannot_write_one_partition() -> None:
    with house(["data"]) as one:
        one.do(Step("data", "ingest", "acme", [1], 10.0, "c1", 0))
        other = SimulatedDisk()
        done(open_engine(PLACES["data"], disk=other, clock=later()), "acme")

        with pytest.raises(StoreUnfit, match="another journal"):
            open_engine(
                PLACES["data"],
                disk=other,
                clock=FakeClock(),
                windows=shared_windows(one.prefix, other, partitions=TWO),
            )


def later() -> FakeClock:
    clock = FakeClock()
    clock.advance(60)
    return clock


def done(engine: Engine, tenant: str) -> None:
    """Let a tenant have an event, and close."""
    do(engine, Step("data", "ingest", tenant, [1], 10.0, "c1", 0))
    engine.close()


def test_a_journal_that_is_behind_the_store_is_refused() -> None:
    with house(["data"]) as one:
        older = copy.deepcopy(one.disk)
        one.do(Step("data", "ingest", "acme", [1], 10.0, "c1", 0))
        one.close()
        before = older.after_kill()
        done(open_engine(PLACES["data"], disk=before, clock=FakeClock()), "acme")
        one.engines["data"] = one.open("data")
        one.do(Step("data", "ingest", "acme", [2, 3], 10.0, "c1", 0))
        one.close()

        with pytest.raises(StoreAhead, match="older copy"):
            open_engine(
                PLACES["data"],
                disk=before,
                clock=FakeClock(),
                windows=shared_windows(one.prefix, before, partitions=TWO),
            )
