"""Whatever was asked and in whichever order: a restart changes no bit and no verdict."""

import copy
import errno
from array import array
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kingpost.contracts import batch_of, contract_of
from kingpost.core import KingpostError, id_text
from kingpost.decisions import Ask, Engine, Reply
from kingpost.features import Histories, Requests, feature_matrix
from kingpost.journal import scan
from kingpost.records import DecisionRecord, decode_record
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, Payment, open_engine, payment, served

DATA = Path("/journal/data")
CONTRACT = contract_of(Payment)
PASSING = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES]


class Arrival(NamedTuple):
    tenant: str
    identifier: str
    amount: float
    card: str
    minute: int
    is_request: bool

    @property
    def body(self) -> bytes:
        return payment(self.identifier, self.amount, card=self.card, minute=self.minute)


arrivals = st.builds(
    Arrival,
    tenant=st.sampled_from(["acme", "umbrella"]),
    identifier=st.sampled_from([f"p{at}" for at in range(12)]),
    amount=st.sampled_from([0.07, 10.0, 13.0, 19.99, 666.0]),
    card=st.sampled_from(["c1", "c2"]),
    minute=st.integers(0, 3),
    is_request=st.booleans(),
)
batches = st.lists(st.lists(arrivals, min_size=1, max_size=6), min_size=1, max_size=6)
probes = [Arrival(tenant, f"probe-{card}", 20.0, card, 2, is_request=True)
          for tenant in ("acme", "umbrella") for card in ("c1", "c2")]  # fmt: skip


def feed(engine: Engine, batch: Sequence[Arrival]) -> list[Reply]:
    """Hand a batch over: its events first, then its requests together."""
    asks: list[Ask] = []
    waits: list[Landing] = []
    for one in batch:
        event = CONTRACT.decode(one.body)
        if one.is_request:
            asks.append(Ask("fraud", one.tenant, "k", event, one.body, "0", None, None, 0))
        else:
            hear, wait = waiting()
            _, has_written = engine.ingest(one.tenant, "payment", [(event, one.body)], hear)
            waits += [wait] if has_written else []
    hear, wait = waiting()
    replies, has_written = engine.decide(asks, hear)
    waits += [wait] if has_written else []
    assert all(wait.wait(10) for wait in waits)
    if any(wait.error for wait in waits):
        raise NotDurable
    return replies


class NotDurable(Exception):
    """What was handed over did not reach the disk."""


class Landing(Event):
    """Set when a group has landed; `error` says why it is not durable."""

    error: KingpostError | None = None


def waiting():
    landed = Landing()

    def hear(error: KingpostError | None) -> None:
        landed.error = error
        landed.set()

    return hear, landed


def verdicts(replies: Sequence[Reply]) -> list[object]:
    """Return what must not depend on a restart: all but ids."""
    return [
        (reply.record.features, bytes(reply.record.answer), reply.record.outcome)
        if reply.record
        else (reply.repeats, repr(reply.error))
        for reply in replies
    ]


@given(before=batches, after=batches)
def test_a_restart_between_any_two_batches_changes_nothing(
    before: list[list[Arrival]], after: list[list[Arrival]]
) -> None:
    disk, clock = SimulatedDisk(), FakeClock()
    lasting = open_engine(DATA, disk=SimulatedDisk(), clock=FakeClock())
    restarted = open_engine(DATA, disk=disk, clock=clock)
    for batch in before:
        assert verdicts(feed(lasting, batch)) == verdicts(feed(restarted, batch))

    restarted.close()
    restarted = open_engine(DATA, disk=disk.after_kill(), clock=clock)

    for batch in (*after, probes):
        assert verdicts(feed(lasting, batch)) == verdicts(feed(restarted, batch))
    assert lasting.events_held() == restarted.events_held()
    lasting.close()
    restarted.close()


@given(before=batches, after=batches, fails_in=st.integers(0, 12), number=st.sampled_from(PASSING))
def test_an_engine_that_recovers_is_as_one_that_is_started_again(
    before: list[list[Arrival]], after: list[list[Arrival]], fails_in: int, number: int
) -> None:
    disk, clock = SimulatedDisk(), FakeClock()
    engine = open_engine(DATA, disk=disk, clock=clock)
    disk.fails = {disk.steps + fails_in: number}
    acknowledged: list[tuple[str, DecisionRecord]] = []
    for batch in before:
        try:
            replies = feed(engine, batch)
        except (KingpostError, NotDurable):
            break
        acknowledged += [(r.record.tenant, r.record) for r in replies if r.record is not None]

    disk.fails = {}
    engine.recover()

    for tenant, record in acknowledged:
        stored = engine.record(tenant, id_text(record.id))
        assert stored is not None
        assert stored.record == record
    restarted = open_engine(DATA, disk=copy.deepcopy(disk).after_kill(), clock=clock)
    for batch in (*after, probes):
        assert verdicts(feed(engine, batch)) == verdicts(feed(restarted, batch))
    assert engine.events_held() == restarted.events_held()
    engine.close()
    restarted.close()


@given(past=batches)
def test_recorded_features_are_those_of_the_journal_at_their_position(
    past: list[list[Arrival]],
) -> None:
    disk = SimulatedDisk()
    engine = open_engine(DATA, disk=disk, clock=FakeClock())
    for batch in past:
        feed(engine, [one for one in batch if one.amount != 13.0])

    histories = Histories(engine.application.streams.values())
    records: list[DecisionRecord] = []
    for commit in scan(DATA, disk=disk):
        histories.add(commit)
        records += [decode_record(e.body) for e in commit.entries if e.kind == "record"]
    for tenant in ("acme", "umbrella"):
        mine = [record for record in records if record.tenant == tenant]
        bodies = [engine.request_of(record) or b"" for record in mine]
        positions = np.array([record.event_offset for record in mine], np.int64)
        requests = Requests(
            batch_of(CONTRACT, [CONTRACT.decode(body) for body in bodies]), positions, positions
        )
        values = feature_matrix(served()["fraud"].decision.features, requests, histories.of(tenant))
        assert values.tobytes() == b"".join(record.features for record in mine)
    assert all(len(array("d", record.features)) == 7 for record in records)
    engine.close()
