"""Sources that are files, or a query over files."""

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kingpost.contracts import EPOCH, Contract, Event
from kingpost.integrations.errors import UnreadableSource
from kingpost.integrations.ingest import read_file
from kingpost.integrations.reading import Chunk, Reading
from kingpost.integrations.tables import read_query

__all__ = ["FileSource", "QuerySource"]


@dataclass(frozen=True)
class FileSource:
    """Files of one folder or pattern, read whole each time, in the order of their names.

    Attributes:
        path: A file or a pattern, as `warehouse/limits-*.parquet`, counted from the folder
            of the file that declares it; the formats are those of `kingpost ingest`.
        mapping: Field -> column, where the names differ.
        zone: What times without an offset mean; None refuses them.
        ignore_extra: Pass over columns that are no field.
    """

    path: str
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str | None = None
    ignore_extra: bool = False

    is_incremental = False

    @property
    def name(self) -> str:
        """The path as it was declared."""
        return self.path

    def read(self, contract: Contract[Event], since_us: int, beside: Path) -> Iterator[Chunk]:
        """Yield the rows of every file; see `Source.read`."""
        pattern = str(beside / self.path)
        files = sorted(glob.glob(pattern, recursive=True))
        if not files:
            raise UnreadableSource(self.path, "matches no file", f"it is looked for as {pattern}")
        reading = Reading(self.mapping, self.zone, self.ignore_extra)
        before = 0
        for number, file in enumerate(files):
            rows = 0
            for chunk in read_file(Path(file), contract, reading):
                rows = chunk.rows
                share = (number + chunk.share) / len(files)
                yield chunk._replace(rows=before + rows, share=share)
            before += rows


@dataclass(frozen=True)
class QuerySource:
    """A DuckDB query over files.

    Attributes:
        select: A SELECT whose columns are the fields; its paths count from the working
            directory. When it is incremental it has one `?`: the time since which
            rows are wanted, as TIMESTAMP WITH TIME ZONE.
        name: What errors and the quarantine call it.
    """

    select: str
    name: str
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str | None = None
    is_incremental: bool = False

    def read(self, contract: Contract[Event], since_us: int, beside: Path) -> Iterator[Chunk]:
        """Yield the rows of the query; see `Source.read`."""
        return read_query(
            self.select,
            contract,
            Reading(self.mapping, self.zone),
            source=self.name,
            parameters=[moment_of(since_us)] if self.is_incremental else [],
        )


def moment_of(us: int) -> datetime:
    """Return a time as databases take it."""
    return EPOCH.astimezone(UTC) + timedelta(microseconds=us)
