"""Checking a whole log: every entry, every hash, the journal beside it, and what was signed.

The rule: everything is computed anew from the entries, and what the log says of itself is
compared with it. The first entry that is not as its leaf says is named. Where a whole log was
made anew by somebody who holds its key, only a checkpoint kept elsewhere tells; the place is
then as exact as the kept checkpoints lie close.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

from kingpost.core import Disk, KingpostError
from kingpost.journal import (
    JournalCorrupt,
    RemovedRange,
    Scan,
    WholeFrame,
    decode_removed,
    is_removed,
)
from kingpost.proofs.checkpoint import Checkpoint, parse_checkpoint
from kingpost.proofs.errors import BadNote, BadProof, TreeDamaged
from kingpost.proofs.files import (
    BUNDLE,
    MOST_LEVELS,
    TreeFiles,
    checkpoint_file,
    published,
    read_whole,
    split_bundle,
    tile_path,
)
from kingpost.proofs.keys import trusted_keys
from kingpost.proofs.leaf import LeafWriter, parse_leaf
from kingpost.proofs.merkle import EMPTY_ROOT, HASH_SIZE, fold, node_hash, subtree_of, tree_root
from kingpost.proofs.notes import VerifierKey, signed_by
from kingpost.proofs.proof import Trust, Verdict, check_checkpoint

__all__ = ["Audit", "Finding", "audit_log"]


class Finding(NamedTuple):
    """Something that is not as it should be.

    Attributes:
        code: What kind.
        leaf: The first one that it may concern, by its index.
        until: It concerns one before this; `leaf + 1` where it is known exactly.
    """

    code: str
    leaf: int
    until: int
    text: str


@dataclass
class Audit:
    """What came of an audit.

    Attributes:
        size: Leaves in the newest checkpoint.
        commits: Of the journal that were compared; None where no journal was given.
        waiting: Commits in the journal that are not in the tree yet.
        removed: Leaves whose commits were taken out of the journal, since nobody may keep them
            any longer. What they committed to can be shown no more; that they were there can.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    size: int = 0
    commits: int | None = None
    waiting: int = 0
    removed: int = 0
    facts: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The finding that names the first bad leaf, the most exact one of several."""
        return min(self.findings, key=lambda one: (one.leaf, one.until), default=None)


class _Source(Protocol):
    def bundle(self, number: int, width: int) -> bytes: ...

    def tile(self, level: int, number: int, width: int) -> bytes: ...


class _Published:
    """A log as static files, each a tile or a bundle."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory, self._disk = directory, disk

    def bundle(self, number: int, width: int) -> bytes:
        return self._read("entries", number, width)

    def tile(self, level: int, number: int, width: int) -> bytes:
        return self._read(str(level), number, width)

    def _read(self, name: str, number: int, width: int) -> bytes:
        path = self._directory / "tile" / name / tile_path(number, width)
        data = read_whole(path, self._disk)
        if not data:
            raise TreeDamaged(path, "it is missing")
        return data


class _Packed:
    """A log as `TreeFiles` keeps it."""

    def __init__(self, files: TreeFiles) -> None:
        self._files = files

    def bundle(self, number: int, width: int) -> bytes:
        data = self._files.bundle(number)
        # the first offset stands behind a length, version and form
        if width == BUNDLE and self._files.first_offset(number) != int.from_bytes(data[4:12]):
            raise TreeDamaged(
                self._files.directory / "bundles", f"row {number} is not its bundle's"
            )
        return data

    def tile(self, level: int, number: int, width: int) -> bytes:
        path = f"tile/{level}/{tile_path(number, width)}"
        return self._files.resource(path) or b""


def audit_log(
    directory: Path,
    trust: Trust,
    *,
    disk: Disk,
    journal: Path | None = None,
    salt: bytes | None = None,
    handovers: Sequence[str] = (),
    removals: Sequence[tuple[int, int]] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Compute a log anew and compare it with all that is said of it.

    Args:
        directory: A tree as Kingpost keeps it, or as static files in C2SP's layout.
        journal: The partition that it is of; compared commit by commit with `salt`.
        handovers: How keys handed over to each other.
        removals: Offsets that somebody noted to have taken out of the journal, from one to before
            another; what is gone besides is a finding. None where nobody knows.
        on_progress: Told (leaves checked, leaves in all).
    """
    audit = Audit()
    try:
        made = parse_checkpoint(checkpoint_file(directory, disk))
        history = list(map(parse_checkpoint, published(directory, disk)))
    except (BadNote, TreeDamaged) as error:
        audit.findings.append(Finding("checkpoint", 0, 1, str(error)))
        return audit
    audit.size = made.size
    verdict = Verdict()
    check_checkpoint(made, trust, handovers, verdict)
    audit.facts = verdict.facts
    audit.findings += [Finding("signature", 0, made.size, text) for text in verdict.problems]
    # a crash may have come between the two files
    if made.note.whole not in [one.note.whole for one in history[-2:]]:
        text = "the newest checkpoint is not the last of those that were signed"
        audit.findings.append(Finding("history", 0, made.size, text))
    if trust.keys:
        _check_history(history, trusted_keys(trust.keys, handovers), audit)
    walk = _Walk(made, trust, history, audit, removals)
    try:
        if (directory / "tile").is_dir():
            walk.run(_Published(directory, disk), _commits(journal, salt, disk), on_progress)
        else:
            with TreeFiles(directory, made.size, disk=disk) as files:
                walk.run(_Packed(files), _commits(journal, salt, disk), on_progress)
    except (KingpostError, IndexError, ValueError) as error:
        at = walk.size
        audit.findings.append(Finding("unreadable", at, at + BUNDLE, str(error)))
    return audit


def _check_history(
    history: Sequence[Checkpoint], keys: Sequence[VerifierKey], audit: Audit
) -> None:
    for one in history:
        try:
            signed_by(one.note, keys)
        except BadNote as error:
            text = f"checkpoint of {one.size:,}: {error.reason}"
            audit.findings.append(Finding("history_signature", 0, max(1, one.size), text))
            return


def _commits(
    journal: Path | None, salt: bytes | None, disk: Disk
) -> Iterator[tuple[WholeFrame, bytes]] | None:
    """Yield the commits of the journal with the leaf that each must have."""
    if journal is None or salt is None:
        return None

    def commits() -> Iterator[tuple[WholeFrame, bytes]]:
        writer = LeafWriter(journal.name, salt)
        scan = Scan(journal, disk=disk)
        try:
            for frame in scan.frames():
                yield frame, b"" if is_removed(frame) else writer.leaf(frame)
        finally:
            scan.close()

    return commits()


class _Walk:
    """One pass over the entries; the roots of every size that somebody has signed."""

    def __init__(
        self,
        made: Checkpoint,
        trust: Trust,
        history: Sequence[Checkpoint],
        audit: Audit,
        removals: Sequence[tuple[int, int]] | None,
    ) -> None:
        self.size = 0
        self._removals, self._removed_until = removals, 0
        self._made, self._audit = made, audit
        self._marks = sorted(
            [
                *(("kept_checkpoint", one) for one in trust.kept),
                *(("history", one) for one in history),
                ("root", made),
            ],
            key=lambda mark: mark[1].size,
        )
        self._matched: dict[str, int] = {}
        self._stack: list[tuple[int, bytes]] = []
        self._edges: dict[int, list[bytes]] = {}
        self._counts: dict[int, int] = {}
        self._next_offset, self._time_us, self._partition = 0, 0, ""
        self._found: set[str] = set()

    def run(
        self,
        source: _Source,
        commits: Iterator[tuple[WholeFrame, bytes]] | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        made, audit = self._made, self._audit
        if commits is not None:
            audit.commits = 0
        self._check_marks([])
        for number in range((made.size + BUNDLE - 1) // BUNDLE):
            width = min(BUNDLE, made.size - number * BUNDLE)
            entries = split_bundle(source.bundle(number, width))
            if len(entries) != width:
                self._find("entries", self.size, f"bundle {number} has {len(entries)} entries")
                entries = entries[:width]
            self._check_entries(entries)
            if commits is not None and not self._compare(entries, commits):
                commits = None
            hashes = [sha256(b"\0" + entry).digest() for entry in entries]
            self._check_tile(source, 0, number, hashes)
            self._check_marks(hashes)
            self.size += len(entries)
            if len(hashes) == BUNDLE:
                self._climb(source, fold(b"".join(hashes)))
            if on_progress is not None:
                on_progress(self.size, made.size)
        for level in range(1, MOST_LEVELS):
            if rest := self._edges.get(level):
                self._check_tile(source, level, self._counts.get(level, 0), rest)
        for code, mark in self._marks:
            if mark.size > self.size:
                text = (
                    f"a checkpoint of {mark.size:,} leaves was signed, and {self.size:,} are there"
                )
                self._find(f"{code}_larger", self.size, text)
        if commits is not None:
            try:
                audit.waiting = sum(1 for _ in commits)
            except JournalCorrupt as error:
                self._find("journal", self.size, str(error))

    def _check_entries(self, entries: Sequence[bytes]) -> None:
        for index, entry in enumerate(entries, self.size):
            try:
                leaf = parse_leaf(entry)
            except BadProof as error:
                self._find("entry", index, error.reason)
                continue
            if leaf.offset != self._next_offset:
                text = f"offset {leaf.offset} where {self._next_offset} belongs"
                self._find("gap", index, text)
            if leaf.time_us < self._time_us:
                self._find("time", index, "it is older than the one before it")
            if index and leaf.partition != self._partition:
                self._find("partition", index, f"it is of partition {leaf.partition!r}")
            self._next_offset, self._time_us = leaf.next_offset, leaf.time_us
            self._partition = leaf.partition

    def _compare(
        self, entries: Sequence[bytes], commits: Iterator[tuple[WholeFrame, bytes]]
    ) -> bool:
        """Compare some leaves with the journal; False where the first one differs."""
        for index, entry in enumerate(entries, self.size):
            if self._removed_until and _offset_of(entry) < self._removed_until:
                self._audit.removed += 1
                continue
            try:
                found = next(commits, None)
            except JournalCorrupt as error:
                self._find("journal", index, str(error))
                return False
            if found is None:
                self._find("journal", index, "the journal ends before this commit")
                return False
            if is_removed(found[0]):
                self._pass_over(index, entry, decode_removed(found[0]))
                continue
            if found[1] != entry:
                text = f"the commit at offset {found[0].offset} is not what its leaf commits to"
                self._find("journal", index, text)
                return False
            self._audit.commits = (self._audit.commits or 0) + 1
        return True

    def _pass_over(self, index: int, entry: bytes, gone: RemovedRange) -> None:
        """Go on after commits that were removed, if that was noted."""
        self._removed_until = gone.next_offset
        self._audit.removed += 1
        if _offset_of(entry) != gone.offset:
            text = f"commits from offset {gone.offset} on were removed, which is none of a leaf's"
            self._find("removed", index, text)
        if self._removals is not None and not any(
            first <= gone.offset and gone.next_offset <= end for first, end in self._removals
        ):
            text = (
                f"offsets {gone.offset} to {gone.next_offset - 1} were removed, and nobody noted it"
            )
            self._find("removed", index, text)

    def _check_tile(
        self, source: _Source, level: int, number: int, hashes: Sequence[bytes]
    ) -> None:
        stored = source.tile(level, number, len(hashes))
        if stored == b"".join(hashes):
            return
        at = next(
            (
                at
                for at, one in enumerate(hashes)
                if stored[at * HASH_SIZE : (at + 1) * HASH_SIZE] != one
            ),
            0,
        )
        index = (number * BUNDLE + at) << 8 * level
        text = f"hash {at} of tile {number} of level {level} is not that of the entries"
        self._find(f"tile_{level}", index, text, until=index + (1 << 8 * level))

    def _climb(self, source: _Source, root: bytes) -> None:
        """Add the root of a full bundle: to the stack of perfect subtrees, and to level 1."""
        height, joined = 0, root
        while self._stack and self._stack[-1][0] == height:
            joined = node_hash(self._stack.pop()[1], joined)
            height += 1
        self._stack.append((height, joined))
        level, one = 1, root
        while True:
            edge = self._edges.setdefault(level, [])
            edge.append(one)
            if len(edge) < BUNDLE:
                return
            number = self._counts.get(level, 0)
            self._check_tile(source, level, number, edge)
            self._counts[level] = number + 1
            one = fold(b"".join(edge))
            self._edges[level] = []
            level += 1

    def _check_marks(self, hashes: Sequence[bytes]) -> None:
        """Compare the roots of the sizes that end among some leaves with what was signed."""
        for code, mark in self._marks:
            rest = mark.size - self.size
            if not (0 < rest <= len(hashes) or (not mark.size and not hashes)):
                continue
            found = EMPTY_ROOT
            if mark.size:
                found = tree_root(rest, subtree_of(hashes[:rest]))
                for _, one in reversed(self._stack):
                    found = node_hash(one, found)
            if found == mark.root and mark.origin == self._made.origin:
                self._matched[code] = mark.size
            else:
                text = (
                    f"the first {mark.size:,} leaves are not those of a checkpoint that was signed"
                )
                at = self._matched.get(code, 0)
                self._find(code, min(at, mark.size - 1), text, until=mark.size)

    def _find(self, code: str, index: int, text: str, *, until: int | None = None) -> None:
        """Note the first finding of each kind."""
        if code not in self._found:
            self._found.add(code)
            end = index + 1 if until is None else until
            self._audit.findings.append(Finding(code, index, end, text))


def _offset_of(entry: bytes) -> int:
    """Return the first offset of a leaf; -1 where it is none, which is found elsewhere."""
    try:
        return parse_leaf(entry).offset
    except BadProof:
        return -1
