"""The journal into a topic: what was written, in its order, published under lasting ids.

The rule: only what is durable is published, and the position moves on when the broker keeps
it. So nothing is missing; what comes twice, after a crash between the two, has one id.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path

from kingpost.contracts import Contract, Event, decode_batch, events_of
from kingpost.core import Disk
from kingpost.integrations.streams.broker import EVENT, Message, StreamProducer
from kingpost.integrations.streams.errors import PersonalStream
from kingpost.integrations.streams.position_file import PositionFile
from kingpost.journal import Commit, Entry, Scan

__all__ = ["Outflow", "Publishes", "lasting_id", "published_events"]

_AT_ONCE = 512
_BYTES_AT_ONCE = 4 * 1024 * 1024
_LOOKED_AT_ONCE = 20_000
_WRITE_EVERY = 100_000

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


class Outflow:
    """A `Flow` from a partition of the journal to a topic.

    Args:
        directory: The partition.
        durable: Returns the offset before which everything is durable.
        position: Where it is kept how far it has come.

    Attributes:
        name: What is published.
        topic: Where it goes.
    """

    direction = "out"

    def __init__(
        self,
        name: str,
        directory: Path,
        publishes: Publishes,
        producer: StreamProducer,
        *,
        durable: Callable[[], int],
        position: PositionFile,
        disk: Disk,
    ) -> None:
        self.name, self.topic = name, producer.topic
        self._number = 0
        self._directory, self._disk = directory, disk
        self._publishes, self._producer = publishes, producer
        self._durable, self._position = durable, position
        self._scan: Scan | None = None
        self._ahead: Iterator[tuple[int, Message | None]] = iter(())
        self._published = self._written = 0

    def open(self) -> None:
        """Connect, and go to where it had come; see `StreamProducer.open`."""
        self.close()
        self._producer.open()
        # a restored backup may hold less than was published
        self._published = self._written = min(self._position.read(), self._durable())
        self._scan = Scan(self._directory, disk=self._disk, start=self._published)
        self._ahead = self._come()

    def step(self) -> int:
        """Publish what comes next in the journal, and return how many offsets it moved on.

        Raises:
            BrokerAway: Some may not have come through; they are published again.
            MessageRefused: The broker never takes one of them.
            JournalCorrupt, SegmentArchived: The journal cannot be read there.
        """
        before = end = self._published
        group: list[Message] = []
        size = 0
        for looked, (end, message) in enumerate(self._ahead):
            if message is not None:
                group.append(message)
                size += len(message.body)
            if len(group) >= _AT_ONCE or size >= _BYTES_AT_ONCE or looked >= _LOOKED_AT_ONCE:
                break
        else:
            self._ahead = self._come()
        if group:
            self._producer.publish(group)
            self._number += len(group)
        self._published = end
        if group or end - self._written >= _WRITE_EVERY:
            self._position.write(end)
            self._written = end
        return end - before

    def waiting(self) -> int:
        """Return how many offsets of the journal it has not come to yet."""
        reached = self._position.read() if self._scan is None else self._published
        return max(0, self._durable() - reached)

    def verdicts(self) -> Mapping[str, int]:
        """Return how many messages were published."""
        return {"published": self._number}

    def close(self) -> None:
        """Disconnect."""
        self._producer.close()
        scan, self._scan = self._scan, None
        if scan is not None:
            scan.close()

    def _come(self) -> Iterator[tuple[int, Message | None]]:
        """Yield what is durable by now: the offset that is through then, and the message."""
        assert self._scan is not None  # it is open
        for commit in self._scan.commits(stop=self._durable()):
            for message in self._publishes(commit):
                if message.position >= self._published:
                    yield message.position + 1, message
            yield commit.next_offset, None
