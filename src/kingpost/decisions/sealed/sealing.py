"""Finished segments of the journal as Parquet files.

The rule: sealing takes nothing away and adds nothing. The same segment gives the same bytes,
by the same versions of Kingpost and DuckDB; a run that is killed leaves whole files, and the
next one goes on after the last manifest.

Rows lie by their offset, and so by their time and id: each group of rows carries the least
and the greatest of both, and a search by either reads the groups that can have it.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

import duckdb
import msgspec

from kingpost.core import Disk, SystemClock
from kingpost.decisions.bundle import read_bundle
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.erasures import begin_erasing_anew, read_erasures
from kingpost.decisions.sealed.errors import SealInUse
from kingpost.decisions.sealed.kinds import KINDS, FeatureNames
from kingpost.decisions.sealed.manifest import (
    MANIFEST_FORMAT,
    Manifest,
    Rewriting,
    SealedFile,
    SealedFiles,
    SealedSegment,
    manifest_digest,
    stem,
)
from kingpost.decisions.sealed.tables import add_rows, columns_of, make_table, quoted, rows_of
from kingpost.decisions.sealed.writing import LOCK, SETTINGS, write_rows
from kingpost.journal import (
    FinishedSegment,
    archived_segment,
    check_segment,
    finished_segments,
    scan,
)

__all__ = ["Sealed", "is_seal_due", "names_of_features", "seal_segments"]

_ALL = frozenset(kind.name for kind in KINDS)


class Sealed(msgspec.Struct, kw_only=True):
    """What a run has sealed; `waiting` are finished segments that it left."""

    segments: int = 0
    records: int = 0
    inferences: int = 0
    reviews: int = 0
    size_bytes: int = 0
    waiting: int = 0


def names_of_features(where: DataDirectory, *, disk: Disk) -> FeatureNames:
    """Find the names of features in the bundles of the control log, each read once.

    Raises:
        UnknownBundle: When called: a record names a bundle that is not there.
    """
    control = where.control_log(disk=disk, clock=SystemClock())
    known: dict[bytes, Sequence[str]] = {}

    def names_of(decision: str, bundle: bytes) -> Sequence[str]:
        if bundle not in known:
            known[bundle] = read_bundle(control.bundle(decision, bundle.hex())).feature_names
        return known[bundle]

    return names_of


def seal_segments(
    where: DataDirectory,
    *,
    disk: Disk,
    names_of: FeatureNames | None = None,
    most: int | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sealed:
    """Seal the finished segments of the partition that were not yet.

    Args:
        names_of: Names the features; from the control log when None.
        most: Seal no more segments than this.
        is_stopped: Asked before each segment.
        on_progress: Told how many segments are sealed, and of how many.

    Raises:
        SealInUse: Another process seals.
        SegmentArchived: A segment lies in an object store that was never sealed.
        JournalCorrupt, JournalNewer: A segment cannot be read.
        UnknownBundle: A record names a bundle that the control log does not have.
        SealFailed, OSError: The disk refused.
    """
    files = SealedFiles(where, disk=disk)
    names = names_of_features(where, disk=disk) if names_of is None else names_of
    done = Sealed()
    try:
        with files.manifests.claimed(LOCK):
            held = {one.stem: one for one in files.read()}
            wanted = _wanted(where, held, disk)
            for number, segment in enumerate(wanted):
                if is_stopped() or (most is not None and number >= most):
                    done.waiting = len(wanted) - number
                    break
                before = held.get(stem(segment))
                if before is not None:
                    begin_erasing_anew(where, disk=disk)
                _add(done, _seal_one(files, segment, before, names, disk))
                on_progress(number + 1, len(wanted))
    except BlockingIOError as error:
        raise SealInUse(where.root) from error
    return done


def is_seal_due(where: DataDirectory, *, disk: Disk) -> bool:
    """Say whether a segment waits to be sealed, or an erasure to be done in a sealed file.

    Raises:
        NewerManifest: A later version of Kingpost sealed.
        JournalCorrupt, JournalNewer, SegmentArchived: The journal cannot be read on.
    """
    manifests = SealedFiles(where, disk=disk).read()
    if _wanted(where, {one.stem: one for one in manifests}, disk):
        return True
    erasures = read_erasures(where, disk=disk)
    return any(one.has_subjects for one in erasures.waiting(manifests))


def _wanted(
    where: DataDirectory, held: Mapping[str, Manifest], disk: Disk
) -> Sequence[FinishedSegment]:
    return [
        segment
        for segment in finished_segments(where.data, disk=disk)
        if _is_wanted(segment, held.get(stem(segment)), disk)
    ]


def _add(done: Sealed, manifest: Manifest) -> None:
    done.segments += 1
    for file in manifest.files:
        setattr(done, file.kind, getattr(done, file.kind) + file.rows)
        done.size_bytes += file.size_bytes


def _is_wanted(segment: FinishedSegment, held: Manifest | None, disk: Disk) -> bool:
    """Say whether a segment is to be sealed: anew where an earlier version did, if it is here."""
    if held is None:
        return True
    return not held.has_subjects and archived_segment(segment, disk=disk) is None


def _seal_one(
    files: SealedFiles,
    segment: FinishedSegment,
    before: Manifest | None,
    names: FeatureNames,
    disk: Disk,
) -> Manifest:
    checked = check_segment(segment, disk=disk)
    commits = scan(
        segment.path.parent, disk=disk, start=segment.first_offset, stop=segment.next_offset
    )
    sealed: list[SealedFile] = []
    with duckdb.connect(config=SETTINGS) as database:
        for kind in KINDS:
            make_table(database, kind, kind.name)
        count = add_rows(database, rows_of(commits, names, _ALL))
        for kind in KINDS:
            if rows := count.get(kind.name):
                selected = f"SELECT {columns_of(kind)} FROM {quoted(kind.name)}"
                name = f"{stem(segment)}.parquet"
                sealed.append(write_rows(files, database, kind, name, rows, selected))
    manifest = Manifest(
        format=MANIFEST_FORMAT,
        partition=files.partition,
        first_offset=segment.first_offset,
        last_offset=segment.next_offset - 1,
        segment=SealedSegment(
            name=segment.path.name, size_bytes=checked.size_bytes, sha256=checked.sha256
        ),
        writer=f"kingpost {metadata.version('kingpost')}, duckdb {duckdb.__version__}",
        files=tuple(sealed),
        rewritten=() if before is None else (_anew(before),),
    )
    files.add(manifest)
    return manifest


def _anew(before: Manifest) -> Rewriting:
    """Say that an earlier version had sealed a segment; its files had the same names."""
    return Rewriting(
        reason="format",
        at_us=SystemClock().now_us(),
        until=0,
        rows=0,
        replaced=manifest_digest(before),
        files=before.files,
    )
