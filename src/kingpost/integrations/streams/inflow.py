"""Messages of a topic into the journal: each event once, in the order of the topic.

The rule: a message is acknowledged when the event in it is durable, or was before, or when it
lies in quarantine with its reason. So after a crash it comes again, and is dropped by the
event's key. A bad one keeps nobody waiting.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from kingpost.contracts import Contract, ContractViolation, Event, batch_of
from kingpost.integrations.intake import Intake
from kingpost.integrations.pipelines import Taken
from kingpost.integrations.quarantine import RefusedRow, refused_line
from kingpost.integrations.streams.broker import EVENT, Message, StreamConsumer

__all__ = ["Inflow", "Judged", "TakeEvents", "judge", "take_into"]

_AT_ONCE = 1_024
_BYTES_AT_ONCE = 8 * 1024 * 1024
_WAIT_S = 0.5


class Judged(NamedTuple):
    """Messages, checked: events with the bodies they came in, and what broke the contract."""

    sound: Sequence[tuple[Event, bytes]]
    refused: Sequence[RefusedRow]


class TakeEvents(Protocol):
    """Takes what was read; it is durable on return.

    `source` is what the quarantine calls the topic.
    """

    def __call__(self, contract: Contract[Event], judged: Judged, source: str) -> Taken:
        """Say what became of the messages."""
        ...


def judge(contract: Contract[Event], messages: Sequence[Message]) -> Judged:
    """Check messages against their contract."""
    sound: list[tuple[Event, bytes]] = []
    refused: list[RefusedRow] = []
    for one in messages:
        try:
            if one.kind != EVENT:
                raise ContractViolation(
                    contract.name, "", "an event, as a stream takes", f"a {one.kind}"
                )
            sound.append((contract.decode(one.body), one.body))
        except ContractViolation as violation:
            refused.append(refused_line(one.position, one.body, violation))
    return Judged(sound, refused)


def take_into(intake: Intake, tenant: str) -> TakeEvents:
    """Put events into the journal; for the process that has it open for writing."""
    one_at_a_time = threading.Lock()

    def take(contract: Contract[Event], judged: Judged, source: str) -> Taken:
        batch = batch_of(contract, [event for event, _ in judged.sound])
        with one_at_a_time:
            accepted = intake.accept_batch(tenant, contract, batch)
            kept = intake.quarantine(tenant, contract.name, source, judged.refused)
        again = accepted.duplicates + len(judged.refused) - kept
        return Taken(len(judged.sound) + len(judged.refused), accepted.rows, again, kept)

    return take


class Inflow:
    """A `Flow` from a topic into a stream.

    Attributes:
        name: Of the stream.
        topic: Where it comes from.
    """

    direction = "in"

    def __init__(
        self, contract: Contract[Event], consumer: StreamConsumer, take: TakeEvents
    ) -> None:
        self.name, self.topic = contract.name, consumer.topic
        self._done = Taken()
        self._contract, self._consumer, self._take = contract, consumer, take
        self._at_once = _AT_ONCE

    def open(self) -> None:
        """Connect; see `StreamConsumer.open`."""
        self._consumer.open()

    def step(self) -> int:
        """Take the next messages, and return how many; none when none came in time.

        Raises:
            BrokerAway: The connection broke.
            KingpostError: They could not be made durable; they come again.
        """
        messages = self._consumer.read(self._at_once, _WAIT_S)
        if not messages:
            return 0
        taken = self._take(self._contract, judge(self._contract, messages), self.topic)
        self._consumer.acknowledge()
        self._done = Taken(*map(sum, zip(self._done, taken, strict=True)))
        size = sum(len(one.body) for one in messages) // len(messages)
        self._at_once = max(1, min(_AT_ONCE, _BYTES_AT_ONCE // max(1, size)))
        return len(messages)

    def waiting(self) -> int:
        """Return how many messages are not acknowledged yet."""
        return self._consumer.waiting()

    def verdicts(self) -> Mapping[str, int]:
        """Return how many messages were accepted, duplicates, or refused."""
        done = self._done
        return {
            "accepted": done.accepted,
            "duplicate": done.duplicates,
            "refused": done.refused,
        }

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
