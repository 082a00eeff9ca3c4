"""Messages into the journal: acknowledged when they are durable, each event once."""

from collections.abc import Sequence

import pytest

from kingpost.contracts import Contract, Event
from kingpost.integrations import (
    Inflow,
    Judged,
    Message,
    Taken,
    judge,
    quarantined,
    take_into,
)
from kingpost.journal import JournalFull
from tests.payments import DIRECTORY, PAYMENT, held, open_intake
from tests.simulated_disk import SimulatedDisk


def body(identifier: int) -> bytes:
    return b'{"id":%d,"at":"2018-08-01T12:00:00Z","amount":1.5}' % identifier


def message(identifier: int) -> Message:
    return Message(body(identifier), position=identifier)


class Broker:
    """A consumer of messages in memory: hands out again what was not acknowledged."""

    topic = "test://broker/orders"

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.read_to = self.acknowledged = 0
        self.asked: list[int] = []

    def open(self) -> None:
        self.read_to = self.acknowledged

    def read(self, most: int, wait_s: float) -> Sequence[Message]:
        self.asked.append(most)
        found = self.messages[self.read_to : self.read_to + most]
        self.read_to += len(found)
        return found

    def acknowledge(self) -> None:
        self.acknowledged = self.read_to

    def waiting(self) -> int:
        return len(self.messages) - self.acknowledged

    def close(self) -> None:
        pass


def run_through(flow: Inflow) -> None:
    flow.open()
    while flow.step():
        pass
    flow.close()


def test_what_came_is_durable_when_it_is_acknowledged() -> None:
    disk, broker = SimulatedDisk(), Broker(message(1), message(2))
    with open_intake(disk) as intake:
        take = take_into(intake, "acme")
        seen: list[int] = []

        def watched(contract: Contract[Event], judged: Judged, source: str) -> Taken:
            done = take(contract, judged, source)
            assert broker.acknowledged == 0
            seen.append(len(held(disk.after_power_loss())))
            return done

        run_through(Inflow(PAYMENT, broker, watched))

    assert seen == [2]
    assert broker.waiting() == 0


def test_what_could_not_be_made_durable_is_not_acknowledged_and_comes_again() -> None:
    disk, broker = SimulatedDisk(), Broker(message(1), message(2))

    def full(contract: Contract[Event], judged: Judged, source: str) -> Taken:
        raise JournalFull(DIRECTORY)

    flow = Inflow(PAYMENT, broker, full)
    flow.open()
    with pytest.raises(JournalFull):
        flow.step()
    assert flow.waiting() == 2

    with open_intake(disk) as intake:
        run_through(Inflow(PAYMENT, broker, take_into(intake, "acme")))
    assert [event.id for _, event in held(disk) if isinstance(event, PAYMENT.type)] == [1, 2]


def test_what_comes_again_changes_nothing() -> None:
    disk = SimulatedDisk()
    again = Broker(message(1), message(2), message(1), Message(b"{", position=3))
    verdicts: list[dict[str, int]] = []
    for _ in range(2):
        with open_intake(disk) as intake:
            flow = Inflow(PAYMENT, again, take_into(intake, "acme"))
            run_through(flow)
            verdicts.append(dict(flow.verdicts()))
            again.acknowledged = 0

    assert verdicts == [
        {"accepted": 2, "duplicate": 1, "refused": 1},
        {"accepted": 0, "duplicate": 4, "refused": 0},
    ]
    assert len(held(disk)) == 2
    assert len(quarantined(DIRECTORY, disk=disk)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b'{"id":1}',
        b'{"id":1,"at":"2018-08-01T12:00:00Z","amount":-1}',
    ],
)
def test_a_bad_message_is_kept_with_its_reason_and_keeps_nobody_waiting(bad: bytes) -> None:
    disk = SimulatedDisk()
    broker = Broker(message(1), Message(bad, position=7), message(3))
    with open_intake(disk) as intake:
        flow = Inflow(PAYMENT, broker, take_into(intake, "acme"))
        run_through(flow)

    assert flow.verdicts() == {"accepted": 2, "duplicate": 0, "refused": 1}
    assert broker.waiting() == 0
    [row] = quarantined(DIRECTORY, disk=disk)
    assert (row.source, row.row) == (broker.topic, 7)
    assert row.expected


def test_a_correction_is_no_event_and_is_refused_as_such() -> None:
    judged = judge(PAYMENT, [Message(body(1), kind="correction")])

    assert not judged.sound
    assert "an event, as a stream takes" in str(judged.refused[0].violation)


def test_large_messages_are_read_fewer_at_once() -> None:
    large = Message(body(1) + b" " * 1_000_000)
    broker = Broker(*[large] * 2)
    with open_intake(SimulatedDisk()) as intake:
        run_through(Inflow(PAYMENT, broker, take_into(intake, "acme")))

    assert broker.asked == [1024, 8]
