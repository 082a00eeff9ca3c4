"""Erasing in sealed files: rows of somebody who was erased lose what they tell of a person.

The rule: rows stay, so that what was decided can be counted. New files are whole, and named by
the manifest with the reason, before the old ones go; a run that is killed leaves one or the
other, and the next one finishes its work.
"""

from collections.abc import Callable, Sequence

import duckdb
import msgspec

from kingpost.core import Clock, Disk, SystemClock
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.erasures import (
    ERASED,
    KnownErasures,
    note_erased,
    read_erasures,
    select_without_erased,
    write_erasures,
)
from kingpost.decisions.sealed.errors import SealFailed, SealInUse
from kingpost.decisions.sealed.kinds import KINDS, Kind
from kingpost.decisions.sealed.manifest import (
    Manifest,
    Rewriting,
    SealedFile,
    SealedFiles,
    manifest_digest,
)
from kingpost.decisions.sealed.tables import parquet, quoted
from kingpost.decisions.sealed.writing import LOCK, SETTINGS, write_rows

__all__ = ["ErasedRows", "erase_sealed"]

_KINDS = {kind.name: kind for kind in KINDS}


class ErasedRows(msgspec.Struct, kw_only=True):
    """What a run has erased in sealed files.

    Attributes:
        segments: How many had such rows.
        rows: How many rows lost what they told.
        waiting: Segments that it left, since it was told to stop.
        old: Segments that an earlier version sealed and that lie in an object store alone:
            nobody can tell whom their rows name. `kingpost archive --fetch all`, then seal.
    """

    segments: int = 0
    rows: int = 0
    waiting: int = 0
    old: int = 0


def erase_sealed(
    where: DataDirectory,
    *,
    disk: Disk,
    clock: Clock | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> ErasedRows:
    """Take out of sealed files what they tell of whom was erased since they were written.

    Args:
        clock: Says when; the machine's when None.
        is_stopped: Asked before each segment.

    Raises:
        SealInUse: Another process seals, archives or erases.
        JournalCorrupt, JournalNewer: The journal cannot be read on.
        SealFailed, OSError: The disk refused; what was done stays, the rest waits.
    """
    files, done = SealedFiles(where, disk=disk), ErasedRows()
    now_us = (clock or SystemClock()).now_us()
    try:
        with files.manifests.claimed(LOCK), duckdb.connect(config=SETTINGS) as database:
            files.remove_unnamed()
            known, manifests = read_erasures(where, disk=disk), files.read()
            waiting = known.waiting(manifests)
            done.old = sum(not one.has_subjects for one in waiting)
            if waiting:
                _note(database, files, manifests, waiting, known)
            for number, manifest in enumerate(waiting):
                if is_stopped():
                    done.waiting = len(waiting) - number
                    return done
                if manifest.has_subjects:
                    rows = _erase_in(database, files, manifest, known.next_offset, now_us)
                    done.rows += rows
                    done.segments += rows > 0
            write_erasures(where, known.done(manifests), disk=disk)
    except BlockingIOError as error:
        raise SealInUse(where.root) from error
    except duckdb.Error as error:
        raise SealFailed(files.root, str(error)) from error
    return done


def _note(
    database: duckdb.DuckDBPyConnection,
    files: SealedFiles,
    manifests: Sequence[Manifest],
    waiting: Sequence[Manifest],
    known: KnownErasures,
) -> None:
    def records_of(some: Sequence[Manifest]) -> Sequence[str]:
        paths = files.paths((one for one in some if one.has_subjects), "records")
        return [parquet(paths)] if paths else []

    note_erased(database, known.erasures, records_of(waiting), records_of(manifests))


def _erase_in(
    database: duckdb.DuckDBPyConnection,
    files: SealedFiles,
    manifest: Manifest,
    until: int,
    now_us: int,
) -> int:
    """Write the files of a segment anew that have rows of erased records; return how many."""
    total, replaced, named = 0, list[SealedFile](), list[SealedFile]()
    for file in manifest.files:
        kind = _KINDS[file.kind]
        source = parquet([str(files.root / file.path)])
        rows = _erased_rows(database, kind, source)
        if rows:
            total += rows
            replaced.append(file)
            name = f"{manifest.stem}.{len(manifest.rewritten) + 1}.parquet"
            selected = select_without_erased(kind, source)
            file = write_rows(files, database, kind, name, file.rows, selected)
        named.append(file)
    if total:
        rewriting = Rewriting(
            reason="erasure",
            at_us=now_us,
            until=until,
            rows=total,
            replaced=manifest_digest(manifest),
            files=tuple(replaced),
        )
        files.replace(
            manifest,
            msgspec.structs.replace(
                manifest, files=tuple(named), rewritten=(*manifest.rewritten, rewriting)
            ),
        )
    return total


def _erased_rows(database: duckdb.DuckDBPyConnection, kind: Kind, source: str) -> int:
    if kind.record is None:
        return 0
    row = database.execute(
        f"SELECT count(*) FROM {source} WHERE NOT is_erased "
        f"AND {quoted(kind.record)} IN (SELECT id FROM {quoted(ERASED)})"
    ).fetchone()
    return 0 if row is None else int(row[0])
