"""SQL over everything on record: what was sealed, and what the journal has had since.

The rule: a query reads and nothing else. It is one SELECT; DuckDB may open the sealed files
of the manifests and no other file, no network and no extension, may not be configured anew,
and has a bound in memory and in time. It sees nothing of somebody who was erased, whether or
not the files were written anew since.
"""

import os
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb

from kingpost.contracts import Instant
from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.erasures import (
    KnownErasures,
    note_erased,
    read_erasures,
    select_without_erased,
)
from kingpost.decisions.sealed.errors import BadQuery, QueryTookTooLong, QueryTooLarge
from kingpost.decisions.sealed.kinds import KINDS, SUBJECTS, FeatureNames, Kind
from kingpost.decisions.sealed.manifest import Manifest, SealedFiles
from kingpost.decisions.sealed.sealing import names_of_features
from kingpost.decisions.sealed.tables import (
    add_rows,
    columns_before,
    columns_of,
    make_table,
    parquet,
    quoted,
    rows_of,
)
from kingpost.journal import scan

__all__ = ["Answered", "SealedRecords", "open_sealed"]

MEMORY_MB = 1024
TIMEOUT_S = 60.0
_ZONED = "TIMESTAMP WITH TIME ZONE"
_FORMATS = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}


class Answered(NamedTuple):
    """What a query gave; `is_cut` says that there was more."""

    columns: Sequence[str]
    rows: Sequence[tuple[object, ...]]
    is_cut: bool


@contextmanager
def open_sealed(
    where: DataDirectory,
    *,
    disk: Disk,
    names_of: FeatureNames | None = None,
    memory_mb: int = MEMORY_MB,
    timeout_s: float = TIMEOUT_S,
    threads: int = 2,
) -> Generator["SealedRecords", None, None]:
    """Open what is on record for queries: sealed files, and the journal after the last of them.

    Args:
        names_of: Names the features; from the control log when None.
        memory_mb: The most a query may take.
        timeout_s: How long one may take, the reading of the journal included.

    Raises:
        NewerManifest: A later version of Kingpost sealed.
    """
    names = names_of_features(where, disk=disk) if names_of is None else names_of
    manifests = SealedFiles(where, disk=disk).read()
    database = duckdb.connect(
        config={
            "TimeZone": "UTC",
            "threads": threads,
            "memory_limit": f"{memory_mb}MiB",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
        }
    )
    try:
        yield SealedRecords(database, where, manifests, names, disk, memory_mb, timeout_s)
    finally:
        database.close()


class SealedRecords:
    """Tables `records`, `inferences` and `reviews`, for one thread and one query at a time."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        where: DataDirectory,
        manifests: Sequence[Manifest],
        names_of: FeatureNames,
        disk: Disk,
        memory_mb: int,
        timeout_s: float,
    ) -> None:
        self._database, self._where, self._disk = database, where, disk
        self._names_of, self._memory_mb, self._timeout_s = names_of, memory_mb, timeout_s
        self._sealed, self._next = _unbroken(manifests)
        self._files = SealedFiles(where, disk=disk)
        self._read: set[str] = set()
        self._erasures: KnownErasures | None = None
        for kind in KINDS:
            make_table(database, kind, _tail(kind))
            database.execute(self._view(kind))

    def query(self, sql: str, *, limit: int | None = None) -> Answered:
        """Answer a query.

        Args:
            limit: The most rows that are returned; all when None.

        Raises:
            BadQuery: It is not one SELECT, or DuckDB refuses it.
            QueryTookTooLong, QueryTooLarge: It went beyond its bounds.
            JournalCorrupt, JournalNewer, NewerRecord, NewerReview, UnknownBundle: What was
                not yet sealed cannot be read.
        """
        with self._bounded():
            statement = self._prepare(sql, None)
            asked = self._database.sql(statement)
            columns, types = asked.columns, list(map(str, asked.types))
            answer = self._database.execute(_without_zones(statement, types))
            rows = answer.fetchall() if limit is None else answer.fetchmany(limit + 1)
        is_cut = limit is not None and len(rows) > limit
        rows = [_with_zones(row, types) for row in (rows[:limit] if is_cut else rows)]
        return Answered(columns, rows, is_cut)

    def write(self, sql: str, out: Path) -> int:
        """Write the answer of a query to a `.parquet` or `.csv` file; return its rows.

        The file appears whole or not at all.

        Raises:
            BadQuery, QueryTookTooLong, QueryTooLarge, JournalCorrupt, JournalNewer: As in
                `query`; or the file's name ends in something else.
        """
        format_ = _FORMATS.get(out.suffix)
        if format_ is None:
            raise BadQuery(f"{out.name} ends in neither .parquet nor .csv")
        draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
        target = str(draft).replace("'", "''")
        try:
            with self._bounded():
                statement = self._prepare(sql, draft)
                copied = self._database.execute(f"COPY ({statement}) TO '{target}' ({format_})")
                rows = copied.fetchall()[0][0]
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
        return int(rows)

    def _view(self, kind: Kind) -> str:
        """Make the table of a kind: its files, and the rows that were not yet sealed.

        Nothing is shown of whom was erased after a file was written, or in what came since.
        """
        known, tail = self._erasures, quoted(_tail(kind))
        old = [one for one in self._sealed if not one.has_subjects]
        new = [one for one in self._sealed if one.has_subjects]
        behind = {one.stem for one in known.waiting(new)} if known else set[str]()
        sound = self._source(kind, (one for one in new if one.stem not in behind))
        rest = self._source(kind, (one for one in new if one.stem in behind))
        rows = [f"SELECT {columns_before(kind)} FROM {one}" for one in self._source(kind, old)]
        rows += [f"SELECT {columns_of(kind)} FROM {one}" for one in sound]
        if known is None:
            rows.append(f"SELECT {columns_of(kind)} FROM {tail}")
        else:
            rows += [select_without_erased(kind, one) for one in [*rest, tail]]
        shown = ", ".join(quoted(name) for name in kind.columns if name != SUBJECTS)
        return (
            f"CREATE OR REPLACE VIEW {quoted(kind.name)} AS "
            f"SELECT {shown} FROM ({' UNION ALL '.join(rows)})"
        )

    def _hide_erased(self) -> None:
        """Look for erasures, once, and have the tables show nothing of whom they name."""
        if self._erasures is not None:
            return
        known = read_erasures(self._where, disk=self._disk)
        if not known.erasures:
            return
        records = next(kind for kind in KINDS if kind.name == "records")
        self._read_tail(frozenset([records.name]) - self._read)
        with_subjects = [one for one in self._sealed if one.has_subjects]
        searched = self._source(records, known.waiting(with_subjects))
        done = self._source(records, with_subjects)
        if note_erased(self._database, known.erasures, [*searched, quoted(_tail(records))], done):
            self._erasures = known
            for kind in KINDS:
                self._database.execute(self._view(kind))

    def _source(self, kind: Kind, manifests: Iterable[Manifest]) -> Sequence[str]:
        """Return the files of a kind as SQL reads them; nothing where there are none."""
        paths = self._files.paths(manifests, kind.name)
        return [parquet(paths)] if paths else []

    def _read_tail(self, wanted: frozenset[str]) -> None:
        """Read rows of some kinds that were not yet sealed."""
        if wanted:
            commits = scan(self._where.data, disk=self._disk, start=self._next)
            add_rows(self._database, rows_of(commits, self._names_of, wanted), "tail ")
            self._read |= wanted

    def _prepare(self, sql: str, out: Path | None) -> str:
        """Lock everything else, check a query, and read what it needs of the journal."""
        self._lock(out)  # before the query is looked at: to bind it may open files
        statements = self._database.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise BadQuery("this is not one SELECT")
        statement = sql.strip().removesuffix(";")
        named = statement.lower()  # the word anywhere: to read too much only takes longer
        wanted = frozenset(kind.name for kind in KINDS if kind.name in named) - self._read
        if wanted:
            self._read_tail(wanted)
            self._hide_erased()
        return statement

    def _lock(self, out: Path | None) -> None:
        locked = self._database.execute("SELECT current_setting('lock_configuration')").fetchone()
        if locked == (True,):
            if out is not None:
                raise BadQuery("a file can be written by the first query only")
            return
        allowed = [path for kind in KINDS for path in self._files.paths(self._sealed, kind.name)]
        if out is not None:
            allowed.append(str(out))
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in allowed)
        self._database.execute(f"SET allowed_paths = [{listed}]")
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")

    @contextmanager
    def _bounded(self) -> Generator[None, None, None]:
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            self._database.interrupt()

        timer = threading.Timer(self._timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise QueryTooLarge(self._memory_mb) from error
        except duckdb.Error as error:
            if is_late.is_set():
                raise QueryTookTooLong(self._timeout_s) from error
            raise BadQuery(str(error).strip()) from error
        finally:
            timer.cancel()
            timer.join()


def _tail(kind: Kind) -> str:
    """Name the table of what was not yet sealed."""
    return f"tail {kind.name}"


def _without_zones(statement: str, types: Sequence[str]) -> str:
    """Have times as microseconds: DuckDB gives them to Python with another library only."""
    if not any(_ZONED in one for one in types):
        return statement
    names = [f"c{number}" for number in range(len(types))]
    selected = [
        f"epoch_us({name})"
        if type_ == _ZONED
        else f"CAST({name} AS VARCHAR)"
        if _ZONED in type_
        else name
        for name, type_ in zip(names, types, strict=True)
    ]
    return f"SELECT {', '.join(selected)} FROM ({statement}) answer({', '.join(names)})"


def _with_zones(row: tuple[object, ...], types: Sequence[str]) -> tuple[object, ...]:
    return tuple(
        Instant(value) if type_ == _ZONED and isinstance(value, int) else value
        for value, type_ in zip(row, types, strict=True)
    )


def _unbroken(manifests: Sequence[Manifest]) -> tuple[Sequence[Manifest], int]:
    """Take the manifests up to the first gap; what is behind it is read from the journal."""
    next_offset = 0
    found: list[Manifest] = []
    for manifest in manifests:
        if manifest.first_offset != next_offset:
            break
        found.append(manifest)
        next_offset = manifest.last_offset + 1
    return found, next_offset
