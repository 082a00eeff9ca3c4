"""The journal into a topic: everything at least once, in order, under lasting ids."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kingpost as kp
from kingpost.calls import CALL_MIGRATIONS, SqliteDeadLetters
from kingpost.contracts import batch_of, contract_of
from kingpost.integrations import (
    BrokerAway,
    JournalSide,
    Message,
    MessageRefused,
    Outflow,
    PersonalStream,
    PositionFile,
    RefusedMessages,
    published_events,
)
from kingpost.journal import Entry, Journal, last_commit
from kingpost.storage import migrate, open_database
from tests.payments import DIRECTORY, PAYMENT
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock


class Customer(kp.Event):
    """Somebody signs up."""

    id: kp.Key[str]
    at: kp.EventTime
    person: kp.Subject[str]
    name: Annotated[str, kp.Personal()]


POSITION = Path("/kingpost/streams/events/payment.position")


class Broker:
    """A producer to memory, which drops ids it knows, refuses some, and goes away when told."""

    topic = "test://broker/payments"

    def __init__(self) -> None:
        self.kept: dict[str, Message] = {}
        self.received: list[str] = []
        self.refuses: set[str] = set()
        self.calls_left = 1_000_000

    def open(self) -> None:
        pass

    def publish(self, messages: Sequence[Message]) -> None:
        for one in messages:
            self.calls_left -= 1
            if self.calls_left == 0:
                raise BrokerAway(self.topic, "cut")
            if one.key in self.refuses:
                raise MessageRefused(self.topic, one.id, "too large")
            self.received.append(one.id)
            self.kept.setdefault(one.id, one)

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


def body(identifier: int) -> bytes:
    return b'{"id":%d,"at":"2018-08-01T12:00:00Z","amount":1.5}' % identifier


def event(identifier: int, *, tenant: str = "acme") -> Entry:
    return Entry("event", tenant, "payment", body(identifier))


def batch(*identifiers: int) -> Entry:
    events = [PAYMENT.decode(body(one)) for one in identifiers]
    return Entry("events", "acme", "payment", batch_of(PAYMENT, events).encode(), len(events))


def write(disk: SimulatedDisk, *commits: Sequence[Entry]) -> None:
    with Journal.open(DIRECTORY, disk=disk, clock=StoppedClock()) as journal:
        for entries in commits:
            journal.append(entries)


def outflow(disk: SimulatedDisk, broker: Broker, directory: Path = Path("/none")) -> Outflow:
    def durable() -> int:
        last = last_commit(DIRECTORY, disk=disk)
        return 0 if last is None else last.next_offset

    return Outflow(
        "payment",
        JournalSide(DIRECTORY, durable, disk),
        published_events(PAYMENT, "acme"),
        broker,
        PositionFile(POSITION, disk=disk),
        RefusedMessages(
            directory / "streams.sqlite", "streams:payment", "acme", clock=StoppedClock()
        ),
    )


def run_through(flow: Outflow) -> None:
    with closing(flow):
        flow.open()
        while flow.step():
            pass


def keys(broker: Broker) -> list[str]:
    return [one.key for one in broker.kept.values()]


def test_events_corrections_and_retractions_are_published_with_kind_key_and_lasting_id() -> None:
    disk, broker = SimulatedDisk(), Broker()
    changed = body(2).replace(b"1.5", b"9.0")
    write(
        disk,
        [event(1), event(5, tenant="other"), Entry("record", "acme", "fraud", b"")],
        [batch(2, 3)],
        [Entry("correction", "acme", "payment", changed)],
        [Entry("retraction", "acme", "payment", PAYMENT.key_body(3))],
    )

    run_through(outflow(disk, broker))

    now = StoppedClock().now_us()
    assert [(one.kind, one.key, one.id) for one in broker.kept.values()] == [
        ("event", "1", f"acme/payment/0/{now}"),
        ("event", "2", f"acme/payment/3/{now}"),
        ("event", "3", f"acme/payment/4/{now}"),
        ("correction", "2", f"acme/payment/5/{now}"),
        ("retraction", "3", f"acme/payment/6/{now}"),
    ]
    bodies = [one.body for one in broker.kept.values()]
    assert PAYMENT.decode(bodies[1]) == PAYMENT.decode(body(2))
    assert PAYMENT.decode(bodies[3]) == PAYMENT.decode(changed)


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    cuts=st.lists(st.integers(1, 20), max_size=6),
    loses_power=st.booleans(),
)
def test_wherever_it_was_killed_or_cut_off_everything_is_published_in_order(
    sizes: list[int], cuts: list[int], loses_power: bool
) -> None:
    disk, broker = SimulatedDisk(), Broker()
    numbers = iter(range(1_000))
    for size in sizes:
        chosen = [next(numbers) for _ in range(size)]
        write(disk, [batch(*chosen)] if size > 2 else [event(one) for one in chosen])
    for cut in cuts:
        broker.calls_left = cut
        try:
            run_through(outflow(disk, broker))
        except BrokerAway:
            disk = disk.after_power_loss() if loses_power else disk.after_kill()
    broker.calls_left = 1_000_000

    run_through(outflow(disk, broker))

    assert keys(broker) == [str(one) for one in range(sum(sizes))]


def test_what_was_confirmed_is_not_published_again_after_a_start() -> None:
    disk, broker = SimulatedDisk(), Broker()
    write(disk, [event(1)], [event(2)])
    run_through(outflow(disk, broker))
    write(disk, [event(3)])

    run_through(outflow(disk.after_power_loss(), broker))

    assert len(broker.received) == 3


def test_a_position_behind_a_restored_backup_goes_on_at_its_end() -> None:
    disk, broker = SimulatedDisk(), Broker()
    write(disk, [event(1)])
    PositionFile(POSITION, disk=disk).write(500)
    flow = outflow(disk, broker)
    with closing(flow):
        flow.open()
        assert flow.step() == 0
        write(disk, [event(2)])
        flow.step()

    assert keys(broker) == ["2"]


def test_what_waits_is_counted_before_it_is_open_and_after() -> None:
    disk, broker = SimulatedDisk(), Broker()
    write(disk, [batch(1, 2)], [event(3)])
    flow = outflow(disk, broker)

    assert flow.waiting() == 3
    run_through(flow)
    assert flow.waiting() == 0
    assert flow.verdicts() == {"published": 3, "dead_letter": 0}


def test_a_refused_message_is_a_dead_letter_with_its_reason_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    disk, broker = SimulatedDisk(), Broker()
    broker.refuses = {"2"}
    write(disk, [batch(1, 2, 3)], [event(4)])
    flow = outflow(disk, broker, tmp_path)

    run_through(flow)

    assert keys(broker) == ["1", "3", "4"]
    assert flow.verdicts() == {"published": 3, "dead_letter": 1}
    with closing(open_database(tmp_path / "streams.sqlite")) as connection:
        migrate(connection, "calls", CALL_MIGRATIONS)
        letters = SqliteDeadLetters(connection)
        [letter] = letters.find("acme")
        assert (letter.message.route, letter.message.order_key) == ("streams:payment", "2")
        assert letter.reason == "too large"
        assert letters.replay("acme", letter.message.id, now_us=StoppedClock().now_us())
    broker.refuses = set()

    run_through(outflow(disk, broker, tmp_path))

    assert keys(broker) == ["1", "3", "4", "2"]
    assert broker.kept[letter.message.id].kind == "event"
    assert PAYMENT.decode(broker.kept[letter.message.id].body) == PAYMENT.decode(body(2))


def test_a_refused_message_that_was_kept_before_a_kill_is_a_dead_letter_once(
    tmp_path: Path,
) -> None:
    disk, broker = SimulatedDisk(), Broker()
    broker.refuses = {"1"}
    write(disk, [event(1)])
    run_through(outflow(disk, broker, tmp_path))
    PositionFile(POSITION, disk=disk).write(0)

    run_through(outflow(disk, broker, tmp_path))

    with closing(open_database(tmp_path / "streams.sqlite")) as connection:
        assert len(SqliteDeadLetters(connection).find("acme")) == 1


def test_a_stream_with_personal_content_is_not_published() -> None:
    with pytest.raises(PersonalStream, match="customer"):
        published_events(contract_of(Customer), "acme")
