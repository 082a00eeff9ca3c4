"""The observer: everything that follows from the journal, once, whatever happens to it."""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

import kingpost as kp
from kingpost.core import id_text
from kingpost.journal import Entry
from kingpost.monitoring import (
    HOUR_US,
    AlarmTerms,
    Freshness,
    FreshnessWatch,
    Incident,
    Limits,
    MonitorStore,
    MonitorStoreFailed,
    SqliteMonitors,
    Watch,
    incident_id,
)
from kingpost.records import RECORD_MIGRATIONS, NewerRecord, Outcome, RecordQuery, SqliteRecords
from kingpost.serving import OPERATIONS
from kingpost.serving.extraction import SuspicionDocument
from kingpost.storage import migrate, open_database
from kingpost.tasks import SqliteTasks, Task, TaskQuery, TaskStoreFailed
from tests.observed_journal import START_US, ObservedJournal, everything, no_profile
from tests.tiny_app import APPLICATION, payment

ALL = RecordQuery(tenant="acme", decision="fraud")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ObservedJournal]:
    house = ObservedJournal(tmp_path)
    yield house
    house.close()


class Alarmed(Watch):
    """Opens one incident, the first time it has anything to save."""

    opened_us = START_US
    last_at_us = 0

    def flush(self) -> Sequence[Incident]:
        if self._store.incidents("acme"):
            return ()
        incident = Incident(
            id=incident_id("acme", "fraud", "drift", self.opened_us),
            tenant="acme",
            decision="fraud",
            kind="drift",
            title="amount has drifted",
            columns=("amount",),
            opened_us=self.opened_us,
            breach_since_us=self.opened_us,
            value=6.2,
            limit=0.6,
            window="fast",
            rows=50,
            bundle="62" * 32,
            last_at_us=self.last_at_us,
        )
        self._store.save_incident(incident)
        return [incident]


class Failing(Watch):
    """Cannot save, the first time."""

    failures = 1

    def flush(self) -> Sequence[Incident]:
        found = super().flush()
        if Failing.failures:
            Failing.failures -= 1
            raise MonitorStoreFailed("database or disk is full")
        return found


class FullInbox(SqliteTasks):
    """Takes no task."""

    def add(self, tasks: Sequence[Task]) -> int:
        raise TaskStoreFailed("database or disk is full")


class Stop(threading.Event):
    """Is set after so many waits, none of which lasts."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.waited: list[float | None] = []
        self._waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        if len(self.waited) >= self._waits:
            self.set()
        return self.is_set()


def test_a_decision_is_found_with_what_became_known_of_it(house: ObservedJournal) -> None:
    identifier = house.decide("p1", score=0.75, minute=5)
    house.learn(("p1", False))
    house.review(identifier, positive=False)

    house.observe()

    with house.records() as records:
        (line,) = records.find(ALL)
    assert (line.id, line.event_key) == (identifier, "p1")
    assert (line.positive, line.score, line.event_time_us) == (True, 0.75, START_US + 300_000_000)
    assert (line.label, line.label_known_us) == (False, START_US + 2 * 86_400_000_000)
    assert (line.review, line.stands, line.reviewed_by) == ("overridden", False, "Ann")
    assert not line.is_mistaken


@pytest.mark.parametrize(
    ("outcome", "positive", "score"),
    [
        (Outcome.DECIDED, False, 0.25),
        (Outcome.FALLBACK, False, 0.25),
        (Outcome.REVIEW, False, 0.25),
        (Outcome.REFUSED, None, None),
        (Outcome.FAILED, None, None),
    ],
)
def test_every_outcome_is_observed(
    house: ObservedJournal, outcome: Outcome, positive: bool | None, score: float | None
) -> None:
    house.decide("p0")
    house.decide("p1", outcome=outcome)

    house.observe()

    with house.records() as records:
        line = records.find(ALL)[0]
    assert (line.outcome, line.positive, line.score) == (outcome, positive, score)


def test_it_goes_on_with_what_has_come_since(house: ObservedJournal) -> None:
    with house.observer() as observer:
        assert observer.step() == 0
        house.decide("p1")
        house.decide("p2")
        assert observer.step() == 2
        assert observer.step() == 0
        house.decide("p3")
        assert observer.step() == 1
        assert observer.observed.records == 3

    with house.records() as records:
        assert [line.event_key for line in records.find(ALL)] == ["p3", "p2", "p1"]


def test_only_labels_that_come_after_a_decision_count(house: ObservedJournal) -> None:
    house.decide("p0")
    house.learn(("p1", True), ("p2", True))
    house.learn(("p3", True))
    for key in ("p1", "p2", "p3"):
        house.decide(key)
    house.learn(("p2", False), ("p9", True))

    house.observe()

    with house.records() as records:
        labels = {line.event_key: line.label for line in records.find(ALL)}
    assert labels == {"p0": None, "p1": None, "p2": False, "p3": None}


def test_a_corrected_label_takes_the_place_of_the_first(house: ObservedJournal) -> None:
    house.decide("p1")
    house.learn(("p1", True))
    house.learn(("p1", False), kind="correction")

    house.observe()

    with house.records() as records:
        (line,) = records.find(ALL)
    assert line.label is False


def test_a_history_without_decisions_is_passed_over_unread(house: ObservedJournal) -> None:
    house.write(Entry("events", "acme", "chargeback", b"not read", 1_000_000))
    house.decide("p1", tenant="umbrella")
    house.write(Entry("event", "acme", "chargeback", b"not read"))

    assert house.observe() == 1


def test_tenants_do_not_touch_each_other(house: ObservedJournal) -> None:
    mine, theirs = house.decide("p1"), house.decide("p1", tenant="umbrella")
    house.learn(("p1", True), tenant="umbrella")
    house.review(theirs, positive=True, tenant="acme")
    house.review(mine, positive=True, tenant="umbrella")

    house.observe()

    with house.records() as records:
        (line,) = records.find(ALL)
        (other,) = records.find(replace(ALL, tenant="umbrella"))
    assert (line.label, line.review) == (None, None)
    assert (other.label, other.review) == (True, None)


def test_what_goes_to_review_waits_in_the_inbox_until_it_is_answered(
    house: ObservedJournal,
) -> None:
    identifier = house.decide("p1", outcome=Outcome.REVIEW)
    house.decide("p2")
    house.observe()

    with house.tasks() as tasks:
        (task,) = tasks.find(TaskQuery(tenant="acme"))
    assert (task.id, task.queue, task.state) == (id_text(identifier), "fraud-desk", "open")

    house.review(identifier, positive=True)
    house.observe()

    with house.tasks() as tasks:
        (task,) = tasks.find(TaskQuery(tenant="acme"))
    assert (task.state, task.verdict, task.closed_by) == ("closed", "overridden", "Ann")


def test_an_incident_is_told_once_and_waits_in_the_inbox(house: ObservedJournal) -> None:
    Alarmed.last_at_us = house.clock.now_us() - 60_000_000
    house.decide("p1")

    for _ in range(2):
        with house.observer(new_watch=lambda store: Alarmed(store, no_profile)) as observer:
            while observer.step():
                pass
        house.decide("p2")

    assert [incident.title for incident in house.told] == ["amount has drifted"]
    with house.tasks() as tasks:
        (task,) = tasks.find(TaskQuery(tenant="acme", kind="incident"))
    assert (task.id, task.queue) == (house.told[0].id, OPERATIONS)


class Sources:
    """One source that became stale a while ago."""

    def __init__(self, store: MonitorStore) -> None:
        self.looked = 0
        self._watch = FreshnessWatch(store)

    def judge(self, now_us: int) -> Sequence[Incident]:
        self.looked += 1
        stale = Freshness(
            tenant="acme", source="pipeline limits", is_stale=True, until_us=1_000,
            allowed_us=600, title="limits is stale",
        )  # fmt: skip
        return self._watch.judge(["acme"], [stale], now_us)


def test_what_is_stale_is_told_once_though_nothing_is_journalled(house: ObservedJournal) -> None:
    for _ in range(2):
        with house.observer(new_freshness=Sources) as observer:
            assert [observer.step(), observer.step()] == [0, 0]

    assert [incident.title for incident in house.told] == ["limits is stale"]
    with house.tasks() as tasks:
        (task,) = tasks.find(TaskQuery(tenant="acme", kind="incident"))
    assert (task.id, task.queue) == (house.told[0].id, OPERATIONS)


def test_it_is_asked_what_is_stale_every_five_seconds(house: ObservedJournal) -> None:
    made: list[Sources] = []

    def sources(store: MonitorStore) -> Sources:
        made.append(Sources(store))
        return made[0]

    with house.observer(new_freshness=sources) as observer:
        for _ in range(12):
            observer.step()
            house.clock.time_us += 1_000_000

    assert made[0].looked == 3


def test_nobody_is_alerted_of_the_past(house: ObservedJournal) -> None:
    Alarmed.last_at_us = house.clock.now_us() - 3_600_000_000
    house.decide("p1")

    with house.observer(new_watch=lambda store: Alarmed(store, no_profile)) as observer:
        observer.step()

    assert house.told == []
    with house.tasks() as tasks:
        assert len(tasks.find(TaskQuery(tenant="acme", kind="incident"))) == 1


def test_a_step_that_fails_leaves_nothing_and_is_repeated(house: ObservedJournal) -> None:
    house.decide("p1", outcome=Outcome.REVIEW)
    Failing.failures = 1
    with house.observer(new_watch=lambda store: Failing(store, no_profile)) as observer:
        with pytest.raises(MonitorStoreFailed):
            observer.step()
        with house.records() as records:
            assert not records.find(ALL)
        assert observer.step() == 1
        assert observer.observed.records == 1

    with house.records() as records:
        assert records.count("acme", "fraud") == 1


def test_what_could_not_be_passed_on_is_passed_on_later(house: ObservedJournal) -> None:
    house.decide("p1", outcome=Outcome.REVIEW)
    with house.observer(new_tasks=FullInbox) as observer, pytest.raises(TaskStoreFailed):
        observer.step()
    with house.records() as records:
        assert records.count("acme", "fraud") == 1

    house.observe()

    with house.tasks() as tasks:
        assert len(tasks.find(TaskQuery(tenant="acme"))) == 1


def test_people_are_told_once_of_approvals_that_wait(house: ObservedJournal) -> None:
    asked = Task(
        id="w-1-2",
        tenant="acme",
        kind="approval",
        queue="finance",
        decision="",
        subject="w-1-2",
        title="Pay 100 €",
        created_us=house.clock.now_us(),
        event_time_us=house.clock.now_us(),
        due_us=house.clock.now_us() + 1_000_000,
        escalate_to="leads",
        remind_us=house.clock.now_us(),
    )
    with house.observer() as observer, house.tasks() as tasks:
        tasks.add([asked])

        observer.step()
        assert house.told_of_tasks == [("w-1-2", "reminded")]
        house.clock.time_us += 1_000_000
        observer.step()
        observer.step()

    assert house.told_of_tasks == [("w-1-2", "reminded"), ("w-1-2", "escalated")]


def test_what_is_late_is_escalated_at_each_step(house: ObservedJournal) -> None:
    with house.observer() as observer, house.tasks() as tasks:
        late = Task(
            id="t1",
            tenant="acme",
            kind="review",
            queue="fraud-desk",
            decision="fraud",
            subject="t1",
            title="p1",
            created_us=0,
            event_time_us=0,
            due_us=house.clock.now_us() + 1,
            escalate_to="seniors",
        )
        tasks.add([late])
        observer.step()
        assert [task.queue for task in tasks.find(TaskQuery(tenant="acme"))] == ["fraud-desk"]

        house.clock.time_us += 2
        observer.step()
        assert [task.queue for task in tasks.find(TaskQuery(tenant="acme"))] == ["seniors"]


def test_a_journal_that_has_gone_back_is_observed_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = ObservedJournal(tmp_path)
    for number in range(5):
        house.decide(f"p{number}")
    house.observe()
    house.close()

    back = ObservedJournal(tmp_path)  # the same place on another disk: restored, or begun again
    back.decide("q0")
    back.observe()

    with back.records() as records:
        assert [line.event_key for line in records.find(ALL)] == ["q0"]
        assert records.count("acme", "fraud") == 1
    assert "observed_made_anew" in caplog.text
    back.close()


def test_a_journal_that_goes_back_under_a_running_observer_is_observed_anew(
    house: ObservedJournal, tmp_path: Path
) -> None:
    house.decide("p0")
    house.decide("p1")
    with house.observer() as observer:
        observer.step()
        other = ObservedJournal(tmp_path)
        other.decide("q0")
        observer._disk = other.disk  # pyright: ignore[reportPrivateUsage]  files were replaced

        while observer.step() or observer.step():
            pass

    with house.records() as records:
        assert [line.event_key for line in records.find(ALL)] == ["q0"]
    other.close()


def test_a_database_that_was_deleted_is_made_anew(house: ObservedJournal) -> None:
    identifier = house.decide("p1", outcome=Outcome.REVIEW)
    house.learn(("p1", True))
    house.review(identifier, positive=True)
    house.decide("p2")
    house.observe()
    before = everything(house.where.observed, house.where.tasks)
    for path in (house.where.root).glob("observed.sqlite*"):
        path.unlink()

    house.observe()

    assert everything(house.where.observed, house.where.tasks) == before


def test_what_was_observed_before_records_knew_who_asked_is_observed_anew(
    house: ObservedJournal,
) -> None:
    house.decide("p1")
    house.observe()
    by_key = RecordQuery(tenant="acme", decision="fraud", principal="key-1")
    connection = open_database(house.where.observed)
    for statement in (
        "DROP INDEX record_askers",
        "DROP INDEX record_models",
        "ALTER TABLE record_lines DROP COLUMN took_us",
        "ALTER TABLE record_lines DROP COLUMN principal",
        "DROP TABLE record_principals",
        f"UPDATE format SET version = {len(RECORD_MIGRATIONS) - 6} WHERE owner = 'records'",
        "UPDATE format SET version = version - 1 WHERE owner = 'observer'",
    ):
        connection.execute(statement)
    migrate(connection, "records", RECORD_MIGRATIONS)  # as a server does, before the observer
    assert SqliteRecords(connection).find(by_key) == []
    assert [line.event_key for line in SqliteRecords(connection).find(ALL)] == ["p1"]
    connection.close()

    house.observe()

    with house.records() as records:
        assert [line.event_key for line in records.find(by_key)] == ["p1"]
        assert records.count("acme", "fraud") == 1


def test_a_record_of_a_newer_version_ends_it(house: ObservedJournal) -> None:
    house.decide("p1")
    house.write(Entry("record", "acme", "fraud", msgspec.msgpack.encode([99, b"", 1])))

    with house.observer() as observer, pytest.raises(NewerRecord):
        observer.run(threading.Event())


def test_databases_that_cannot_be_written_are_waited_for(
    house: ObservedJournal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    house.decide("p1")
    Failing.failures = 3
    stop = Stop(5)

    with house.observer(new_watch=lambda store: Failing(store, no_profile)) as observer:
        observer.run(stop)

    assert [record.message for record in caplog.records] == ["observing_waits", "observing_goes_on"]
    with house.records() as records:
        assert records.count("acme", "fraud") == 1


def test_a_database_that_another_holds_is_waited_for(house: ObservedJournal) -> None:
    house.decide("p1")
    with house.observer() as observer:
        observer._connection.execute("PRAGMA busy_timeout = 0")  # pyright: ignore[reportPrivateUsage]  not to wait here
        holder = sqlite3.connect(house.where.observed, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        observer.run(Stop(2))
        assert observer.observed.records == 0
        holder.execute("ROLLBACK")
        holder.close()

        observer.run(Stop(1))
        assert observer.observed.records == 1


@pytest.mark.parametrize(
    ("refuse", "allow"),
    [
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 100000"),  # the disk is full
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    ],
)
def test_a_disk_that_takes_nothing_loses_nothing(
    house: ObservedJournal, caplog: pytest.LogCaptureFixture, refuse: str, allow: str
) -> None:
    with house.observer() as observer:
        connection = observer._connection  # pyright: ignore[reportPrivateUsage]  its disk
        connection.execute(refuse)
        for number in range(300):
            house.decide(f"p{number}", outcome=Outcome.REVIEW)

        observer.run(Stop(3))
        assert observer.observed.records == 0
        assert [record.message for record in caplog.records] == ["observing_waits"]

        connection.execute(allow)
        observer.run(Stop(1))
        assert observer.observed.records == 300

    with house.records() as records, house.tasks() as tasks:
        assert records.count("acme", "fraud") == 300
        assert len(tasks.find(TaskQuery(tenant="acme", limit=1000))) == 300


@pytest.fixture
def alarming(tmp_path: Path) -> Iterator[ObservedJournal]:
    """Observe an application whose decision alarms by the card, once in six hours."""
    decision = replace(APPLICATION.decisions["fraud"], alarm=kp.alarm("card", every="6h"))
    application = replace(APPLICATION, decisions={"fraud": decision})
    house = ObservedJournal(tmp_path, application=application)
    yield house
    house.close()


def alarm_watch(store: MonitorStore) -> Watch:
    terms = AlarmTerms(6 * HOUR_US, "fraud")
    return Watch(store, no_profile, lambda decision: Limits(alarm=terms))


def observed_in_steps(house: ObservedJournal, step_size: int) -> Sequence[Incident]:
    """Observe with a new observer for each step; return the alarms, the last opened first."""
    is_more = True
    while is_more:
        with house.observer(new_watch=alarm_watch, step_size=step_size) as observer:
            is_more = observer.step() > 0
    connection = open_database(house.where.observed)
    found = SqliteMonitors(connection).incidents("acme", decision="fraud")
    connection.close()
    return found


@pytest.mark.parametrize("step_size", [1, 3, 1000])
def test_positive_answers_of_an_alarm_open_one_incident_of_each_entity_at_a_time(
    alarming: ObservedJournal, step_size: int
) -> None:
    asked = [
        ("p1", "c1", 0.9, 0), ("p2", "c1", 0.2, 10), ("p3", "c2", 0.8, 20),
        ("p4", "c1", 0.7, 30), ("p5", "c1", 0.95, 360), ("p6", "c3", 0.1, 361),
    ]  # fmt: skip
    made = [
        alarming.decide(key, score=score, minute=minute, request=payment(key, card=card))
        for key, card, score, minute in asked
    ]

    again, second, first = observed_in_steps(alarming, step_size)

    assert [one.title for one in (first, second, again)] == [
        "fraud: c1 is fraud", "fraud: c2 is fraud", "fraud: c1 is fraud"
    ]  # fmt: skip
    assert first.records == (made[0].hex(), made[3].hex())
    assert (first.ended_us, second.ended_us) == (first.opened_us + 6 * HOUR_US, None)
    assert again.opened_us == START_US + 6 * HOUR_US
    assert [one.id for one in alarming.told] == [first.id, second.id, again.id]
    with alarming.tasks() as tasks:
        assert len(tasks.find(TaskQuery(tenant="acme", kind="incident"))) == 3


def test_what_is_refused_or_unknown_alarms_nobody(alarming: ObservedJournal) -> None:
    request = payment("p1", card="c1")
    alarming.decide("p1", score=0.9, outcome=Outcome.FALLBACK, request=request)
    alarming.decide("p2", score=0.9, outcome=Outcome.FAILED, request=payment("p2"))
    alarming.decide("p3", score=0.9, minute=10**8, request=payment("p3"))  # far ahead
    reviewed = alarming.decide(
        "p4", score=0.6, outcome=Outcome.REVIEW, request=payment("p4"), is_asked_again=True
    )

    [only] = observed_in_steps(alarming, 1000)

    assert only.records == (reviewed.hex(),)


def test_a_suspicion_is_an_incident_that_people_are_told_of(house: ObservedJournal) -> None:
    at_us = house.clock.now_us()
    document = SuspicionDocument("a1", "sweep", "99% of requests differ in one field", at_us)
    house.write(Entry("suspicion", "acme", "fraud", msgspec.json.encode(document)))

    house.observe()
    house.observe()

    assert [(one.tenant, one.decision, one.kind) for one in house.told] == [
        ("acme", "fraud", "extraction")
    ]
    with house.tasks() as tasks:
        (task,) = tasks.find(TaskQuery(tenant="acme", kind="incident"))
    assert (task.id, task.queue) == (house.told[0].id, OPERATIONS)
