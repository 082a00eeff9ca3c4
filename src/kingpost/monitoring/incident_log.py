"""What was done about incidents: who was told, what people noted, what was reviewed again.

The rule: lines are added and never changed. No journal has them, so they lie beside the inbox,
not with what can be made anew.

The connection is handed in, its table at the format that `INCIDENT_LOG_MIGRATIONS` lead to.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, cast

from kingpost.monitoring.errors import IncidentLogFailed
from kingpost.storage import transaction

__all__ = ["INCIDENT_LOG_MIGRATIONS", "IncidentLog", "LogLine", "LogLineKind"]

LogLineKind = Literal["told", "not_told", "noted", "sent_to_review"]
"""A channel told people, or gave up; a person noted something, or had decisions reviewed again."""

INCIDENT_LOG_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE incident_log (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        incident TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        kind TEXT NOT NULL,
        by TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX incident_log_incident ON incident_log (tenant, incident, number)",
)
"""One statement each; format n is what the first n of them made."""

_MOST = 1_000


class LogLine(NamedTuple):
    """One thing that was done.

    Attributes:
        at_us: By the clock.
        by: The person, or the channel: `log`, `mail`, `slack`, `webhook`.
        text: In the person's own words, or why a channel gave up.
    """

    at_us: int
    kind: LogLineKind
    by: str
    text: str


class IncidentLog:
    """The log of all incidents; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, tenant: str, incident: str, line: LogLine) -> None:
        """Add a line.

        Raises:
            IncidentLogFailed: It could not be written.
        """
        with _translated(), transaction(self._connection):
            self._connection.execute(
                "INSERT INTO incident_log (tenant, incident, at_us, kind, by, text) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [tenant, incident, *line],
            )

    def lines(self, tenant: str, incident: str) -> Sequence[LogLine]:
        """Return the last thousand lines of an incident, the oldest first.

        Raises:
            IncidentLogFailed: They could not be read.
        """
        with _translated():
            rows = self._connection.execute(
                "SELECT at_us, kind, by, text FROM incident_log "
                "WHERE tenant = ? AND incident = ? ORDER BY number DESC LIMIT ?",
                [tenant, incident, _MOST],
            ).fetchall()
        return [
            LogLine(at_us, cast("LogLineKind", kind), by, text)
            for at_us, kind, by, text in reversed(rows)
        ]


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise IncidentLogFailed(str(error)) from error
