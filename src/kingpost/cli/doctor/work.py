"""The workflows of an application: what waits for code, and whether somebody works on the rest."""

import sqlite3
from collections.abc import Iterator

from kingpost import workflows
from kingpost.cli.doctor.findings import Result, ok, warned
from kingpost.cli.place import data_directory
from kingpost.cli.workflow_place import every_workflow, has_workflows, workflow_database
from kingpost.core import Settings, SystemClock
from kingpost.decisions import Application

__all__ = ["workflows_found"]


def workflows_found(settings: Settings, application: Application) -> Iterator[Result]:
    """Look at an application's workflows."""
    if not has_workflows(application):
        yield ok("none is declared")
        return
    database = workflow_database(settings)
    where = data_directory(settings)
    if database.is_sqlite:
        if not database.is_sqlite_complete:
            version = sqlite3.sqlite_version
            yield ok(f"SQLite {version} lacks what DBOS asks of 3.42; it is given here")
        if not where.workflows.exists():
            yield ok("none was started yet")
            return
    with workflows.Workflows(
        database,
        clock=SystemClock(),
        declared=every_workflow(settings, application),
        makes_tables=False,
    ) as known:
        counts = known.counts()
        stuck = known.find(workflows.RunQuery(state="waits_for_code", limit=1000))
    if stuck:
        mend = "deploy code that fits, or `kingpost workflows cancel`"
        yield warned(f"{len(stuck)} wait for code, as {stuck[0].id}: {stuck[0].reason}", mend)
    left = sum(counts.values()) - len(stuck)
    if left and not _is_worked_on(database, settings.worker):
        mend = "kingpost run works by itself; without a server: kingpost work APP"
        yield warned(f"{left:,} have not ended, and no worker {settings.worker!r} runs", mend)
    else:
        yield ok(f"{left:,} have not ended")


def _is_worked_on(database: "workflows.WorkflowDatabase", name: str) -> bool:
    names = database.worker_names()
    try:
        return not names.claim(name)
    finally:
        names.close()
