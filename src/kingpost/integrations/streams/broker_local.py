"""Topics without a broker: a partition of segment files, which one writes and many read.

The rule: a reader trusts only what is on the disk, so it syncs what it has read before it
hands it on; else a power loss could take back what was read, and give its place to others.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from kingpost.core import Clock, Disk
from kingpost.integrations.streams.broker import Message
from kingpost.integrations.streams.position_file import PositionFile
from kingpost.journal import Commit, Entry, Journal, Scan, last_commit, sync_commits

__all__ = ["LocalConsumer", "LocalProducer"]

_KIND = "message"
_LOOK_EVERY_S = 0.02
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class LocalConsumer:
    """A `StreamConsumer` of a topic in a directory.

    Args:
        name: Of the consumer, which keeps a position of its own.
    """

    def __init__(self, directory: Path, name: str, *, disk: Disk) -> None:
        self.topic = f"file:{directory}"
        self._directory, self._disk = directory, disk
        self._position = PositionFile(directory / "consumers" / f"{name}.position", disk=disk)
        self._scan: Scan | None = None
        self._rest: list[Message] = []
        self._read_to = 0

    def open(self) -> None:
        self.close()
        self._read_to = min(self._position.read(), self._end())
        self._scan = Scan(self._directory, disk=self._disk, start=self._read_to)

    def read(self, most: int, wait_s: float) -> Sequence[Message]:
        end = time.monotonic() + wait_s
        while not self._rest:
            self._rest = self._come()
            if not self._rest:
                if time.monotonic() >= end:
                    return ()
                time.sleep(_LOOK_EVERY_S)
        found, self._rest = self._rest[:most], self._rest[most:]
        self._read_to = found[-1].position + 1
        return found

    def acknowledge(self) -> None:
        self._position.write(self._read_to)

    def waiting(self) -> int:
        return max(0, self._end() - self._position.read())

    def close(self) -> None:
        scan, self._scan = self._scan, None
        self._rest = []
        if scan is not None:
            scan.close()

    def _come(self) -> list[Message]:
        """Return what has come since, once it is on the disk."""
        assert self._scan is not None  # it is open
        commits = list(self._scan.commits())
        sync_commits(self._directory, commits, disk=self._disk)
        found = chain.from_iterable(map(_messages, commits))
        return [one for one in found if one.position >= self._read_to]

    def _end(self) -> int:
        last = last_commit(self._directory, disk=self._disk)
        return 0 if last is None else last.next_offset


class LocalProducer:
    """A `StreamProducer` to a topic in a directory, which it alone writes."""

    def __init__(self, directory: Path, *, disk: Disk, clock: Clock) -> None:
        self.topic = f"file:{directory}"
        self._directory, self._disk, self._clock = directory, disk, clock
        self._journal: Journal | None = None
        self._latest: frozenset[str] = frozenset()

    def open(self) -> None:
        self.close()
        self._journal = Journal.open(self._directory, disk=self._disk, clock=self._clock)
        last = last_commit(self._directory, disk=self._disk)
        self._latest = frozenset() if last is None else frozenset(map(_id, _messages(last)))

    def publish(self, messages: Sequence[Message]) -> None:
        assert self._journal is not None  # it is open
        # a commit is whole or not there: what is published again lies in the last one
        new = [one for one in messages if not one.id or one.id not in self._latest]
        if new:
            self._journal.append([Entry(_KIND, "", "", _encode(one)) for one in new])
            self._latest = frozenset(map(_id, new))

    def check(self) -> None:
        pass

    def close(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()


def _messages(commit: Commit) -> Iterator[Message]:
    for offset, entry in enumerate(commit.entries, commit.offset):
        if entry.kind == _KIND:
            yield _decode(entry.body)._replace(position=offset)


def _id(message: Message) -> str:
    return message.id
