"""What the monitors found, in SQLite.

The connection is handed in, with the tables already at the format that
`MONITOR_MIGRATIONS` lead to. No call begins a transaction: the observer joins them with
what else it writes.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import numpy as np

from kingpost.monitoring.errors import MonitorStoreFailed, NewerSummary
from kingpost.monitoring.incident import Incident
from kingpost.monitoring.live import LiveBucket
from kingpost.monitoring.status import MonitorStatus
from kingpost.monitoring.summary import Resolution, Summary, decode_summary, encode_summary
from kingpost.stats import HISTOGRAM_BINS, LogHistogram

__all__ = ["MONITOR_MIGRATIONS", "SqliteMonitors"]

MONITOR_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE monitor_summaries (
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        resolution TEXT NOT NULL,
        start_us INTEGER NOT NULL,
        bundle BLOB NOT NULL,
        counts BLOB NOT NULL,
        PRIMARY KEY (tenant, decision, resolution, start_us, bundle)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE monitor_live (
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        start_us INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        total BLOB NOT NULL,
        PRIMARY KEY (tenant, decision, start_us)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE monitor_statuses (
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        bundle TEXT NOT NULL,
        statuses BLOB NOT NULL,
        PRIMARY KEY (tenant, decision, bundle)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE monitor_states (
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        state BLOB NOT NULL,
        PRIMARY KEY (tenant, decision)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        opened_us INTEGER NOT NULL,
        ended_us INTEGER,
        incident BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX incidents_opened ON incidents (tenant, opened_us, id)",
    "CREATE INDEX incidents_open ON incidents (tenant, opened_us, id) WHERE ended_us IS NULL",
)
"""One statement each; format n is what the first n of them made."""

_Kept = TypeVar("_Kept")
_encoder = msgspec.msgpack.Encoder()
_incident = msgspec.msgpack.Decoder(Incident)
_statuses = msgspec.msgpack.Decoder(list[MonitorStatus])


class SqliteMonitors:
    """A `MonitorStore` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def save_summaries(self, summaries: Sequence[Summary]) -> None:
        with _translated():
            self._connection.executemany(
                "INSERT OR REPLACE INTO monitor_summaries VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (one.tenant, one.decision, one.resolution, one.start_us, one.bundle, body)
                    for one, body in ((one, encode_summary(one)) for one in summaries)
                ],
            )

    def summaries(
        self, tenant: str, decision: str, since_us: int, until_us: int, resolution: Resolution
    ) -> Sequence[Summary]:
        with _translated():
            rows = self._connection.execute(
                "SELECT bundle, start_us, counts FROM monitor_summaries WHERE tenant = ? AND "
                "decision = ? AND resolution = ? AND start_us >= ? AND start_us < ? "
                "ORDER BY start_us, bundle",
                [tenant, decision, resolution, since_us, until_us],
            ).fetchall()
        return [decode_summary(tenant, decision, *row) for row in rows]

    def save_live(self, buckets: Sequence[LiveBucket]) -> None:
        with _translated():
            self._connection.executemany(
                "INSERT OR REPLACE INTO monitor_live VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        bucket.tenant,
                        bucket.decision,
                        bucket.start_us,
                        bucket.rows,
                        bucket.failed,
                        bucket.total.counts.astype("<u4").tobytes(),
                    )
                    for bucket in buckets
                ],
            )

    def live(
        self, tenant: str, decision: str, since_us: int, until_us: int | None = None
    ) -> Sequence[LiveBucket]:
        with _translated():
            rows = self._connection.execute(
                "SELECT start_us, rows, failed, total FROM monitor_live WHERE tenant = ? AND "
                "decision = ? AND start_us >= ? AND (?4 IS NULL OR start_us < ?4) "
                "ORDER BY start_us",
                [tenant, decision, since_us, until_us],
            ).fetchall()
        return [
            LiveBucket(tenant, decision, start_us, count, failed, _histogram(total))
            for start_us, count, failed, total in rows
        ]

    def save_incident(self, incident: Incident) -> None:
        with _translated():
            self._connection.execute(
                "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?)",
                [
                    incident.id,
                    incident.tenant,
                    incident.decision,
                    incident.opened_us,
                    incident.ended_us,
                    _encoder.encode(incident),
                ],
            )

    def incident(self, tenant: str, identifier: str) -> Incident | None:
        with _translated():
            row = self._connection.execute(
                "SELECT incident FROM incidents WHERE id = ? AND tenant = ?", [identifier, tenant]
            ).fetchone()
        return None if row is None else _read(_incident, row[0])

    def incidents(
        self,
        tenant: str,
        *,
        open_only: bool = False,
        decision: str | None = None,
        limit: int = 100,
        before: tuple[int, str] | None = None,
    ) -> Sequence[Incident]:
        terms, values = ["tenant = ?"], list[str | int]([tenant])
        if open_only:
            terms.append("ended_us IS NULL")
        if decision is not None:
            terms.append("decision = ?")
            values.append(decision)
        if before is not None:
            terms.append("(opened_us, id) < (?, ?)")
            values += before
        with _translated():
            rows = self._connection.execute(
                f"SELECT incident FROM incidents WHERE {' AND '.join(terms)} "
                "ORDER BY opened_us DESC, id DESC LIMIT ?",
                [*values, limit],
            ).fetchall()
        return [_read(_incident, row[0]) for row in rows]

    def save_statuses(
        self, tenant: str, decision: str, bundle: str, statuses: Sequence[MonitorStatus]
    ) -> None:
        with _translated():
            self._connection.execute(
                "INSERT OR REPLACE INTO monitor_statuses VALUES (?, ?, ?, ?)",
                [tenant, decision, bundle, _encoder.encode(list(statuses))],
            )

    def statuses(self, tenant: str, decision: str) -> Sequence[MonitorStatus]:
        with _translated():
            rows = self._connection.execute(
                "SELECT statuses FROM monitor_statuses WHERE tenant = ? AND decision = ? "
                "ORDER BY bundle",
                [tenant, decision],
            ).fetchall()
        return [status for row in rows for status in _read(_statuses, row[0])]

    def save_state(self, tenant: str, decision: str, state: bytes) -> None:
        with _translated():
            self._connection.execute(
                "INSERT OR REPLACE INTO monitor_states VALUES (?, ?, ?)", [tenant, decision, state]
            )

    def states(self) -> Sequence[tuple[str, str, bytes]]:
        with _translated():
            return self._connection.execute(
                "SELECT tenant, decision, state FROM monitor_states ORDER BY tenant, decision"
            ).fetchall()

    def purge(
        self, tenant: str, decision: str, *, minutes_before_us: int, live_before_us: int
    ) -> None:
        with _translated():
            self._connection.execute(
                "DELETE FROM monitor_summaries WHERE tenant = ? AND decision = ? AND "
                "resolution = 'minute' AND start_us < ?",
                [tenant, decision, minutes_before_us],
            )
            self._connection.execute(
                "DELETE FROM monitor_live WHERE tenant = ? AND decision = ? AND start_us < ?",
                [tenant, decision, live_before_us],
            )


def _histogram(body: bytes) -> LogHistogram:
    counts = np.frombuffer(body, "<u4").astype(np.int64)
    if len(counts) != HISTOGRAM_BINS:
        raise NewerSummary(f"a histogram of {len(counts)} bins, known are {HISTOGRAM_BINS}")
    return LogHistogram(counts)


def _read(decoder: msgspec.msgpack.Decoder[_Kept], body: bytes) -> _Kept:
    try:
        return decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise NewerSummary(str(error)) from error


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise MonitorStoreFailed(str(error)) from error
