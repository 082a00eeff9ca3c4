"""The composition root of the worker: one process of a name that runs an application's workflows.

The rule: it runs beside a server or by itself, and reads the same declarations.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kingpost import workflows
from kingpost.cli.people import TaskPeople
from kingpost.cli.place import data_directory
from kingpost.cli.retraining import begin_runs
from kingpost.cli.workflow_place import every_workflow, schedules_of, workflow_database
from kingpost.core import KingpostError, Settings, SystemClock
from kingpost.decisions import load_application
from kingpost.storage import ThreadConnections, migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks

__all__ = ["NothingToWorkOn", "open_worker"]

_NAME_POLL_S = 0.5


class NothingToWorkOn(KingpostError):
    """An application that declares no workflow."""

    code = "nothing_to_work_on"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} declares no workflow; decorate a function with @kp.workflow"


@contextmanager
def open_worker(
    settings: Settings, path: Path, *, wait: threading.Event | None = None
) -> Generator["workflows.Workflows", None, None]:
    """Run the worker of an installation; yield its workflows, and stop it after use.

    Args:
        path: The application's file.
        wait: Wait for another worker of this name to end, until this is set; else that is
            an error.

    Raises:
        AlreadyWorking, NothingToWorkOn
        ApplicationError, BadWorkflow: The application cannot be loaded.
        WorkflowStoreFailed, WorkflowStoreUnfit: The workflows cannot be kept.
        ExtraMissing: The extra `workflows` is not installed, or `otel`, which spans need.
        DatabaseUnreadable, DatabaseNewer, StorageFull, StorageBusy, StorageFailed: The inbox
            cannot be opened.
    """
    application, clock = load_application(path), SystemClock()
    where = data_directory(settings)
    inbox = open_database(where.tasks)
    migrate(inbox, "tasks", TASK_MIGRATIONS)
    inbox.close()
    tasks = ThreadConnections(where.tasks)
    people = TaskPeople(lambda: SqliteTasks(tasks.get()), settings.tenant)
    declared = every_workflow(settings, application, lambda: people)
    schedules = schedules_of(application)
    if not declared:
        raise NothingToWorkOn(path)
    database = workflow_database(settings)

    def worker() -> workflows.Worker:
        return workflows.Worker(
            database,
            declared.values(),
            schedules.values(),
            people=people,
            clock=clock,
            name=settings.worker,
            tenant=settings.tenant,
            otlp_endpoint=settings.otlp_endpoint,
        )

    with ExitStack() as opened:
        known = opened.enter_context(workflows.Workflows(database, clock=clock, declared=declared))
        opened.enter_context(_started(worker, wait))
        opened.enter_context(begin_runs(settings, application, known))
        yield known


@contextmanager
def _started(
    worker: Callable[[], "workflows.Worker"], wait: threading.Event | None
) -> Generator[None, None, None]:
    """Start a worker, as soon as its name is free where that is waited for."""
    while True:
        started = worker()
        try:
            started.start()
            break
        except workflows.AlreadyWorking:
            if wait is None or wait.wait(_NAME_POLL_S):
                raise
    try:
        yield
    finally:
        started.close()
