"""Every store of tasks keeps the same promises."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kingpost.storage import migrate, open_database
from kingpost.tasks import (
    CLAIM_LEASE_US,
    LARGEST_VALUE,
    TASK_MIGRATIONS,
    BadTaskId,
    BadTaskValue,
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


def approval(identifier: str, **changes: object) -> Task:
    made = task(identifier, kind="approval", queue="finance", decision="", workflow="w-1")
    return replace(made, **{"about": {"amount": 100, "to": {"name": "Zoë"}}, **changes})


def nested(levels: int) -> dict[str, object]:
    return {"in": nested(levels - 1)} if levels else {}


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
        lambda: store.remind(NOW),
        lambda: store.closed("acme", ["a"]),
        lambda: store.withdraw("acme", "a", "", NOW),
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


def test_an_approval_comes_back_with_what_it_is_about(store: TaskStore) -> None:
    asked = approval("w-1-2", due_us=NOW + HOUR, remind_us=NOW + 60)

    store.add([asked])

    assert store.get("acme", "w-1-2") == asked


def test_a_list_leaves_out_what_tasks_are_about(store: TaskStore) -> None:
    store.add([approval("w-1-2")])

    assert store.find(ALL) == [approval("w-1-2", about={})]


@pytest.mark.parametrize(
    "about",
    [
        {"text": "x" * LARGEST_VALUE},
        {"when": object()},
        {"limit": float("inf")},
        nested(400),
        {"half": "\ud800"},
    ],
)
def test_what_cannot_be_kept_as_json_is_refused(store: TaskStore, about: dict[str, object]) -> None:
    with pytest.raises(BadTaskValue):
        store.add([approval("w-1-2", about=about), approval("w-1-3")])
    assert store.find(ALL) == []

    store.add([approval("w-1-2")])
    store.claim("acme", "w-1-2", "ann", NOW)
    with pytest.raises(BadTaskValue):
        store.close("acme", "w-1-2", "ann", "modified", "", NOW, answer=about)
    assert store.get("acme", "w-1-2") == approval("w-1-2", claimed_by="ann", claimed_us=NOW)


def test_a_value_as_large_as_may_be_is_kept(store: TaskStore) -> None:
    about = {"text": "x" * (LARGEST_VALUE - len('{"text":""}'))}

    store.add([approval("w-1-2", about=about)])

    kept = store.get("acme", "w-1-2")
    assert kept is not None
    assert kept.about == about


def test_what_is_asked_about_is_kept_as_it_was(store: TaskStore) -> None:
    lines: list[object] = [1]
    store.add([approval("w-1-2", about={"lines": lines, "pair": (1, 2)})])

    lines.append(2)

    kept = store.get("acme", "w-1-2")
    assert kept is not None
    assert kept.about == {"lines": [1], "pair": [1, 2]}


@pytest.mark.parametrize("identifier", ["order/17-2", "", "x" * 201, "two\nlines"])
def test_an_id_that_no_url_can_hold_is_refused(store: TaskStore, identifier: str) -> None:
    with pytest.raises(BadTaskId):
        store.add([approval(identifier)])


def test_what_a_person_made_of_it_is_kept(store: TaskStore) -> None:
    store.add([approval("w-1-2")])
    store.claim("acme", "w-1-2", "ann", NOW)

    closed = store.close(
        "acme", "w-1-2", "ann", "modified", "half is enough", NOW + 1, answer={"amount": 50}
    )

    assert closed == store.get("acme", "w-1-2")
    assert (closed.verdict, closed.closed_by) == ("modified", "ann")
    assert closed.about == approval("w-1-2").about
    assert closed.answer == {"amount": 50}


def test_of_many_tasks_those_that_are_closed_are_found(store: TaskStore) -> None:
    store.add([approval(f"w-{at}-2") for at in range(4)])
    store.claim("acme", "w-1-2", "ann", NOW)
    answered = store.close("acme", "w-1-2", "ann", "approved", "", NOW, answer={"a": 1})
    store.withdraw("acme", "w-3-2", "too late", NOW)

    found = store.closed("acme", ["w-0-2", "w-1-2", "w-1-2", "w-3-2", "w-9-2"])

    assert sorted(ids(found)) == ["w-1-2", "w-3-2"]
    assert answered in found
    assert store.closed("other", ["w-1-2"]) == []
    assert store.closed("acme", []) == []


def test_a_task_is_withdrawn_whoever_holds_it(store: TaskStore) -> None:
    store.add([approval("w-1-2")])
    store.claim("acme", "w-1-2", "ann", NOW)

    assert store.withdraw("acme", "w-1-2", "nobody answered in time", NOW + 1) is None
    assert store.withdraw("acme", "w-1-2", "again", NOW + 2) is None

    closed = store.get("acme", "w-1-2")
    assert closed is not None
    assert (closed.verdict, closed.closed_by, closed.closed_us) == ("withdrawn", "w-1", NOW + 1)
    assert (closed.reason, closed.claimed_by) == ("nobody answered in time", "")
    with pytest.raises(TaskClosed) as refused:
        store.close("acme", "w-1-2", "ann", "approved", "", NOW + 2)
    assert "needs an answer" in str(refused.value)


def test_what_a_person_answered_is_not_withdrawn_but_returned(store: TaskStore) -> None:
    store.add([approval("w-1-2")])
    store.claim("acme", "w-1-2", "ann", NOW)
    answered = store.close("acme", "w-1-2", "ann", "rejected", "no budget", NOW)

    assert store.withdraw("acme", "w-1-2", "too late", NOW + 1) == answered
    assert store.get("acme", "w-1-2") == answered
    assert store.withdraw("acme", "nothing", "too late", NOW) is None
    assert store.withdraw("other", "w-1-2", "too late", NOW) is None


def test_whoever_gets_a_late_approval_has_as_much_time_again(store: TaskStore) -> None:
    asked = approval("w-1-2", created_us=NOW - HOUR, due_us=NOW, escalate_to="leads")
    store.add([asked, task("review", due_us=NOW, escalate_to="leads")])

    moved = store.escalate(NOW + 7)

    assert {one.id: one.due_us for one in moved} == {"w-1-2": NOW + HOUR, "review": NOW}
    kept = store.get("acme", "w-1-2")
    assert kept == replace(asked, queue="leads", escalated_us=NOW + 7, due_us=NOW + HOUR)
    assert kept in moved
    assert ids(store.find(ALL)) == ["review", "w-1-2"]
    assert store.escalate(NOW + 2 * HOUR) == []


def test_somebody_is_reminded_once_of_what_waits(store: TaskStore) -> None:
    store.add(
        [
            approval("now", remind_us=NOW),
            approval("held", remind_us=NOW - 1),
            approval("later", remind_us=NOW + 1),
            approval("never"),
            approval("answered", remind_us=NOW),
        ]
    )
    store.claim("acme", "held", "ann", NOW)
    store.withdraw("acme", "answered", "", NOW)

    due = store.remind(NOW)

    assert [(one.id, one.reminded_us) for one in due] == [("held", NOW), ("now", NOW)]
    assert due[1] == store.get("acme", "now")
    assert store.remind(NOW) == []
    assert ids(store.remind(NOW + 1)) == ["later"]


def test_a_database_of_the_format_before_is_migrated(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "tasks.sqlite")
    migrate(connection, "tasks", TASK_MIGRATIONS[:6])
    connection.execute(
        "INSERT INTO tasks VALUES ('a', 'acme', 'review', 'fraud-desk', 'fraud', 'a', "
        "'a payment', ?, ?, ?, 'leads', NULL, 'ann', ?, NULL, '', '', '', ?)",
        [NOW, NOW - 5, NOW + HOUR, NOW, task("a", due_us=NOW + HOUR).place],
    )

    migrate(connection, "tasks", TASK_MIGRATIONS)

    before = SqliteTasks(connection)
    assert before.get("acme", "a") == task(
        "a", due_us=NOW + HOUR, escalate_to="leads", claimed_by="ann", claimed_us=NOW
    )
    before.add([approval("w-1-2", remind_us=NOW)])
    assert ids(before.find(ALL)) == ["a", "w-1-2"]
    assert ids(before.remind(NOW)) == ["w-1-2"]
    connection.close()
