"""Runs of pipelines in SQLite."""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from kingpost.integrations.pipelines.store import PipelineRun, RunStoreFailed

__all__ = ["PIPELINE_MIGRATIONS", "SqliteRuns"]

PIPELINE_MIGRATIONS = (
    """
    CREATE TABLE pipeline_runs (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        pipeline TEXT NOT NULL,
        started_us INTEGER NOT NULL,
        finished_us INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        accepted INTEGER NOT NULL,
        duplicates INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        newest_us INTEGER,
        problem TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX pipeline_runs_of ON pipeline_runs (tenant, pipeline, number)",
    """
    CREATE TABLE pipelines_known (
        tenant TEXT NOT NULL,
        pipeline TEXT NOT NULL,
        since_us INTEGER NOT NULL,
        PRIMARY KEY (tenant, pipeline)
    ) STRICT, WITHOUT ROWID
    """,
)

_COLUMNS = (
    "pipeline, tenant, started_us, finished_us, rows, accepted, duplicates, refused, "
    "newest_us, problem"
)
_OF = "FROM pipeline_runs WHERE tenant = ? AND pipeline = ?"


class SqliteRuns:
    """A `RunStore` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, run: PipelineRun) -> None:
        values = [getattr(run, name) for name in _COLUMNS.split(", ")]
        with _translated():
            self._connection.execute(
                f"INSERT INTO pipeline_runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def latest(self, tenant: str, pipeline: str, limit: int = 1) -> Sequence[PipelineRun]:
        with _translated():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} {_OF} ORDER BY number DESC LIMIT ?", [tenant, pipeline, limit]
            ).fetchall()
        return [PipelineRun(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in rows]

    def newest_event_us(self, tenant: str, pipeline: str) -> int | None:
        with _translated():
            row = self._connection.execute(
                f"SELECT max(newest_us) {_OF}", [tenant, pipeline]
            ).fetchone()
        return None if row[0] is None else int(row[0])

    def known_since_us(self, tenant: str, pipeline: str, now_us: int) -> int:
        of, values = "WHERE tenant = ? AND pipeline = ?", [tenant, pipeline]
        with _translated():
            select = f"SELECT since_us FROM pipelines_known {of}"
            row = self._connection.execute(select, values).fetchone()
            if row is None:
                self._connection.execute(
                    "INSERT OR IGNORE INTO pipelines_known VALUES (?, ?, ?)", [*values, now_us]
                )
                row = self._connection.execute(select, values).fetchone()
        return int(row[0])

    def tenants(self, pipeline: str) -> Sequence[str]:
        with _translated():
            rows = self._connection.execute(
                "SELECT DISTINCT tenant FROM pipeline_runs WHERE pipeline = ? ORDER BY tenant",
                [pipeline],
            ).fetchall()
        return [str(tenant) for (tenant,) in rows]

    def failures(self, tenant: str, pipeline: str) -> int:
        with _translated():
            row = self._connection.execute(
                f"SELECT count(*) {_OF} AND number > "
                f"(SELECT coalesce(max(number), 0) {_OF} AND problem = '')",
                [tenant, pipeline, tenant, pipeline],
            ).fetchone()
        return int(row[0])


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise RunStoreFailed(str(error)) from error
