"""A journal of decisions, labels and reviews written by hand, and an observer of it."""

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from kingpost.contracts import batch_of, contract_of
from kingpost.core import Disk
from kingpost.decisions import Application, DataDirectory
from kingpost.journal import Entry, Journal
from kingpost.monitoring import (
    CostBook,
    CostPlan,
    Incident,
    MonitorStore,
    SqliteCosts,
    SqliteMonitors,
    TaskEvent,
    Watch,
)
from kingpost.records import (
    RECORD_FORMAT,
    DecisionRecord,
    ModelTokens,
    Outcome,
    RecordUsage,
    Review,
    SqliteRecords,
    Stages,
    encode_record,
    encode_review,
    encode_usage,
)
from kingpost.serving import OBSERVED_MIGRATIONS, Observer
from kingpost.serving.observer import LooksAfterFreshness
from kingpost.storage import migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks, TaskStore
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock
from tests.tiny_app import APPLICATION, BUNDLE, MODEL, Chargeback

__all__ = ["START_US", "ObservedJournal", "everything"]

START_US = 1_533_124_800_000_000
_MINUTE_US = 60_000_000
_WIDTH = len(APPLICATION.decisions["fraud"].features)
_decode = contract_of(Chargeback).decode


def no_profile(decision: str, bundle: bytes) -> None:
    """Know no bundle's reference."""


class ObservedJournal:
    """A data directory: its journal on a simulated disk, its databases in files."""

    def __init__(
        self,
        root: Path,
        *,
        disk: Disk | None = None,
        only_read: bool = False,
        application: Application = APPLICATION,
        plan: CostPlan | None = None,
    ) -> None:
        self.plan = plan or CostPlan()
        self._application = application
        self.where = DataDirectory(root)
        self.disk, self.clock = disk or SimulatedDisk(), StoppedClock()
        self.told: list[Incident] = []
        self.told_of_tasks: list[tuple[str, TaskEvent]] = []
        self._number = 0
        self._waiting: list[Sequence[Entry]] | None = None
        if not only_read:
            self.journal = Journal.open(self.where.data, disk=self.disk, clock=self.clock)

    def close(self) -> None:
        """Release the journal."""
        self.journal.close()

    def decide(
        self,
        key: str,
        *,
        tenant: str = "acme",
        decision: str = "fraud",
        outcome: Outcome = Outcome.DECIDED,
        score: float = 0.25,
        amount: float = 20.0,
        minute: float = 0.0,
        bundle: bytes = BUNDLE,
        request: bytes = b"{}",
        is_asked_again: bool = False,
        tokens: Sequence[ModelTokens] = (),
    ) -> bytes:
        """Write a request and its record; return the record's id."""
        self._number += 1
        identifier = self._number.to_bytes(16)
        has_answer = outcome in (Outcome.DECIDED, Outcome.REVIEW, Outcome.FALLBACK)
        positive = "true" if score >= 0.5 else "false"
        features = np.full(_WIDTH, np.nan)
        features[0] = amount
        record = DecisionRecord(
            format=RECORD_FORMAT,
            id=identifier,
            at_us=self.clock.now_us() + self._number,
            decision=decision,
            bundle=bundle,
            model=MODEL,
            principal="key-1",
            tenant=tenant,
            trace_id=f"{self._number:032x}",
            session=None,
            idempotency_key=None,
            request_digest=bytes(32),
            event_key=key,
            event_offset=2 * self._number,
            position=f"data:{2 * self._number}",
            features=b"" if outcome is Outcome.FAILED else features.tobytes(),
            unavailable=(),
            answer=f'{{"fraud":{positive},"score":{score}}}'.encode() if has_answer else b"null",
            confidence=max(score, 1 - score),
            outcome=outcome,
            reason="confidence below 0.75; review by fraud-desk"
            if outcome is Outcome.REVIEW
            else "",
            stages=Stages(10, 20, 30, 0),
            event_time_us=START_US + int(minute * _MINUTE_US),
        )
        self.write(
            Entry("request" if is_asked_again else "event", tenant, "payment", request),
            Entry("record", tenant, decision, encode_record(record)),
        )
        if tokens:
            used = RecordUsage(record=identifier, at_us=record.at_us, tokens=tuple(tokens))
            self.write(Entry("usage", tenant, decision, encode_usage(used)))
        return identifier

    def learn(
        self,
        *labels: tuple[str, bool],
        tenant: str = "acme",
        kind: Literal["event", "correction"] = "event",
    ) -> None:
        """Write what turned out to be true: one event alone, several as a batch."""
        bodies = [
            f'{{"payment":"{key}","at":"2018-08-01T12:00:00Z","known_at":"2018-08-03T12:00:00Z",'
            f'"shop":"s1","fraud":{str(fraud).lower()}}}'.encode()
            for key, fraud in labels
        ]
        if len(bodies) == 1:
            self.write(Entry(kind, tenant, "chargeback", bodies[0]))
            return
        batch = batch_of(contract_of(Chargeback), [_decode(body) for body in bodies])
        self.write(Entry("events", tenant, "chargeback", batch.encode(), len(bodies)))

    def review(
        self,
        record: bytes,
        *,
        positive: bool,
        verdict: Literal["approved", "overridden"] = "overridden",
        tenant: str = "acme",
        by: str = "Ann",
        task: str = "t",
    ) -> None:
        """Write what a person said."""
        said = Review(
            format=1,
            record=record,
            decision="fraud",
            verdict=verdict,
            positive=positive,
            reason="I know them",
            by=by,
            at_us=self.clock.now_us(),
            task=task,
        )
        self.write(Entry("review", tenant, "fraud", encode_review(said)))

    def write(self, *entries: Entry) -> None:
        """Write a commit."""
        if self._waiting is None:
            self.journal.append(entries)
        else:
            self._waiting.append(entries)

    @contextmanager
    def together(self) -> Generator[None, None, None]:
        """Write many commits, durable at the end."""
        self._waiting = []
        yield
        waiting, self._waiting = self._waiting, None
        self.journal.submit(waiting, lambda _: None)

    @contextmanager
    def observer(
        self,
        *,
        new_watch: Callable[[MonitorStore], Watch] | None = None,
        new_tasks: Callable[[sqlite3.Connection], TaskStore] = SqliteTasks,
        new_freshness: Callable[[MonitorStore], LooksAfterFreshness] | None = None,
        step_size: int = 1000,
    ) -> Generator[Observer, None, None]:
        """Open an observer as a new process would."""
        observed, inbox = open_database(self.where.observed), open_database(self.where.tasks)
        for connection in (observed, inbox):
            connection.execute("PRAGMA synchronous = OFF")  # no power is lost here
        for owner, migrations in OBSERVED_MIGRATIONS.items():
            migrate(observed, owner, migrations)
        migrate(inbox, "tasks", TASK_MIGRATIONS)
        monitors = SqliteMonitors(observed)
        observer = Observer(
            self.where,
            self._application,
            SqliteRecords(observed),
            lambda: new_watch(monitors) if new_watch else Watch(monitors, no_profile),
            new_tasks(inbox),
            observed,
            disk=self.disk,
            clock=self.clock,
            on_incident=self.told.append,
            freshness=new_freshness(monitors) if new_freshness else None,
            new_costs=lambda: CostBook(SqliteCosts(observed), monitors, self.plan, "acme"),
            on_task=lambda task, event: self.told_of_tasks.append((task.id, event)),
            step_size=step_size,
        )
        try:
            yield observer
        finally:
            observer.close()
            observed.close()
            inbox.close()

    def observe(self, *, step_size: int = 1000) -> int:
        """Observe what is there as a new process would; return how many steps that took."""
        with self.observer(step_size=step_size) as observer:
            steps = 0
            while observer.step():
                steps += 1
            return steps

    @contextmanager
    def records(self) -> Generator[SqliteRecords, None, None]:
        """Open the search."""
        connection = open_database(self.where.observed)
        try:
            yield SqliteRecords(connection)
        finally:
            connection.close()

    @contextmanager
    def tasks(self) -> Generator[SqliteTasks, None, None]:
        """Open the inbox."""
        connection = open_database(self.where.tasks)
        try:
            yield SqliteTasks(connection)
        finally:
            connection.close()


def everything(*databases: Path) -> dict[str, Sequence[object]]:
    """Read every row of every table of some databases, in an order of their own."""
    rows: dict[str, Sequence[object]] = {}
    for path in databases:
        connection = open_database(path)
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            rows[table] = sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        connection.close()
    return rows
