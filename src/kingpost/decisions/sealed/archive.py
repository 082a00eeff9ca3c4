"""Sealed segments in an object store: the segment, its Parquet files and their manifest.

    <prefix>/segments/<partition>/<first>-<last>-<digest>.log
    <prefix>/<kind>/<partition>/<first>-<last>-<digest>.parquet
    <prefix>/manifests/<partition>/<first>.json

The rule: the manifest is written last and once, so what it names is there. Keys of the rest
have the digest of their bytes: to put one again changes nothing, and two installations that
share a prefix by mistake meet at the manifest. Nothing is removed here unless that was asked
for, and then only after the object was read back. In the store only objects are removed that the
manifest says were replaced: since somebody was erased, or a time to keep them is over.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.erasures import read_erasures, write_erasures
from kingpost.decisions.sealed.errors import (
    ArchiveDiffers,
    NotArchived,
    SealedDiffers,
    SealInUse,
)
from kingpost.decisions.sealed.manifest import (
    Manifest,
    SealedFile,
    SealedFiles,
    SealedSegment,
    manifest_digest,
)
from kingpost.decisions.sealed.writing import LOCK
from kingpost.decisions.whole_files import WholeFiles
from kingpost.journal import (
    ArchivedSegment,
    FinishedSegment,
    archived_segment,
    finished_segments,
    last_time_us,
    note_archived,
    restore_segment,
)

__all__ = ["Archived", "Objects", "archive_sealed", "fetch_archived", "prune_archived"]


class Objects(Protocol):
    """An object store, as `ObjectStore`; `url` names it."""

    url: str

    def put(self, key: str, body: bytes) -> None:
        """Put an object, and check it."""
        ...

    def create(self, key: str, body: bytes) -> bytes:
        """Put an object unless there is one; return what is there then."""
        ...

    def get(self, key: str) -> bytes | None:
        """Read an object; None when there is none."""
        ...

    def digest(self, key: str) -> str | None:
        """Return the SHA-256 of an object as it is read back; None when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        ...


class Archived(msgspec.Struct, kw_only=True):
    """What a run has done; `waiting` are sealed segments that it left."""

    store: str
    segments: int = 0
    size_bytes: int = 0
    waiting: int = 0


class _Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """That a manifest is in a store, with all it names."""

    format: int = 1
    store: str
    manifest: str


def archive_sealed(
    where: DataDirectory,
    store: Objects,
    *,
    disk: Disk,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Archived:
    """Put the sealed segments into a store that are not yet there.

    Args:
        is_stopped: Asked before each segment.
        on_progress: Told how many segments are put, and of how many.

    Raises:
        SealInUse: Another process seals or archives.
        SealedDiffers: A file is not what was sealed.
        ArchiveDiffers: Another installation has archived to this place.
        ArchiveUnreachable, ArchiveRefused: See `ObjectStore`.
        NewerManifest: A later version of Kingpost sealed.
        SegmentArchived: A segment was moved away to another store.
    """
    files = SealedFiles(where, disk=disk)
    receipts = files.of_kind("archived")
    done = Archived(store=store.url)
    try:
        with receipts.claimed(LOCK):
            wanted = [one for one in files.read() if not _has(receipts, store, one)]
            for number, manifest in enumerate(wanted):
                if is_stopped():
                    done.waiting = len(wanted) - number
                    break
                done.size_bytes += _put(where, files, store, manifest, disk)
                _note(receipts, store, manifest)
                done.segments += 1
                on_progress(number + 1, len(wanted))
    except BlockingIOError as error:
        raise SealInUse(where.root) from error
    return done


def prune_archived(
    where: DataDirectory, store: Objects, *, disk: Disk, before_us: int
) -> Sequence[str]:
    """Remove segments here that lie in a store, read back just now, and are old.

    Their Parquet files stay, and so do queries. Readers of the journal that come to such a
    segment say where it is.

    Args:
        before_us: Only segments whose last commit was before this moment, microseconds UTC.

    Returns:
        The names of the segments that were removed.

    Raises:
        SealInUse, NewerManifest, ArchiveUnreachable, ArchiveRefused: As in `archive_sealed`.
        ArchiveDiffers: What is in the store is not what was sealed; the segment stays.
    """
    files = SealedFiles(where, disk=disk)
    receipts = files.of_kind("archived")
    removed: list[str] = []
    try:
        with receipts.claimed(LOCK):
            # of erasures in what is removed nobody could read any more
            write_erasures(where, read_erasures(where, disk=disk), disk=disk)
            by_first = {one.first_offset: one for one in files.read()}
            for segment in finished_segments(where.data, disk=disk):
                manifest = by_first.get(segment.first_offset)
                if manifest is None or not _has(receipts, store, manifest):
                    continue
                if archived_segment(segment, disk=disk) is not None:
                    continue
                if last_time_us(segment, disk=disk) >= before_us:
                    break
                key = _segment_key(manifest, manifest.segment)
                if store.digest(key) != manifest.segment.sha256:
                    raise ArchiveDiffers(store.url, key)
                note_archived(
                    segment,
                    ArchivedSegment(
                        store=store.url,
                        key=key,
                        size_bytes=manifest.segment.size_bytes,
                        sha256=manifest.segment.sha256,
                    ),
                    disk=disk,
                )
                removed.append(segment.path.name)
    except BlockingIOError as error:
        raise SealInUse(where.root) from error
    return removed


def fetch_archived(
    where: DataDirectory, store: Objects, *, disk: Disk, offset: int | None = None
) -> Sequence[str]:
    """Bring segments back that were removed here.

    Args:
        offset: Only the segment that holds it; all of them when None.

    Returns:
        The names of the segments that were brought back; those that are here stay.

    Raises:
        NotArchived: No finished segment holds the offset, or its object is in another store.
        ArchiveDiffers: What is in the store is not what was sealed; nothing was changed.
        ArchiveUnreachable, ArchiveRefused: See `ObjectStore`.
    """
    brought: list[str] = []
    for segment in _chosen(where, finished_segments(where.data, disk=disk), offset):
        archived = archived_segment(segment, disk=disk)
        if archived is None:
            continue
        if archived.store != store.url:
            raise NotArchived(segment.path, f"it lies in {archived.store}, not in {store.url}")
        body = store.get(archived.key)
        if body is None or hashlib.sha256(body).hexdigest() != archived.sha256:
            raise ArchiveDiffers(store.url, archived.key)
        restore_segment(segment, body, disk=disk)
        brought.append(segment.path.name)
    return brought


def _chosen(
    where: DataDirectory, segments: Sequence[FinishedSegment], offset: int | None
) -> Iterable[FinishedSegment]:
    if offset is None:
        return segments
    for segment in segments:
        if segment.first_offset <= offset < segment.next_offset:
            return [segment]
    raise NotArchived(where.data, f"no finished segment holds offset {offset}")


def _put(
    where: DataDirectory, files: SealedFiles, store: Objects, manifest: Manifest, disk: Disk
) -> int:
    # by its first offset alone: each journal has one at 0, so two never share a place
    key = f"manifests/{manifest.partition}/{manifest.first_offset:020d}.json"
    named = msgspec.json.encode(manifest)
    held = store.get(key)
    before = _before(manifest, held)
    if held not in (None, named) and before is None:
        raise ArchiveDiffers(store.url, key)
    segment = FinishedSegment(
        where.data / manifest.segment.name, manifest.first_offset, manifest.last_offset + 1
    )
    size = 0
    archived = archived_segment(segment, disk=disk)
    if archived is not None and archived.store != store.url:
        raise NotArchived(segment.path, f"it lies in {archived.store}, not in {store.url}")
    if archived is None and (before is None or before.segment != manifest.segment):
        file = disk.open(segment.path, write=False)
        try:
            body = file.read_at(0, manifest.segment.size_bytes)
        finally:
            file.close()
        _check(segment.path, body, manifest.segment.sha256)
        store.put(_segment_key(manifest, manifest.segment), body)
        size += len(body)
    for one in manifest.files:
        if before is not None and one in before.files:
            continue
        path = files.root / one.path
        body = path.read_bytes()
        _check(path, body, one.sha256)
        store.put(_file_key(manifest, one), body)
        size += len(body)
    if before is not None:
        store.put(key, named)
    elif store.create(key, named) != named:
        raise ArchiveDiffers(store.url, key)
    _remove_replaced(store, manifest)
    return size


def _before(manifest: Manifest, held: bytes | None) -> Manifest | None:
    """Read the manifest in a store, where it is one that this one has replaced."""
    if held is None:
        return None
    digest = hashlib.sha256(held).hexdigest()
    if all(one.replaced != digest for one in manifest.rewritten):
        return None
    return msgspec.json.decode(held, type=Manifest)


def _remove_replaced(store: Objects, manifest: Manifest) -> None:
    """Remove what an earlier manifest named and this one does not; again after a kill."""
    kept = {_segment_key(manifest, manifest.segment)}
    kept.update(_file_key(manifest, one) for one in manifest.files)
    for rewriting in manifest.rewritten:
        gone = {_file_key(manifest, one) for one in rewriting.files}
        if rewriting.segment is not None:
            gone.add(_segment_key(manifest, rewriting.segment))
        for key in sorted(gone - kept):
            store.delete(key)


def _check(path: Path, body: bytes, expected: str) -> None:
    found = hashlib.sha256(body).hexdigest()
    if found != expected:
        raise SealedDiffers(path, expected, found)


def _segment_key(manifest: Manifest, segment: SealedSegment) -> str:
    return f"segments/{manifest.partition}/{manifest.stem}-{segment.sha256[:16]}.log"


def _file_key(manifest: Manifest, file: SealedFile) -> str:
    return f"{file.kind}/{manifest.partition}/{manifest.stem}-{file.sha256[:16]}.parquet"


def _receipt(store: Objects, manifest: Manifest) -> _Receipt:
    return _Receipt(store=store.url, manifest=manifest_digest(manifest))


def _has(receipts: WholeFiles, store: Objects, manifest: Manifest) -> bool:
    path = receipts.path / f"{manifest.stem}.json"
    # of another store, of an earlier sealing, or damaged: it is put again, which is cheap
    return path.exists() and path.read_bytes() == msgspec.json.encode(_receipt(store, manifest))


def _note(receipts: WholeFiles, store: Objects, manifest: Manifest) -> None:
    body = msgspec.json.encode(_receipt(store, manifest))
    receipts.place_bytes(f"{manifest.stem}.json", body)
