"""The databases of an installation, opened for the threads of a server.

The rule: their tables are brought to the present format once, before anybody asks; then
each thread has a connection of its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kingpost.cli.costs import cost_plan_of
from kingpost.cli.read_once import read_once
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    DataDirectory,
    Decision,
    Explainer,
    catalogue_reader,
    profile_of,
)
from kingpost.monitoring import (
    COST_MIGRATIONS,
    INCIDENT_LOG_MIGRATIONS,
    MONITOR_MIGRATIONS,
    IncidentLog,
    SqliteCosts,
    SqliteMonitors,
)
from kingpost.records import RECORD_MIGRATIONS, SqliteRecords
from kingpost.serving import CatalogueSources, CostFigures, ReviewSources
from kingpost.storage import ThreadConnections, migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks

__all__ = ["INBOX_MIGRATIONS", "open_cost_figures", "open_review_sources"]

INBOX_MIGRATIONS: Mapping[str, Sequence[str]] = {
    "tasks": TASK_MIGRATIONS,
    "incidents": INCIDENT_LOG_MIGRATIONS,
}
"""Owners of the tables in the inbox's database, with their migrations."""


def open_review_sources(where: DataDirectory, decisions: Mapping[str, Decision]) -> ReviewSources:
    """Open the inbox and what was observed, and make them where there is nothing yet.

    Args:
        decisions: Whose features are catalogued.

    Raises:
        DatabaseUnreadable, DatabaseNewer: A file is no database, or a later version's.
        StorageFull, StorageBusy, StorageFailed: The disk refused.
    """
    _prepare(where.tasks, *INBOX_MIGRATIONS.items())
    _prepare(where.observed, ("records", RECORD_MIGRATIONS), ("monitoring", MONITOR_MIGRATIONS))
    tasks, observed = ThreadConnections(where.tasks), ThreadConnections(where.observed)
    disk, clock = SystemDisk(), SystemClock()
    control, store = where.control_log(disk=disk, clock=clock), where.artefacts(disk=disk)
    return ReviewSources(
        tasks=lambda: SqliteTasks(tasks.get()),
        records=lambda: SqliteRecords(observed.get()),
        monitors=lambda: SqliteMonitors(observed.get()),
        incident_log=lambda: IncidentLog(tasks.get()),
        explain=Explainer(control, store).explain,
        catalogue=CatalogueSources(
            catalogue_reader(decisions, control),
            read_once(lambda decision, digest: profile_of(control, store, decision, digest)),
        ),
        retrainings=control.retrainings,
    )


def open_cost_figures(where: DataDirectory, application: Application) -> CostFigures | None:
    """Open what was counted, for the metrics; None where nothing has a price.

    Raises:
        WrongCost: Prices and budgets do not go together.
        DatabaseUnreadable, DatabaseNewer, StorageFull, StorageBusy, StorageFailed: See
            `open_review_sources`.
    """
    plan = cost_plan_of(application)
    if not plan.prices:
        return None
    _prepare(where.observed, ("costs", COST_MIGRATIONS))
    observed = ThreadConnections(where.observed)
    return CostFigures(plan, lambda: SqliteCosts(observed.get()), SystemClock())


def _prepare(path: Path, *owners: tuple[str, Sequence[str]]) -> None:
    connection = open_database(path)
    try:
        for owner, migrations in owners:
            migrate(connection, owner, migrations)
    finally:
        connection.close()
