"""Serves the small application with its inbox and its search in SQLite, and with workflows.

python -m tests.e2e.review_server DIRECTORY
"""

import sys
from pathlib import Path

from kingpost.access import KeyRing
from kingpost.core import SystemClock
from kingpost.decisions import Explanation
from kingpost.monitoring import (
    INCIDENT_LOG_MIGRATIONS,
    MONITOR_MIGRATIONS,
    IncidentLog,
    SqliteMonitors,
)
from kingpost.records import RECORD_MIGRATIONS, DecisionRecord, SqliteRecords
from kingpost.serving import ReviewSources, ServingSettings, build_app, serve
from kingpost.storage import ThreadConnections, migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks
from tests.e2e.tiny_server import open_keys
from tests.tiny_app import open_engine
from tests.workflow_app import opened

__all__ = ["open_sources"]


def open_sources(directory: Path) -> ReviewSources:
    """Open the databases beside the journal."""
    tasks, observed = directory / "tasks.sqlite", directory / "observed.sqlite"
    for path, owner, migrations in (
        (tasks, "tasks", TASK_MIGRATIONS),
        (tasks, "incidents", INCIDENT_LOG_MIGRATIONS),
        (observed, "records", RECORD_MIGRATIONS),
        (observed, "monitoring", MONITOR_MIGRATIONS),
    ):
        connection = open_database(path)
        migrate(connection, owner, migrations)
        connection.close()
    inbox, seen = ThreadConnections(tasks), ThreadConnections(observed)

    def explain(record: DecisionRecord) -> Explanation:
        return Explanation(base=0, score=0, lines=(), reference_rows=0, period=record.decision)

    return ReviewSources(
        lambda: SqliteTasks(inbox.get()),
        lambda: SqliteRecords(seen.get()),
        lambda: SqliteMonitors(seen.get()),
        lambda: IncidentLog(inbox.get()),
        explain,
    )


def main(directory: Path) -> None:
    clock = SystemClock()
    has_workflows = (directory / "ran").exists()
    app = build_app(
        open_engine(directory / "data", clock=clock),
        KeyRing(open_keys(directory), clock),
        ServingSettings(),
        clock,
        sources=open_sources(directory),
        workflows=opened(directory / "ran" / "ran.sqlite", directory) if has_workflows else None,
    )
    serve(app, "127.0.0.1", 0, 10, ready=lambda at: print(at.url, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
