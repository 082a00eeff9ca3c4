"""The composition root of the observer: one process per data directory that watches it.

The rule: two observers never run over one data directory at a time; a lock file keeps the
second one away. The lock goes with the process that holds it.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from kingpost.cli.beside import alone
from kingpost.cli.costs import cost_plan_of
from kingpost.cli.freshness import PipelineFreshness
from kingpost.cli.pipeline_runner import open_runs, pipelines_of
from kingpost.cli.place import data_directory
from kingpost.cli.release_incidents import ReleaseIncidents
from kingpost.cli.stores import INBOX_MIGRATIONS
from kingpost.core import KingpostError, Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    DataDirectory,
    load_application,
    profile_of,
)
from kingpost.monitoring import (
    AlarmTerms,
    AlertSettings,
    CostBook,
    FreshnessWatch,
    IncidentLog,
    Limits,
    LogLine,
    Notifier,
    Profile,
    ReleaseWatch,
    SqliteCosts,
    SqliteMonitors,
    Watch,
)
from kingpost.records import SqliteRecords
from kingpost.serving import OBSERVED_MIGRATIONS, Observer
from kingpost.storage import ThreadConnections, migrate, open_database
from kingpost.tasks import SqliteTasks

__all__ = ["AlreadyObserved", "open_observer"]

_CACHE_KIB = 64 * 1024
_log = logging.getLogger(__name__)


class AlreadyObserved(KingpostError):
    """Another process observes the data directory.

    Safe to retry: nothing was changed.
    """

    code = "already_observed"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return (
            f"another process observes {self.directory}: `kingpost run` starts one by itself "
            "unless it is called with --no-watch"
        )


@contextmanager
def open_observer(
    settings: Settings, path: Path, *, wait: threading.Event | None = None
) -> Generator[Observer, None, None]:
    """Open the observer of an installation, and close all of it after use.

    Args:
        path: The application's file.
        wait: Wait for another observer to end, until this is set; else that is an error.

    Raises:
        AlreadyObserved: Another process observes the same directory.
        ApplicationError: The application cannot be loaded.
        WrongCost: Its prices and budgets do not go together.
        DatabaseUnreadable, DatabaseNewer, StorageFull, StorageBusy, StorageFailed: See
            `open_database` and `migrate`.
    """
    application = load_application(path)
    plan = cost_plan_of(application)
    where, disk, clock = data_directory(settings), SystemDisk(), SystemClock()
    with ExitStack() as opened:
        taken = partial(AlreadyObserved, where.root)
        opened.enter_context(alone(where.root / "observer.lock", wait, taken))
        observed, inbox = (
            opened.enter_context(_observed(where)),
            opened.enter_context(_inbox(where)),
        )
        notifier = Notifier(alert_settings(settings), on_told=_incident_notes(where))
        monitors = SqliteMonitors(observed)
        pipelines = list(pipelines_of(application).values())
        freshness = None
        if pipelines:
            runs = opened.enter_context(open_runs(settings))
            freshness = PipelineFreshness(
                pipelines, runs, FreshnessWatch(monitors), settings.tenant
            )
        control = where.control_log(disk=disk, clock=clock)
        releases = ReleaseIncidents(control, ReleaseWatch(monitors, settings.tenant), freshness)
        opened.callback(releases.close)
        observer = Observer(
            where,
            application,
            SqliteRecords(observed),
            lambda: Watch(monitors, profiles(where), _limits(application)),
            SqliteTasks(inbox),
            observed,
            disk=disk,
            clock=clock,
            on_incident=notifier.tell,
            freshness=releases,
            new_costs=lambda: CostBook(SqliteCosts(observed), monitors, plan, settings.tenant),
            on_task=notifier.tell_of_task,
        )
        try:
            yield observer
        finally:
            observer.close()
            notifier.close()


def alert_settings(settings: Settings) -> AlertSettings:
    """Pick what says where alerts go."""
    return AlertSettings(
        webhook=settings.alert_webhook,
        webhook_secret=settings.alert_webhook_secret,
        slack=settings.alert_slack,
        smtp=settings.alert_smtp,
        smtp_user=settings.alert_smtp_user,
        smtp_password=settings.alert_smtp_password,
        sender=settings.alert_from,
        to=settings.alert_to,
        public_url=settings.public_url,
    )


def _incident_notes(where: DataDirectory) -> Callable[[str, str, LogLine], None]:
    """Write down who was told of an incident; what cannot be written is logged, as it was told."""
    connections = ThreadConnections(where.tasks)

    def note(tenant: str, incident: str, line: LogLine) -> None:
        try:
            IncidentLog(connections.get()).add(tenant, incident, line)
        except KingpostError as error:
            _log.warning(
                "incident_not_noted",
                extra={"incident": incident, "code": error.code, "reason": str(error)},
            )

    return note


def profiles(where: DataDirectory) -> Callable[[str, bytes], Profile | None]:
    """Find the training reference of any bundle, each read once; None when it cannot be read."""
    disk = SystemDisk()
    control = where.control_log(disk=disk, clock=SystemClock())
    store = where.artefacts(disk=disk)
    known: dict[bytes, Profile | None] = {}

    def profile(decision: str, bundle: bytes) -> Profile | None:
        if bundle not in known:
            try:
                known[bundle] = profile_of(control, store, decision, bundle)
            except KingpostError:
                _log.exception("profile_unreadable", extra={"bundle": bundle.hex()})
                known[bundle] = None
        return known[bundle]

    return profile


def _limits(application: Application) -> Callable[[str], Limits]:
    def limits(decision: str) -> Limits:
        declared = application.decisions.get(decision)
        if declared is None:
            return Limits()
        budget, alarm = declared.budget, declared.alarm
        terms = None
        if alarm is not None:
            terms = AlarmTerms(alarm.every_us, declared.model.label.field, alarm.runbook)
        return Limits(budget.total_us, budget.features_us, budget.model_us, terms, declared.slos)

    return limits


@contextmanager
def _observed(where: DataDirectory) -> Generator[sqlite3.Connection, None, None]:
    connection = open_database(where.observed)
    try:
        # all of it follows from the journal: after a power cut the last commits are made again
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        for owner, migrations in OBSERVED_MIGRATIONS.items():
            migrate(connection, owner, migrations)
        yield connection
    finally:
        connection.close()


@contextmanager
def _inbox(where: DataDirectory) -> Generator[sqlite3.Connection, None, None]:
    connection = open_database(where.tasks)
    try:
        for owner, migrations in INBOX_MIGRATIONS.items():
            migrate(connection, owner, migrations)
        yield connection
    finally:
        connection.close()
