"""Taking rows out of sealed files whose commits were removed from the journal.

The rule: what the journal has no more, no file has. The manifest says that a segment was
rewritten and why, and names it as it is now, so that the archive follows.
"""

from bisect import bisect_left
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import duckdb
import msgspec

from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.errors import SealFailed, SealInUse
from kingpost.decisions.sealed.kinds import KINDS
from kingpost.decisions.sealed.manifest import (
    Manifest,
    Rewriting,
    SealedFile,
    SealedFiles,
    SealedSegment,
    manifest_digest,
)
from kingpost.decisions.sealed.tables import columns_of, parquet
from kingpost.decisions.sealed.writing import LOCK, SETTINGS, write_rows
from kingpost.journal import FinishedSegment, check_segment

__all__ = ["remove_sealed", "sealing_paused"]

_KINDS = {kind.name: kind for kind in KINDS}
_STAYS = (
    "NOT EXISTS (SELECT 1 FROM removals WHERE journal_offset >= first AND journal_offset < until)"
)


@contextmanager
def sealing_paused(where: DataDirectory, *, disk: Disk) -> Generator[None, None, None]:
    """Let nobody seal or archive meanwhile.

    Raises:
        SealInUse: Another process does.
    """
    try:
        with SealedFiles(where, disk=disk).manifests.claimed(LOCK):
            yield
    except BlockingIOError as error:
        raise SealInUse(where.root) from error


def remove_sealed(
    where: DataDirectory, removals: Sequence[tuple[int, int]], *, disk: Disk, now_us: int
) -> int:
    """Take out the rows of offsets that were removed, where some are left, in `sealing_paused`.

    Args:
        removals: From one offset to before another, in order and apart.

    Returns:
        How many rows went.

    Raises:
        SealFailed, JournalCorrupt, OSError: What was done stays; the rest goes with the next call.
    """
    files, total = SealedFiles(where, disk=disk), 0
    try:
        with duckdb.connect(config=SETTINGS) as database:
            for manifest in files.read():
                here = _inside(removals, manifest)
                if here:
                    total += _remove_from(database, where, files, manifest, here, disk, now_us)
            files.remove_unnamed()
    except duckdb.Error as error:
        raise SealFailed(files.root, str(error)) from error
    return total


def _inside(removals: Sequence[tuple[int, int]], manifest: Manifest) -> Sequence[tuple[int, int]]:
    at = max(0, bisect_left(removals, (manifest.first_offset + 1, 0)) - 1)
    end = bisect_left(removals, (manifest.last_offset + 1, 0))
    return [one for one in removals[at:end] if one[1] > manifest.first_offset]


def _remove_from(
    database: duckdb.DuckDBPyConnection,
    where: DataDirectory,
    files: SealedFiles,
    manifest: Manifest,
    removals: Sequence[tuple[int, int]],
    disk: Disk,
    now_us: int,
) -> int:
    path = where.data / manifest.segment.name
    checked = check_segment(
        FinishedSegment(path, manifest.first_offset, manifest.last_offset + 1), disk=disk
    )
    segment = SealedSegment(name=path.name, size_bytes=checked.size_bytes, sha256=checked.sha256)
    if segment == manifest.segment:
        return 0  # the rows went when it was rewritten
    database.execute("CREATE OR REPLACE TABLE removals (first BIGINT, until BIGINT)")
    database.executemany("INSERT INTO removals VALUES (?, ?)", list(removals))
    named, replaced, total = list[SealedFile](), list[SealedFile](), 0
    for file in manifest.files:
        kind, source = _KINDS[file.kind], parquet([str(files.root / file.path)])
        row = database.execute(f"SELECT count(*) FROM {source} WHERE {_STAYS}").fetchone()
        rows = 0 if row is None else int(row[0])
        if rows == file.rows:
            named.append(file)
            continue
        total += file.rows - rows
        replaced.append(file)
        if rows:
            name = f"{manifest.stem}.{len(manifest.rewritten) + 1}.parquet"
            columns = columns_of(kind) if manifest.has_subjects else "*"
            selected = f"SELECT {columns} FROM {source} WHERE {_STAYS}"
            named.append(write_rows(files, database, kind, name, rows, selected))
    rewriting = Rewriting(
        reason="retention",
        at_us=now_us,
        until=removals[-1][1],
        rows=total,
        replaced=manifest_digest(manifest),
        segment=manifest.segment,
        files=tuple(replaced),
    )
    files.replace(
        manifest,
        msgspec.structs.replace(
            manifest,
            segment=segment,
            files=tuple(named),
            rewritten=(*manifest.rewritten, rewriting),
        ),
    )
    return total
