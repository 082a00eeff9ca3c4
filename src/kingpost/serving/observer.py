"""The observer: reads the journal behind the server and keeps what people look at.

The rule: nothing on the way of a request waits for it, and it needs nothing but the
journal. A step takes some commits and writes everything that follows from them, and how far
it is, in one transaction: records in brief, labels and reviews joined to them, monitors
and incidents. So `kill -9` at any moment leaves what an undisturbed run would have had, and
a database that was deleted is made anew.

What concerns another database or other people (tasks, alerts) is noted as owed in the same
transaction and passed on after it. Disks that are full, locked or read-only are waited for.
"""

import gc
import logging
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from kingpost.core import Clock, Disk
from kingpost.decisions import Application, DataDirectory
from kingpost.journal import Scan
from kingpost.monitoring import (
    COST_MIGRATIONS,
    HOUR_US,
    MONITOR_MIGRATIONS,
    CostBook,
    Incident,
    MonitorStoreFailed,
    TaskEvent,
    Watch,
)
from kingpost.records import (
    RECORD_MIGRATIONS,
    RecordSearch,
    RecordSearchFailed,
)
from kingpost.serving.consequences import Consequences
from kingpost.serving.observed import Gathered, Gathering
from kingpost.serving.observer_store import (
    OBSERVER_MIGRATIONS,
    NewTask,
    ObserverStore,
    ObserverStoreFailed,
    Opened,
    Owed,
    Progress,
    Settled,
    is_where_it_was,
    progress_after,
)
from kingpost.serving.tasks_of import task_of_incident
from kingpost.storage import StorageBusy, StorageFailed, StorageFull, make_anew, transaction
from kingpost.tasks import Task, TaskStore, TaskStoreFailed

__all__ = ["OBSERVED_MIGRATIONS", "Observed", "Observer"]

OBSERVED_MIGRATIONS: Mapping[str, Sequence[str]] = {
    "records": RECORD_MIGRATIONS,
    "monitoring": MONITOR_MIGRATIONS,
    "costs": COST_MIGRATIONS,
    "observer": OBSERVER_MIGRATIONS,
}
"""Owners of the tables in `observed.sqlite`, with their migrations."""

STEP_SIZE = 5_000
"""About so many records, or labels, make a step: half a second's work, 30 MB of memory."""

FRESH_US = HOUR_US
"""Nobody is alerted of an incident among decisions that were made longer ago."""

_POLL_S = 0.5
_PAUSE_S = 2.0
_PASSING = (
    MonitorStoreFailed,
    ObserverStoreFailed,
    RecordSearchFailed,
    StorageBusy,
    StorageFailed,
    StorageFull,
    TaskStoreFailed,
)
_OWED_AT_ONCE = 2_000
_log = logging.getLogger(__name__)


LOOK_EVERY_US = 5_000_000
"""So often it is asked what has become stale."""


class LooksAfterFreshness(Protocol):
    """Knows the sources of an application, and keeps the incidents of stale ones."""

    def judge(self, now_us: int) -> Sequence[Incident]:
        """Open, update and end incidents in the caller's transaction; return those opened."""
        ...


@dataclass
class Observed:
    """What an observer has done since it began.

    Attributes:
        labels: Those that were joined to a record.
        incidents: Those that were opened.
    """

    commits: int = 0
    records: int = 0
    labels: int = 0
    reviews: int = 0
    incidents: list[Incident] = field(default_factory=list[Incident])


class Observer:
    """Observes one data directory; for one thread, and one process at a time.

    Args:
        records: The search, over `connection`.
        new_watch: Makes the monitors as they were left in `connection`.
        tasks: The inbox, over another database.
        connection: To `observed.sqlite`, its tables at the format of `OBSERVED_MIGRATIONS`.
        on_incident: Told of each incident that was opened now; must not wait.
        freshness: Looks after sources that may become stale, now and then.
        new_costs: Makes the costs as they were left in `connection`; without, none are counted.
        on_task: Told of each task that somebody should be reminded of, and of each approval
            that moved to another queue, once; must not wait. After a crash in between it is
            not told again.
        step_size: About how many records or labels make a step.

    Attributes:
        observed: What was done since it began.
    """

    def __init__(
        self,
        where: DataDirectory,
        application: Application,
        records: RecordSearch,
        new_watch: Callable[[], Watch],
        tasks: TaskStore,
        connection: sqlite3.Connection,
        *,
        disk: Disk,
        clock: Clock,
        on_incident: Callable[[Incident], None],
        freshness: LooksAfterFreshness | None = None,
        new_costs: Callable[[], CostBook] | None = None,
        on_task: Callable[[Task, TaskEvent], None] | None = None,
        step_size: int = STEP_SIZE,
    ) -> None:
        self.observed = Observed()
        self._where, self._application = where, application
        self._records, self._new_watch, self._tasks = records, new_watch, tasks
        self._connection, self._disk, self._clock = connection, disk, clock
        self._on_incident, self._step_size = on_incident, step_size
        self._freshness, self._looked_us = freshness, 0
        self._on_task, self._new_costs = on_task, new_costs
        self._store = ObserverStore(connection)
        self._progress: Progress | None = None
        self._scan: Scan | None = None
        self._gathering: Gathering | None = None
        self._watch: Watch | None = None
        self._costs: CostBook | None = None
        self._consequences = Consequences(application, records)

    def step(self) -> int:
        """Observe some more of the journal.

        Returns:
            How many commits that were; 0 when there is no more for now.

        Raises:
            RecordSearchFailed, MonitorStoreFailed, ObserverStoreFailed, TaskStoreFailed,
            StorageFull, StorageBusy, StorageFailed: A database cannot be written; nothing of
                the step was, and it may be repeated.
            JournalCorrupt, JournalNewer, NewerRecord, NewerReview: The journal cannot be
                read on.
        """
        self._pass_on()
        self._look_after_tasks()
        with self._all_or_nothing(), _uncollected():
            gathered, commits, last = self._gather()
            if last is not None:
                self._take(gathered, commits, last)
        looked = self._look_after_freshness()
        if commits or looked:
            self._pass_on()
        if commits:
            return commits
        if self._progress is not None and not self._is_there(self._progress):
            self._begin_anew()
        return 0

    def run(self, stop: threading.Event) -> None:
        """Observe until told to stop; databases that cannot be written are waited for.

        Raises:
            KingpostError: The journal cannot be read on; see `step`.
        """
        is_waiting = False
        while not stop.is_set():
            try:
                commits = self.step()
            except _PASSING as error:
                if not is_waiting:
                    _log.error("observing_waits", extra={"code": error.code, "reason": str(error)})
                is_waiting = True
                stop.wait(_PAUSE_S)
                continue
            if is_waiting:
                _log.warning("observing_goes_on")
                is_waiting = False
            if not commits:
                stop.wait(_POLL_S)

    def close(self) -> None:
        """Release the journal; the databases stay open."""
        self._forget()

    @contextmanager
    def _all_or_nothing(self) -> Generator[None, None, None]:
        """Read everything back from the database after a failure: memory may be ahead of it."""
        try:
            yield
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        if self._scan is not None:
            self._scan.close()
        self._scan = self._gathering = self._watch = self._costs = None

    def _gather(self) -> tuple[Gathered, int, Progress | None]:
        scan, gathering = self._scan, self._gathering
        if scan is None or gathering is None:
            scan, gathering = self._enter()
        gathered, commits, last = Gathered(), 0, None
        for commit in scan.commits():
            gathering.add(commit, gathered)
            commits += 1
            last = commit
            if gathered.size >= self._step_size:
                break
        return gathered, commits, None if last is None else progress_after(last)

    def _enter(self) -> tuple[Scan, Gathering]:
        self._progress = self._store.progress()
        if self._progress is not None and not self._is_there(self._progress):
            self._begin_anew()
        start = 0 if self._progress is None else self._progress.next_offset
        self._scan = Scan(self._where.data, disk=self._disk, start=start)
        self._gathering = Gathering(self._application, self._has_records)
        return self._scan, self._gathering

    def _has_records(self, tenant: str, decision: str) -> bool:
        return self._records.count(tenant, decision) > 0

    def _is_there(self, progress: Progress) -> bool:
        return is_where_it_was(self._where.data, progress, disk=self._disk)

    def _begin_anew(self) -> None:
        """Forget everything observed: it was another journal, or one that has gone back."""
        _log.warning("observed_made_anew", extra={"directory": str(self._where.data)})
        make_anew(self._connection, OBSERVED_MIGRATIONS)
        self._forget()
        self._progress = None

    def _take(self, gathered: Gathered, commits: int, last: Progress) -> None:
        """Write all that follows from some commits, and that they were observed."""
        with self._transaction():
            watch = self._watch = self._watch or self._new_watch()
            noted = self._consequences.note(gathered, watch)
            incidents = [*noted.incidents, *self._note_costs(gathered)]
            owed = self._consequences.owed(gathered, incidents, self._clock.now_us())
            self._store.save(last, owed)
        self._progress = last
        done = self.observed
        done.commits += commits
        done.records += len(gathered.lines)
        done.labels += noted.labels
        done.reviews += sum(map(len, gathered.reviews.values()))
        done.incidents += incidents

    def _note_costs(self, gathered: Gathered) -> Sequence[Incident]:
        if self._new_costs is None:
            return ()
        self._costs = self._costs or self._new_costs()
        return self._costs.note(gathered.costs)

    def _look_after_freshness(self) -> bool:
        """Judge what may have become stale, if that was not done just now; say if it was."""
        now_us = self._clock.now_us()
        if self._freshness is None or abs(now_us - self._looked_us) < LOOK_EVERY_US:
            return False
        with self._transaction():
            opened = self._freshness.judge(now_us)
            self._store.owe(
                [
                    owed
                    for incident in opened
                    for owed in (NewTask(task_of_incident(incident, now_us)), Opened(incident))
                ]
            )
        self._looked_us = now_us
        self.observed.incidents += opened
        return True

    def _look_after_tasks(self) -> None:
        """Move tasks that are late, and remind of those that wait."""
        now_us, tell = self._clock.now_us(), self._on_task
        moved, due = self._tasks.escalate(now_us), self._tasks.remind(now_us)
        if tell is None:
            return
        for task in moved:
            if task.kind == "approval":
                tell(task, "escalated")
        for task in due:
            tell(task, "reminded")

    def _pass_on(self) -> None:
        """Give others what they are owed."""
        while owed := self._store.owed(_OWED_AT_ONCE):
            for kind, group in groupby(owed, key=lambda one: type(one[1])):
                some = list(group)
                if kind is NewTask:
                    self._tasks.add([one.task for _, one in some if isinstance(one, NewTask)])
                for _, one in some:
                    self._tell(one)
                self._store.paid(some[-1][0])

    def _tell(self, owed: Owed) -> None:
        match owed:
            case Settled(tenant, task, by, verdict, reason, at_us):
                self._tasks.settle(tenant, task, by, verdict, reason, at_us)
            case Opened(incident):
                if self._clock.now_us() - incident.last_at_us < FRESH_US:
                    self._on_incident(incident)
            case NewTask():
                pass

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        try:
            with transaction(self._connection):
                yield
        except sqlite3.Error as error:
            raise ObserverStoreFailed(str(error)) from error


@contextmanager
def _uncollected() -> Generator[None, None, None]:
    """Look for no cycles: a step holds many small objects, none of them in one.

    To go through them again and again as their number grows takes a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
