"""Events read back by their position, from entries of every kind that holds one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kingpost.contracts import batch_of, contract_of
from kingpost.decisions import EventUnreadable
from kingpost.decisions.past_events import BATCHES_KEPT, PastEvents
from kingpost.journal import Entry, Journal, Lookup
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock
from tests.tiny_app import Chargeback, Payment, payment

DATA = Path("/journal/data")
PAYMENT, CHARGEBACK = contract_of(Payment), contract_of(Chargeback)


def batch(first: int, rows: int) -> Entry:
    events = [PAYMENT.decode(payment(f"b{first + at}", first + at)) for at in range(rows)]
    return Entry("events", "acme", "payment", batch_of(PAYMENT, events).encode(), rows)


@pytest.fixture
def disk() -> SimulatedDisk:
    disk = SimulatedDisk()
    with Journal.open(DATA, disk=disk, clock=StoppedClock()) as journal:
        journal.append([Entry("event", "acme", "payment", payment("p0", 3)), batch(1, 5)])
        journal.append([Entry("correction", "acme", "payment", payment("p0", 7))])
        for number in range(2 * BATCHES_KEPT):
            journal.append([batch(100 * number, 3)])
        journal.append([Entry("retraction", "acme", "payment", b'"p0"')])
    return disk


@pytest.fixture
def past(disk: SimulatedDisk) -> Iterator[PastEvents]:
    lookup = Lookup(DATA, disk=disk)
    yield PastEvents(lookup)
    lookup.close()


@pytest.mark.parametrize(
    ("position", "identifier", "amount"),
    [(0, "p0", 3), (1, "b1", 1), (5, "b5", 5), (6, "p0", 7), (7, "b0", 0), (9, "b2", 2)],
)
def test_an_event_is_read_by_its_position(
    past: PastEvents, position: int, identifier: str, amount: float
) -> None:
    found = past.read(PAYMENT, position)

    assert found == PAYMENT.decode(payment(identifier, amount))


def test_batches_may_be_visited_in_any_order(past: PastEvents) -> None:
    for _ in range(2):
        for number in range(2 * BATCHES_KEPT):
            found = past.read(PAYMENT, 7 + 3 * number + 1)
            assert found == PAYMENT.decode(payment(f"b{100 * number + 1}", 100 * number + 1))


def test_a_place_without_an_event_of_the_stream_is_an_error(past: PastEvents) -> None:
    last = 7 + 6 * BATCHES_KEPT
    with pytest.raises(EventUnreadable, match="'retraction' is there"):
        past.read(PAYMENT, last)
    with pytest.raises(EventUnreadable, match="no_such_offset"):
        past.read(PAYMENT, last + 1)
    with pytest.raises(EventUnreadable, match="the chargeback at position 1 cannot be read back"):
        past.read(CHARGEBACK, 1)
