"""Ten thousand ways to lie, against one auditor: `tampering_detected`.

Two logs, one as of records and one as of approvals and releases, take turns; each has 900 commits,
and its auditor the log's public key and one checkpoint of 600 from earlier. Each lie is one of: an edited record, a deleted one, two exchanged, a time put back, a
shorter journal, a byte of any file of the tree changed; and, by somebody who holds disk, salt
and signing key, a log made anew from a journal that was edited, cut or reordered before the
kept checkpoint, or rolled back to before it. A change without the key must be named to the leaf;
of a log made anew nobody can say more than that the leaf lies below the kept checkpoint. Beside
them, honest logs that have grown: a false alarm counts as a failure.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec

from benchmarks._figures import figure_at, say
from kingpost.core import Disk
from kingpost.journal import Entry
from kingpost.journal.frames import ENVELOPE, encode
from kingpost.journal.segments import SegmentHeader, publish_segment
from kingpost.proofs import Audit, Checkpoint, Tree, TreePlace, Trust, audit_log
from kingpost.records import id_in

LIES, HONEST, COMMITS, KEPT = 10_000, 200, 900, 600
SALT = 4711
LOGS = ("data", "control")
FILES = ("entries", "level-0", "level-1", "bundles", "checkpoint", "checkpoints")

Told = tuple[list[Entry], int]
"""A commit and its time."""


class MemoryDisk:
    """Files in memory, as many disks as there are lies."""

    def __init__(self, files: dict[Path, bytes] | None = None) -> None:
        self.files = {path: bytearray(data) for path, data in (files or {}).items()}

    def open(self, path: Path, *, write: bool, create: bool = False) -> "_File":
        del write
        if path not in self.files and not create:
            raise FileNotFoundError(path)
        return _File(self.files.setdefault(path, bytearray()))

    def list(self, directory: Path) -> list[str]:
        return sorted(path.name for path in self.files if path.parent == directory)

    def rename(self, source: Path, target: Path) -> None:
        self.files[target] = self.files.pop(source)

    def remove(self, path: Path) -> None:
        del self.files[path]

    def make_directory(self, directory: Path) -> None:
        del directory

    sync_directory = make_directory

    def lock(self, path: Path) -> SimpleNamespace:
        del path
        return SimpleNamespace(release=lambda: None)


class _File:
    def __init__(self, data: bytearray) -> None:
        self._data = data

    def read_at(self, place: int, size: int) -> bytes:
        return bytes(self._data[place : place + size])

    def write_at(self, place: int, data: bytes) -> None:
        self._data.extend(bytes(max(0, place - len(self._data))))
        self._data[place : place + len(data)] = data

    def truncate(self, size: int) -> None:
        del self._data[size:]

    def size(self) -> int:
        return len(self._data)

    def sync(self) -> None:
        pass

    close = sync


def place_of(log: str) -> TreePlace:
    """Say where a log lies."""
    root = Path("/house")
    return TreePlace(
        root / "journal" / log,
        root / "tree" / log,
        root / "keys" / log,
        default_origin=f"bench/{log}",
    )


def journal_of(told: Sequence[Told], disk: MemoryDisk, directory: Path) -> None:
    """Write a journal that is sound in itself, whatever it tells."""
    frames: list[bytes] = []
    offset = 0
    for entries, time_us in told:
        frame = encode(entries, offset, time_us, SALT)
        frames.append(
            ENVELOPE.pack(frame.size, frame.check ^ 0xFFFF_FFFF) + b"".join(frame.buffers)
        )
        offset = frame.next_offset
    draft = directory / "draft"
    file = _File(disk.files.setdefault(draft, bytearray()))
    header = SegmentHeader(directory.name, 0, 1, SALT)
    publish_segment(cast("Disk", disk), directory, draft, cast("None", file), header)  # pyright: ignore[reportArgumentType]
    file.write_at(4096, b"".join(frames))


def signed(disk: MemoryDisk, place: TreePlace) -> Checkpoint:
    """Bring the tree over a journal up."""
    tree = Tree(place, cast("Disk", disk), lambda entry: id_in(entry.kind, entry.body))
    try:
        return tree.update()
    finally:
        tree.close()


class House:
    """An honest log, and the liar's tools.

    Attributes:
        kept: The auditor's checkpoint.
    """

    def __init__(self, log: str) -> None:
        self.log, self.place = log, place_of(log)
        self.random = random.Random(2026)
        self.told: list[Told] = [
            (self.commit(), 1_800_000_000_000_000 + 1000 * at) for at in range(COMMITS)
        ]
        disk = MemoryDisk()
        self.write(self.told[:KEPT], disk)
        self.kept = signed(disk, self.place)
        self.write(self.told, disk)
        signed(disk, self.place)
        self.files = {path: bytes(data) for path, data in disk.files.items()}
        keys = self.place.keys(cast("Disk", disk))
        self.trust = Trust(keys.verifiers(), [self.kept])
        self.salt = keys.salt()
        self.secrets = {
            path: data
            for path, data in self.files.items()
            if path.parent == self.place.secret or path.name in ("keys", "log")
        }

    def write(self, told: Sequence[Told], disk: MemoryDisk) -> None:
        journal_of(told, disk, self.place.journal)

    def commit(self) -> list[Entry]:
        if self.log == "control":
            kind = self.random.choice(("bundle", "approval", "release", "export"))
            return [Entry(kind, "", "fraud", self.random.randbytes(200).hex().encode())]
        body = b"\xdc\x00\x1a\x05\xc4\x10" + self.random.randbytes(100)
        return [
            Entry("event", "acme", "t", self.random.randbytes(60)),
            Entry("record", "acme", "fraud", body),
        ]

    def audit(self, disk: MemoryDisk) -> Audit:
        place = self.place
        return audit_log(
            place.public, self.trust, disk=cast("Disk", disk), journal=place.journal, salt=self.salt
        )

    def edited(self, told: list[Told], at: int) -> int:
        entries, time_us = told[at]
        body = bytearray(entries[-1].body)
        body[self.random.randrange(len(body))] ^= 1 << self.random.randrange(8)
        changed = msgspec.structs.replace(entries[-1], body=bytes(body))
        told[at] = ([*entries[:-1], changed], time_us)
        return at

    def lie(self) -> tuple[MemoryDisk, int | None]:
        """Tell one lie; return the disk, and the leaf to name (None: of a log made anew)."""
        kind = self.random.choice(
            ("edit", "delete", "exchange", "back-date", "truncate", "tree", "rebuild", "rollback")
        )
        if kind == "tree":
            return self.in_the_tree()
        disk, told = MemoryDisk(self.files), list(self.told)
        if kind in ("rebuild", "rollback"):
            disk = MemoryDisk(self.secrets)
            if kind == "rollback":
                del told[self.random.randrange(1, KEPT) :]
            else:
                self.random.choice((self.edited, self.deleted, self.exchanged, self.dated))(
                    told, self.random.randrange(1, KEPT - 1)
                )
            self.write(told, disk)
            signed(disk, self.place)
            return disk, None
        at = self.random.randrange(1, COMMITS - 1)
        ways: dict[str, Callable[[list[Told], int], int]] = {
            "edit": self.edited,
            "delete": self.deleted,
            "exchange": self.exchanged,
            "back-date": self.dated,
            "truncate": self.cut,
        }
        at = ways[kind](told, at)
        self.write(told, disk)
        return disk, at

    def deleted(self, told: list[Told], at: int) -> int:
        del told[at]
        return at

    def exchanged(self, told: list[Told], at: int) -> int:
        other = self.random.randrange(at + 1, KEPT if at < KEPT - 1 else COMMITS)
        told[at], told[other] = told[other], told[at]
        return at

    def dated(self, told: list[Told], at: int) -> int:
        told[at] = (told[at][0], told[at][1] - self.random.randrange(1, 10**12))
        return at

    def cut(self, told: list[Told], at: int) -> int:
        del told[at:]
        return at

    def in_the_tree(self) -> tuple[MemoryDisk, int | None]:
        disk = MemoryDisk(self.files)
        name = self.random.choice(FILES)
        data = disk.files[self.place.public / name]
        at = self.random.randrange(len(data))
        data[at] ^= 1 << self.random.randrange(8)
        return disk, at // 32 if name == "level-0" else None


def run_tampering(scratch: Path) -> bool:
    """Print `tampering_detected`."""
    del scratch
    houses = [House(log) for log in LOGS]
    found = named = to_name = 0
    for number in range(LIES):
        house = houses[number % len(houses)]
        disk, leaf = house.lie()
        audit = house.audit(disk)
        found += not audit.is_sound
        if leaf is not None:
            to_name += 1
            named += audit.first is not None and (audit.first.leaf, audit.first.until) == (
                leaf,
                leaf + 1,
            )
        elif audit.is_sound:
            say("not found: " + str(audit))
    alarms = sum(false_alarm(houses[number % len(houses)]) for number in range(HONEST))
    say(
        f"{found:,} of {LIES:,} found, half of them in the control log; {named:,} of {to_name:,} "
        f"named to the leaf; {alarms} false alarms"
    )
    figure_at("tampering_detected", found / LIES, "share", 1.0, more_is_better=True)
    return found == LIES and named == to_name and not alarms


def false_alarm(house: House) -> bool:
    """Say whether an honest log that has grown is taken for a lie."""
    more = house.random.randrange(1, 50)
    told = [*house.told, *[(house.commit(), 1_900_000_000_000_000) for _ in range(more)]]
    disk = MemoryDisk(house.files)
    house.write(told, disk)
    if house.random.random() < 0.5:
        signed(disk, house.place)
    return not house.audit(disk).is_sound
