"""Retraining in an installation: what is declared, its workflows, and who begins its runs.

The rule: a run is noted in the control log before its workflow is started, under the run's name.
So whoever is killed in between leaves nothing undone: what goes on in the log and was not
started is started when a worker begins, and what was started is not started again.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

from kingpost import workflows
from kingpost.cli.place import data_directory
from kingpost.core import KingpostError, Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    ApplicationError,
    DataDirectory,
    Retraining,
    RetrainingHouse,
    open_run,
    retraining_workflow,
    run_due,
    run_of_incident,
    running_bundle,
)
from kingpost.monitoring import Incident, MonitorStoreFailed, SqliteMonitors
from kingpost.registry import RetrainingEvent
from kingpost.storage import open_database
from kingpost.workflows import People, Workflow

__all__ = ["begin_runs", "retraining_workflows", "retrainings_of", "start_run"]

_LOOK_S = 1.0
_MOST_OPEN = 1_000
_log = logging.getLogger(__name__)


def retrainings_of(application: Application) -> dict[str, Retraining]:
    """Return the retrainings that an application's file declares, by the decision's name.

    Raises:
        ApplicationError: Two are of one decision.
    """
    found: dict[str, Retraining] = {}
    for value in application.names.values():
        if not isinstance(value, Retraining):
            continue
        name = value.decision.name
        if found.setdefault(name, value) is not value:
            path = str(application.root / application.path)
            raise ApplicationError(
                path, f"the decision {name!r} has two retrainings", "keep one, with all causes"
            )
    return found


def retraining_workflows(
    settings: Settings, application: Application, people: Callable[[], People | None]
) -> dict[str, Workflow[..., Any]]:
    """Return the workflows of what is declared, by name."""

    def house() -> RetrainingHouse:
        return RetrainingHouse(
            application,
            data_directory(settings),
            people(),
            SystemDisk(),
            SystemClock(),
            settings.threads,
        )

    made = [retraining_workflow(house, one) for one in retrainings_of(application).values()]
    return {one.name: one for one in made}


def start_run(known: "workflows.Workflows", event: RetrainingEvent) -> None:
    """Start the workflow of a run; one that was started is not started again."""
    named = known.of_tenant(event.tenant)
    named.start_with(named.declared[f"retrain {event.decision}"], [event.run], key=event.run)


@contextmanager
def begin_runs(
    settings: Settings, application: Application, known: "workflows.Workflows"
) -> Generator[None]:
    """Begin runs when incidents and the clock ask for them, in the background."""
    declared = retrainings_of(application)
    if not declared:
        yield
        return
    stop = threading.Event()
    watch = _RunWatch(settings, declared, known)
    thread = threading.Thread(target=watch.follow, args=(stop,), name="retraining", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _RunWatch:
    """Looks at incidents and at the clock; for one thread."""

    def __init__(
        self,
        settings: Settings,
        declared: dict[str, Retraining],
        known: "workflows.Workflows",
    ) -> None:
        self._settings, self._declared, self._known = settings, declared, known
        self._where: DataDirectory = data_directory(settings)
        self._clock = SystemClock()
        self._control = self._where.control_log(disk=SystemDisk(), clock=self._clock)
        self._started: set[str] = set()
        self._is_in_trouble = False

    def follow(self, stop: threading.Event) -> None:
        """Look every second until told to stop; what cannot be read now is read later."""
        while not stop.is_set():
            try:
                for name, one in self._declared.items():
                    self._look(name, one)
                self._is_in_trouble = False
            except (KingpostError, sqlite3.Error, OSError) as error:
                if not self._is_in_trouble:
                    _log.error("retraining_watch_failed", extra={"reason": str(error)})
                self._is_in_trouble = True
            stop.wait(_LOOK_S)

    def _look(self, name: str, declared: Retraining) -> None:
        going_on = open_run(self._control, name)
        if going_on is None:
            self._begin(name, declared)
            going_on = open_run(self._control, name)
        if going_on is not None and going_on.id not in self._started:
            start_run(self._known, going_on.asked)
            self._started.add(going_on.id)

    def _begin(self, name: str, declared: Retraining) -> None:
        for incident in self._open_incidents(name, declared):
            if run_of_incident(declared, incident, self._control, clock=self._clock) is not None:
                return
        if declared.every_us is None:
            return
        running = running_bundle(self._control, name)
        made_us = next(
            one.registered_at_us
            for one in self._control.models(running.model_name)
            if one.number == running.model_number
        )
        tenant = self._settings.tenant
        run_due(declared, running, made_us, self._control, tenant=tenant, clock=self._clock)

    def _open_incidents(self, name: str, declared: Retraining) -> list[Incident]:
        if not declared.on or not self._where.observed.exists():
            return []
        connection = open_database(self._where.observed)
        try:
            # the observer makes its tables when it starts
            with suppress(MonitorStoreFailed):
                found = SqliteMonitors(connection).incidents(
                    self._settings.tenant, open_only=True, decision=name, limit=_MOST_OPEN
                )
                return [one for one in reversed(found) if one.kind in declared.on]
            return []
        finally:
            connection.close()
