"""The journal into a topic: what was written, in its order, published under lasting ids.

The rule: only what is durable is published, and the position moves on when the broker keeps
it. So nothing is missing; what comes twice, after a crash between the two, has one id. What the
broker refuses is kept apart, and holds up nothing.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from kingpost.contracts import Contract, Event, decode_batch, events_of
from kingpost.core import Disk
from kingpost.integrations.streams.broker import EVENT, Message, StreamProducer
from kingpost.integrations.streams.errors import MessageRefused, PersonalStream
from kingpost.integrations.streams.position_file import PositionFile
from kingpost.integrations.streams.refused import RefusedMessages
from kingpost.journal import Commit, Entry, Scan

__all__ = ["JournalSide", "Outflow", "Publishes", "lasting_id", "published_events"]

_AT_ONCE = 512
_BYTES_AT_ONCE = 4 * 1024 * 1024
_LOOKED_AT_ONCE = 20_000
_WRITE_EVERY = 100_000
_TRY_EVERY_S = 1.0
_log = logging.getLogger(__name__)

Publishes = Callable[[Commit], Iterable[Message]]
"""Returns what of a commit is published, in its order, each with its own offset."""


def lasting_id(commit: Commit, entry: Entry, offset: int) -> str:
    """Return the id of what lies at an offset: the same whenever it is read.

    With the time of its commit: after a backup was restored offsets are given anew.
    """
    return f"{entry.tenant}/{entry.topic}/{offset}/{commit.time_us}"


def published_events(contract: Contract[Event], tenant: str, key: str = "") -> Publishes:
    """Return what publishes the events of a stream, their corrections and retractions.

    Args:
        key: The field whose value is the message's key; the key of the event when empty.

    Raises:
        PersonalStream: The stream has personal content.
    """
    if contract.subject is not None:
        raise PersonalStream(contract.name)
    key_of = attrgetter(key or contract.key.name)

    def events_at(entry: Entry) -> Iterator[tuple[Event, str]]:
        if entry.kind == "events":
            batch = decode_batch(entry.body, contract)
            yield from ((event, EVENT) for event in events_of(contract, batch))
        else:
            yield contract.decode_stored(entry.body), entry.kind

    def publishes(commit: Commit) -> Iterator[Message]:
        offset = commit.offset
        for entry in commit.entries:
            if entry.topic == contract.name and entry.tenant == tenant:
                if entry.kind in ("event", "events", "correction"):
                    for at, (event, kind) in enumerate(events_at(entry), offset):
                        body = contract.encode(event)
                        identifier = lasting_id(commit, entry, at)
                        yield Message(body, str(key_of(event)), identifier, kind, at)
                elif entry.kind == "retraction":
                    named = "" if key else str(contract.key_from(entry.body))
                    identifier = lasting_id(commit, entry, offset)
                    yield Message(entry.body, named, identifier, entry.kind, offset)
            offset += entry.count

    return publishes


@dataclass(frozen=True)
class JournalSide:
    """A partition of the journal that is published.

    Attributes:
        durable: Returns the offset before which everything is durable.
    """

    directory: Path
    durable: Callable[[], int]
    disk: Disk


class Outflow:
    """A `Flow` from a partition of the journal to a topic.

    Args:
        position: Where it is kept how far it has come.
        refused: Where messages go that the broker never takes.

    Attributes:
        name: What is published.
        topic: Where it goes.
    """

    direction = "out"

    def __init__(
        self,
        name: str,
        journal: JournalSide,
        publishes: Publishes,
        producer: StreamProducer,
        position: PositionFile,
        refused: RefusedMessages,
    ) -> None:
        self.name, self.topic = name, producer.topic
        self._journal, self._publishes, self._producer = journal, publishes, producer
        self._position, self._refused = position, refused
        self._scan: Scan | None = None
        self._ahead: Iterator[tuple[int, Message | None]] = iter(())
        self._through = self._written = 0
        self._published = self._dead_letters = 0
        self._try_at_s = 0.0

    def open(self) -> None:
        """Connect, and go to where it had come; see `StreamProducer.open`."""
        self.close()
        self._producer.open()
        # a restored backup may hold less than was published
        self._through = self._written = min(self._position.read(), self._journal.durable())
        self._scan = Scan(self._journal.directory, disk=self._journal.disk, start=self._through)
        self._ahead = self._come()

    def step(self) -> int:
        """Publish what comes next in the journal, and return how many offsets it moved on.

        Raises:
            BrokerAway: Some may not have come through; they are published again.
            JournalCorrupt, SegmentArchived: The journal cannot be read there.
            StorageFull, StorageBusy, StorageFailed, CallStoreFailed: What was refused, or how
                far it has come, cannot be kept.
        """
        before = self._through
        end, group = self._next_group()
        if group:
            self._publish(group)
        if group or end - self._written >= _WRITE_EVERY:
            self._position.write(end)
            self._written = end
        self._through = end
        if time.monotonic() >= self._try_at_s:
            self._producer.check()
            self._try_again()
        return end - before

    def waiting(self) -> int:
        """Return how many offsets of the journal it has not come to yet."""
        reached = self._position.read() if self._scan is None else self._through
        return max(0, self._journal.durable() - reached)

    def verdicts(self) -> Mapping[str, int]:
        """Return how many messages were published, and how many became dead letters."""
        return {"published": self._published, "dead_letter": self._dead_letters}

    def close(self) -> None:
        """Disconnect."""
        self._producer.close()
        self._refused.close()
        scan, self._scan = self._scan, None
        if scan is not None:
            scan.close()

    def _next_group(self) -> tuple[int, list[Message]]:
        """Return messages to publish at once, and the offset that is through with them."""
        end, size = self._through, 0
        group: list[Message] = []
        for looked, (end, message) in enumerate(self._ahead):
            if message is not None:
                group.append(message)
                size += len(message.body)
            if len(group) >= _AT_ONCE or size >= _BYTES_AT_ONCE or looked >= _LOOKED_AT_ONCE:
                return end, group
        self._ahead = self._come()
        return end, group

    def _publish(self, group: Sequence[Message]) -> None:
        """Publish all of them; one that is refused is kept apart, the others go on."""
        try:
            self._producer.publish(group)
            self._published += len(group)
        except MessageRefused:
            for one in group:
                try:
                    self._producer.publish([one])
                    self._published += 1
                except MessageRefused:
                    self._refused.keep(one)
                    self._try_at_s = 0.0

    def _try_again(self) -> None:
        published, refused = self._refused.try_again(lambda one: self._producer.publish([one]))
        self._try_at_s = time.monotonic() + _TRY_EVERY_S
        self._published += published
        self._dead_letters += len(refused)
        for error in refused:
            facts = {"stream": self.name, "code": error.code, "reason": str(error)}
            _log.error("stream_dead_letter", extra=facts)

    def _come(self) -> Iterator[tuple[int, Message | None]]:
        """Yield what is durable by now: the offset that is through then, and the message."""
        assert self._scan is not None  # it is open
        for commit in self._scan.commits(stop=self._journal.durable()):
            for message in self._publishes(commit):
                if message.position >= self._through:
                    yield message.position + 1, message
            yield commit.next_offset, None
