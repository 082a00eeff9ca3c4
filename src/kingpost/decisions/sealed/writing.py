"""Rows of a kind as a Parquet file, that appears under its name whole."""

from pathlib import Path

import duckdb

from kingpost.decisions.sealed.errors import SealFailed
from kingpost.decisions.sealed.kinds import Kind
from kingpost.decisions.sealed.manifest import SealedFile, SealedFiles, digest

__all__ = ["LOCK", "SETTINGS", "write_rows"]

LOCK = "seal.lock"
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "TimeZone": "UTC",
    "threads": 1,  # and so the same bytes each time
    "autoinstall_known_extensions": False,
    "memory_limit": "2GB",
}
_ROWS_PER_GROUP = 20_480


def write_rows(
    files: SealedFiles,
    database: duckdb.DuckDBPyConnection,
    kind: Kind,
    name: str,
    rows: int,
    selected: str,
) -> SealedFile:
    """Write what a query gives.

    Args:
        name: Of the file.
        rows: How many the query gives.
        selected: The query; its rows come in the order of the journal.

    Raises:
        SealFailed, OSError: The disk refused.
    """

    def write(path: Path) -> None:
        target = str(path).replace("'", "''")
        database.execute(
            f"COPY ({selected} ORDER BY journal_offset) TO '{target}' "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS_PER_GROUP})"
        )

    place = files.of_kind(kind.name)
    try:
        with place.claimed(LOCK):
            place.place(name, write)
    except duckdb.Error as error:
        raise SealFailed(place.path / name, str(error)) from error
    path = place.path / name
    return SealedFile(
        kind=kind.name,
        path=str(path.relative_to(files.root)),
        rows=rows,
        size_bytes=path.stat().st_size,
        sha256=digest(path),
    )
