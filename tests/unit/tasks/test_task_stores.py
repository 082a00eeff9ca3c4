"""Every store of tasks keeps the same promises."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kingpost.storage import migrate, open_database
from kingpost.tasks import (
    CLAIM_LEASE_US,
    TASK_MIGRATIONS,
    MemoryTasks,
    NotClaimed,
    QueueCount,
    SqliteTasks,
    Task,
    TaskClaimed,
    TaskClosed,
    TaskNotFound,
    TaskQuery,
    TaskStore,
    TaskStoreFailed,
)

NOW = 1_800_000_000_000_000
HOUR = 3_600_000_000
ALL = TaskQuery(tenant="acme")


def task(identifier: str, **changes: object) -> Task:
    made = Task(
        id=identifier,
        tenant="acme",
        kind="review",
        queue="fraud-desk",
        decision="fraud",
        subject=identifier,
        title="a payment",
        created_us=NOW,
        event_time_us=NOW - 5,
    )
    return replace(made, **changes)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TaskStore]:
    if request.param == "memory":
        yield MemoryTasks()
        return
    connection = open_database(tmp_path / "tasks.sqlite")
    migrate(connection, "tasks", TASK_MIGRATIONS)
    yield SqliteTasks(connection)
    connection.close()


def ids(tasks: Sequence[Task]) -> list[str]:
    return [one.id for one in tasks]


def test_a_task_comes_back_as_it_was_added(store: TaskStore) -> None:
    whole = task("a", due_us=NOW + HOUR, escalate_to="leads", title="über 1000 €")

    assert store.add([whole, task("b")]) == 2
    assert store.get("acme", "a") == whole
    assert store.get("acme", "c") is None


def test_a_task_that_is_told_again_stays_as_it_is(store: TaskStore) -> None:
    store.add([task("a")])
    store.claim("acme", "a", "ann", NOW)

    assert store.add([task("a"), task("b")]) == 1
    assert store.add([]) == 0

    again = store.get("acme", "a")
    assert again is not None
    assert again.claimed_by == "ann"


def test_a_tenant_sees_and_touches_only_its_own(store: TaskStore) -> None:
    store.add([task("a")])

    assert store.get("other", "a") is None
    assert store.find(TaskQuery(tenant="other")) == []
    assert store.counts("other", NOW) == []
    assert store.settle("other", "a", "eve", "approved", "", NOW) is None
    for touch in (
        lambda: store.claim("other", "a", "eve", NOW),
        lambda: store.release("other", "a", "eve"),
        lambda: store.close("other", "a", "eve", "approved", "", NOW),
    ):
        with pytest.raises(TaskNotFound):
            touch()


def test_what_is_open_is_listed_by_urgency_and_what_is_closed_by_recency(
    store: TaskStore,
) -> None:
    store.add(
        [
            task("newer"),
            task("older", created_us=NOW - 1),
            task("due-later", due_us=NOW + 2 * HOUR),
            task("due-soon", due_us=NOW + HOUR),
            task("escalated", due_us=NOW + 3 * HOUR, escalated_us=NOW),
            task("closed-first"),
            task("closed-last"),
        ]
    )
    for at, name in enumerate(("closed-first", "closed-last")):
        store.settle("acme", name, "ann", "approved", "", NOW + at)

    assert ids(store.find(ALL)) == [
        "escalated",
        "due-soon",
        "due-later",
        "older",
        "newer",
        "closed-last",
        "closed-first",
    ]


def test_pages_join_without_a_gap_or_a_repetition(store: TaskStore) -> None:
    store.add([task(f"t{at:02d}", created_us=NOW + at % 3) for at in range(20)])
    for at in range(0, 20, 4):
        store.settle("acme", f"t{at:02d}", "ann", "approved", "", NOW + at % 5)
    whole = ids(store.find(ALL))

    paged: list[str] = []
    after = ""
    while page := store.find(replace(ALL, after=after, limit=3)):
        paged += ids(page)
        after = page[-1].place

    assert len(whole) == 20
    assert paged == whole


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (replace(ALL, queue="fraud-desk"), ["late", "mine", "done"]),
        (replace(ALL, queues=("leads", "operations")), ["drift"]),
        (replace(ALL, queues=()), []),
        (replace(ALL, queue="fraud-desk", queues=("operations",)), []),
        (replace(ALL, kind="incident"), ["drift"]),
        (replace(ALL, state="open"), ["late", "drift"]),
        (replace(ALL, state="claimed"), ["mine"]),
        (replace(ALL, state="closed"), ["done"]),
        (replace(ALL, claimed_by="ann"), ["mine"]),
        (replace(ALL, claimed_by=""), []),
        (replace(ALL, overdue_at_us=NOW), ["late"]),
        (replace(ALL, overdue_at_us=NOW - 2), []),
        (replace(ALL, limit=1), ["late"]),
    ],
)
def test_tasks_are_found_by_what_is_asked(
    store: TaskStore, query: TaskQuery, expected: list[str]
) -> None:
    store.add(
        [
            task("late", due_us=NOW - 1),
            task("mine", due_us=NOW + 1),
            task("drift", kind="incident", queue="operations"),
            task("done", due_us=NOW - 1),
        ]
    )
    store.claim("acme", "mine", "ann", NOW)
    store.settle("acme", "done", "ann", "approved", "", NOW)

    assert ids(store.find(query)) == expected


def test_queues_count_what_waits(store: TaskStore) -> None:
    store.add(
        [
            task("a", due_us=NOW),
            task("b"),
            task("c", due_us=NOW + 1),
            task("d", kind="incident", queue="operations"),
            task("e"),
        ]
    )
    store.claim("acme", "a", "ann", NOW)
    store.settle("acme", "e", "ann", "approved", "", NOW)

    assert store.counts("acme", NOW) == [
        QueueCount("fraud-desk", "review", open=2, claimed=1, overdue=1),
        QueueCount("operations", "incident", open=1, claimed=0, overdue=0),
    ]


def test_a_claim_keeps_others_away_until_it_lapses(store: TaskStore) -> None:
    store.add([task("a")])

    claimed = store.claim("acme", "a", "ann", NOW)
    assert (claimed.state, claimed.claimed_by, claimed.claimed_us) == ("claimed", "ann", NOW)
    with pytest.raises(TaskClaimed) as refused:
        store.claim("acme", "a", "bob", NOW + CLAIM_LEASE_US - 1)
    assert refused.value.by == "ann"

    assert store.claim("acme", "a", "bob", NOW + CLAIM_LEASE_US).claimed_by == "bob"


def test_claiming_again_renews_the_claim(store: TaskStore) -> None:
    store.add([task("a")])
    store.claim("acme", "a", "ann", NOW)

    store.claim("acme", "a", "ann", NOW + CLAIM_LEASE_US - 1)

    with pytest.raises(TaskClaimed):
        store.claim("acme", "a", "bob", NOW + CLAIM_LEASE_US)


def test_a_task_is_released_by_who_holds_it(store: TaskStore) -> None:
    store.add([task("a")])
    with pytest.raises(NotClaimed):
        store.release("acme", "a", "ann")
    store.claim("acme", "a", "ann", NOW)
    with pytest.raises(NotClaimed):
        store.release("acme", "a", "bob")

    released = store.release("acme", "a", "ann")

    assert (released.state, released.claimed_by, released.claimed_us) == ("open", "", None)


def test_a_task_is_closed_once_by_who_holds_it(store: TaskStore) -> None:
    store.add([task("a")])
    with pytest.raises(NotClaimed):
        store.close("acme", "a", "ann", "approved", "", NOW)
    store.claim("acme", "a", "ann", NOW)

    closed = store.close("acme", "a", "ann", "overridden", "known customer", NOW + 1)

    assert closed == store.get("acme", "a")
    assert (closed.state, closed.closed_us, closed.closed_by) == ("closed", NOW + 1, "ann")
    assert (closed.verdict, closed.reason, closed.claimed_by) == (
        "overridden",
        "known customer",
        "",
    )
    for touch in (
        lambda: store.claim("acme", "a", "bob", NOW),
        lambda: store.release("acme", "a", "ann"),
        lambda: store.close("acme", "a", "ann", "approved", "", NOW),
    ):
        with pytest.raises(TaskClosed) as refused:
            touch()
        assert (refused.value.by, refused.value.verdict) == ("ann", "overridden")


def test_what_the_journal_says_closes_a_task_whoever_holds_it(store: TaskStore) -> None:
    store.add([task("a")])
    store.claim("acme", "a", "bob", NOW)

    settled = store.settle("acme", "a", "ann", "approved", "", NOW + 1)

    assert settled is not None
    assert (settled.closed_by, settled.claimed_by) == ("ann", "")
    assert store.settle("acme", "a", "bob", "overridden", "", NOW + 2) is None
    assert store.settle("acme", "nothing", "bob", "overridden", "", NOW + 2) is None
    assert store.get("acme", "a") == settled


def test_what_is_late_moves_once_to_the_queue_it_names(store: TaskStore) -> None:
    store.add(
        [
            task("late", due_us=NOW, escalate_to="leads"),
            task("held", due_us=NOW - 1, escalate_to="leads"),
            task("in-time", due_us=NOW + 1, escalate_to="leads"),
            task("nowhere", due_us=NOW),
            task("done", due_us=NOW, escalate_to="leads"),
        ]
    )
    store.claim("acme", "held", "ann", NOW)
    store.settle("acme", "done", "ann", "approved", "", NOW)

    moved = store.escalate(NOW)

    assert [(one.id, one.queue, one.escalated_us) for one in moved] == [
        ("held", "leads", NOW),
        ("late", "leads", NOW),
    ]
    assert moved[0].claimed_by == "ann"
    assert store.get("acme", "late") == moved[1]
    assert ids(store.find(ALL))[:2] == ["held", "late"]
    assert store.escalate(NOW) == []


def test_a_lapsed_claim_is_let_go(store: TaskStore) -> None:
    store.add([task("a"), task("b")])
    store.claim("acme", "a", "ann", NOW)
    store.claim("acme", "b", "ann", NOW + 1)

    assert store.escalate(NOW + CLAIM_LEASE_US) == []

    assert ids(store.find(replace(ALL, state="open"))) == ["a"]
    assert ids(store.find(replace(ALL, state="claimed"))) == ["b"]


def test_of_many_who_want_a_task_one_gets_it(tmp_path: Path) -> None:
    file = tmp_path / "tasks.sqlite"
    connection = open_database(file)
    migrate(connection, "tasks", TASK_MIGRATIONS)
    SqliteTasks(connection).add([task(f"t{at}") for at in range(20)])
    got: list[tuple[str, str]] = []
    start = threading.Barrier(4)

    def grab(by: str) -> None:
        mine = open_database(file)
        start.wait(10)
        for at in range(20):
            try:
                got.append((SqliteTasks(mine).claim("acme", f"t{at}", by, NOW).id, by))
            except TaskClaimed:
                pass
        mine.close()

    threads = [threading.Thread(target=grab, args=[f"p{at}"]) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    holders = {one.id: one.claimed_by for one in SqliteTasks(connection).find(ALL)}
    connection.close()
    assert len(got) == 20
    assert dict(got) == holders


def test_a_database_that_fails_is_reported_as_such(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "tasks.sqlite")
    store = SqliteTasks(connection)

    calls: tuple[Callable[[], object], ...] = (
        lambda: store.add([task("a")]),
        lambda: store.get("acme", "a"),
        lambda: store.find(ALL),
        lambda: store.counts("acme", NOW),
        lambda: store.claim("acme", "a", "ann", NOW),
        lambda: store.escalate(NOW),
    )
    for call in calls:
        with pytest.raises(TaskStoreFailed):
            call()
    connection.close()


def test_what_waits_is_found_without_what_is_closed(store: TaskStore) -> None:
    store.add([task("r-1"), task("r-2"), task("r-3")])
    store.claim("acme", "r-2", "ann", NOW)
    store.settle("acme", "r-1", "ann", "approved", "", NOW)

    assert ids(store.find(replace(ALL, is_waiting=True))) == ["r-2", "r-3"]
    assert ids(store.find(replace(ALL, is_waiting=True, kind="incident"))) == []
