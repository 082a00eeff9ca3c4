"""Snapshots of what the engine holds, so that a start need not read the whole journal.

    snapshots/<offset of the next commit>.columns

The rule: a snapshot is a function of the journal up to its mark, the last commit it
covers, and is believed only where the journal still holds that very commit. Each part
names by a digest what it was made from (contract, key fields, filters, columns): a part
that is not wanted any more is passed over, one that is wanted and not there is rebuilt
from the journal, so a changed definition never meets old state. A damaged snapshot is
passed over with one line in the log; one of a later version is an error. Snapshots can
be removed at any time.

Keys are MessagePack, all else little-endian columns (`storage.column_file`).
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec

from kingpost.contracts import Contract, Event
from kingpost.core import Disk, KingpostError
from kingpost.decisions.errors import SnapshotInProgress
from kingpost.decisions.memory import Memory
from kingpost.decisions.tenant_state import Answered
from kingpost.features import Erasure, Hold, KeyKind, KeyTable, RefusedErasure, Versions
from kingpost.journal import Commit, Lookup, Place
from kingpost.records import RecordIndex
from kingpost.storage import ColumnFile, ColumnsDamaged, Part, read_columns, write_columns

__all__ = [
    "Mark",
    "Missing",
    "Snapshot",
    "check_snapshot",
    "find_snapshot",
    "latest_offset",
    "remove_snapshots",
    "write_snapshot",
]

KIND = "snapshot of decisions"
VERSION = 1
KEPT = 2

_NAME = re.compile(r"([0-9]{20})\.columns")
_DRAFT = ".tmp"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mark:
    """The last commit that a snapshot covers.

    Attributes:
        digest: Of its time and entries, in hex.
    """

    offset: int
    next_offset: int
    place: Place
    digest: str

    @staticmethod
    def of(commit: Commit) -> "Mark":
        """Mark a commit."""
        body = msgspec.msgpack.encode((commit.time_us, commit.entries))
        digest = hashlib.sha256(body).hexdigest()
        return Mark(commit.offset, commit.next_offset, commit.place, digest)

    def is_in(self, lookup: Lookup) -> bool:
        """Say whether the journal holds this commit, at this place."""
        try:
            return Mark.of(lookup.read_at(self.place)) == self
        except (KingpostError, OSError):
            return False


@dataclass(frozen=True)
class Missing:
    """What a snapshot has no part for, or one of another definition.

    Attributes:
        keys_of: Streams whose keys must be read from the journal.
        windows: Digests of windows whose events must be.
        streams: All streams that must be read.
    """

    keys_of: frozenset[str]
    windows: frozenset[str]
    streams: frozenset[str]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that passed its checks."""

    mark: Mark
    file: ColumnFile

    def fill(self, memory: Memory) -> Missing:
        """Put its parts into a memory that holds nothing yet, as far as they are wanted.

        Raises:
            IncompatibleContract: Stored events do not fit a contract declared now.
        """
        streams = memory.application.streams
        wanted_keys = {_keys_digest(contract): name for name, contract in streams.items()}
        wanted_windows = _windows_of(memory)
        covered: set[str] = set()
        for part in self.file.parts:
            tenant, digest = str(part.facts.get("tenant", "")), str(part.facts.get("digest", ""))
            if part.name == "covered":
                covered.update(part.facts)
            elif part.name == "records":
                memory.index = RecordIndex.of(part.columns["ids"], part.columns["offsets"])
            elif part.name == "erasures":
                memory.erasures.update(
                    msgspec.msgpack.decode(part.columns["erasures"], type=dict[str, list[Erasure]])
                )
            elif part.name == "refused_erasures":
                memory.refused_erasures.update(
                    msgspec.msgpack.decode(
                        part.columns["refused"], type=dict[str, list[RefusedErasure]]
                    )
                )
            elif part.name == "holds":
                memory.holds.update(
                    msgspec.msgpack.decode(part.columns["holds"], type=dict[str, list[Hold]])
                )
            elif part.name == "contracts":
                for stream, description in msgspec.msgpack.decode(
                    part.columns["descriptions"], type=list[tuple[str, bytes]]
                ):
                    memory.note_contract(stream, description)
            elif part.name == "answered":
                memory.tenant(tenant).answered = Answered.of(part.columns)
            elif part.name == "keys" and digest in wanted_keys:
                table = KeyTable(cast("KeyKind", part.facts["kind"]), part.columns)
                ended = int(part.facts["ended"])
                memory.tenant(tenant).keys[wanted_keys[digest]] = Versions(table, ended)
            elif part.name == "windows" and digest in wanted_windows:
                memory.tenant(tenant).online.restore(digest, part.columns)
        keys_of = frozenset(wanted_keys[one] for one in wanted_keys.keys() - covered)
        windows = frozenset(wanted_windows.keys() - covered)
        streams = keys_of.union(*(wanted_windows[one] for one in windows))
        return Missing(keys_of, windows, streams)

    def lighten(self, memory: Memory) -> None:
        """Let a memory that holds all this and more read keys and records here, where they lie.

        Nothing that it finds changes. `Versions.trim` then frees what both hold.
        """
        wanted = {
            _keys_digest(contract): name for name, contract in memory.application.streams.items()
        }
        for part in self.file.parts:
            stream = wanted.get(str(part.facts.get("digest", "")))
            if part.name == "records":
                memory.index.rebase(part.columns["ids"], part.columns["offsets"])
            elif part.name == "keys" and stream is not None:
                table = KeyTable(cast("KeyKind", part.facts["kind"]), part.columns)
                versions = memory.tenant(str(part.facts["tenant"])).keys[stream]
                versions.rebase(table, self.mark.next_offset)


def find_snapshot(directory: Path, lookup: Lookup, *, disk: Disk) -> Snapshot | None:
    """Return the newest snapshot that is sound and of this journal; None when there is none.

    Raises:
        ColumnsNewer: A later version of Kingpost wrote it.
    """
    for path in reversed(_paths(directory, disk)):
        try:
            file = read_columns(path, kind=KIND, version=VERSION, disk=disk)
        except (ColumnsDamaged, OSError) as error:
            extra = {"snapshot": path.name, "reason": str(error)}
            _log.warning("snapshot_passed_over", extra=extra)
            continue
        mark = _mark_from(file.facts)
        if mark.is_in(lookup):
            return Snapshot(mark, file)
        reason = "the journal does not hold its last commit"
        _log.warning("snapshot_passed_over", extra={"snapshot": path.name, "reason": reason})
    return None


def check_snapshot(path: Path, *, disk: Disk) -> None:
    """Read every byte of a snapshot.

    Raises:
        ColumnsDamaged: It is not as it was written.
        ColumnsNewer: A later version of Kingpost wrote it.
    """
    read_columns(path, kind=KIND, version=VERSION, disk=disk)


def latest_offset(directory: Path, *, disk: Disk) -> int:
    """Return up to which offset the newest snapshot reaches; 0 when there is none."""
    paths = _paths(directory, disk)
    return int(paths[-1].name[:20]) if paths else 0


def write_snapshot(directory: Path, memory: Memory, mark: Mark, *, disk: Disk) -> Path:
    """Write what a memory holds as of a mark; the newest snapshots stay, older ones go.

    Raises:
        SnapshotInProgress: Another process is writing one.
        OSError: The disk refused; the snapshots that are there stay.
    """
    disk.make_directory(directory)
    try:
        lock = disk.lock(directory / "lock")
    except BlockingIOError as error:
        raise SnapshotInProgress(directory) from error
    try:
        for name in disk.list(directory):
            if name.endswith(_DRAFT):
                disk.remove(directory / name)
        path = directory / f"{mark.next_offset:020d}.columns"
        facts: dict[str, str | int] = {
            "offset": mark.offset,
            "next_offset": mark.next_offset,
            "segment": mark.place.segment,
            "byte": mark.place.byte,
            "digest": mark.digest,
        }
        parts = list(_parts(memory))
        write_columns(path, kind=KIND, version=VERSION, facts=facts, parts=parts, disk=disk)
        for old in _paths(directory, disk)[:-KEPT]:
            disk.remove(old)
        remove_snapshots(directory, memory.last_erasure, disk=disk)
    finally:
        lock.release()
    return path


def remove_snapshots(directory: Path, offset: int, *, disk: Disk) -> int:
    """Remove the snapshots that do not reach beyond an offset, such as that of an erasure.

    Returns:
        How many there were.
    """
    removed = 0
    for path in _paths(directory, disk):
        if int(path.name[:20]) <= offset:
            disk.remove(path)
            removed += 1
    return removed


def _parts(memory: Memory) -> Iterator[Part]:
    streams = memory.application.streams
    covered = {_keys_digest(contract): name for name, contract in streams.items()}
    windows = {digest: streams[0] for digest, streams in _windows_of(memory).items()}
    yield Part("covered", {**covered, **windows}, {})
    ids, offsets = memory.index.columns()
    yield Part("records", {}, {"ids": ids, "offsets": offsets})
    erasures = memoryview(msgspec.msgpack.encode(memory.erasures))
    yield Part("erasures", {}, {"erasures": erasures})
    if memory.refused_erasures:
        refused = memoryview(msgspec.msgpack.encode(memory.refused_erasures))
        yield Part("refused_erasures", {}, {"refused": refused})
    if memory.holds:
        yield Part("holds", {}, {"holds": memoryview(msgspec.msgpack.encode(memory.holds))})
    described = [(name, one) for name, every in memory.contracts.items() for one in every]
    yield Part("contracts", {}, {"descriptions": memoryview(msgspec.msgpack.encode(described))})
    for tenant, state in memory.tenants.items():
        yield Part("answered", {"tenant": tenant}, state.answered.columns())
        for name, contract in streams.items():
            kind = cast("KeyKind", contract.key.kind)
            table = state.keys[name].table(kind)
            facts = {
                "tenant": tenant,
                "digest": _keys_digest(contract),
                "kind": kind,
                "ended": state.keys[name].ended,
            }
            yield Part("keys", facts, table.columns)
        for digest in state.online.streams:
            yield Part("windows", {"tenant": tenant, "digest": digest}, state.online.dump(digest))


def _windows_of(memory: Memory) -> Mapping[str, tuple[str, ...]]:
    """Return the streams of each state of windows that decisions read, by its digest."""
    return memory.empty().online.streams


def _keys_digest(contract: Contract[Event]) -> str:
    """Digest what the keys of a stream are."""
    text = msgspec.json.encode(("keys", contract.name, contract.key.name, contract.key.kind))
    return hashlib.sha256(text).hexdigest()


def _mark_from(facts: Mapping[str, str | int]) -> Mark:
    return Mark(
        int(facts["offset"]),
        int(facts["next_offset"]),
        Place(int(facts["segment"]), int(facts["byte"])),
        str(facts["digest"]),
    )


def _paths(directory: Path, disk: Disk) -> list[Path]:
    """Return the snapshots, the newest last."""
    return [directory / name for name in disk.list(directory) if _NAME.fullmatch(name)]
