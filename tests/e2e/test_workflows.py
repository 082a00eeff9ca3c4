"""Workflows by a real worker, over SQLite and PostgreSQL."""

import asyncio
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import kingpost as kp
from kingpost.core import SystemClock
from kingpost.workflows import (
    AlreadyWorking,
    Answer,
    BadWorkflow,
    NotInTime,
    RetriesExhausted,
    RunQuery,
    StepBlocksLoop,
    Worker,
    WorkflowDatabase,
    WorkflowNotFound,
    WorkflowNotRunning,
    Workflows,
    WorkflowStoreFailed,
)
from tests.workflow_house import Desk, WorkflowHouse, databases, eventually

RAN: list[str] = []
"""What ran, in order; emptied before each test."""


@kp.step
def noted(what: str) -> str:
    RAN.append(what)
    return what


@kp.step(retries=kp.retries(3, "5ms"))
def third_time_lucky() -> str:
    RAN.append(kp.effect_key())
    if len(RAN) < 3:
        raise ConnectionError("busy")
    return "done"


@kp.step(retries=kp.retries(2, "5ms"))
def hopeless() -> None:
    raise ConnectionError("busy")


@kp.step
async def slowly(what: str) -> str:
    RAN.append(what)
    return what


@kp.step(retries=kp.retries(2, "5ms"))
async def second_time_lucky() -> str:
    RAN.append("lucky")
    if RAN.count("lucky") < 2:
        raise ConnectionError("busy")
    return "done"


@kp.workflow
async def luckily() -> list[str]:
    return await kp.together(kp.run(second_time_lucky), kp.run(noted, "x"))


@kp.workflow
def plain(what: str) -> str:
    return noted(f"{what} 1") + noted(f"{what} 2")


@kp.workflow
def lucky() -> str:
    return third_time_lucky()


@kp.workflow
def unlucky() -> None:
    hopeless()


@kp.workflow
async def child(what: str) -> str:
    return await kp.run(noted, what)


@kp.workflow
async def wide() -> list[str]:
    return await kp.together(
        kp.run(noted, "a"), kp.run(slowly, "b"), kp.run(child, "c"), kp.run(noted, "d")
    )


@kp.workflow
async def paid() -> object:
    return await kp.event("paid", within="20s")


@kp.workflow
async def unpaid() -> object:
    return await kp.event("paid", within="100ms")


@kp.workflow
async def asking() -> str:
    answer = await kp.ask("desk", "may it?", about={"amount": 5}, within="1d")
    return f"{answer.verdict} {answer.value}"


@kp.workflow
async def waking() -> None:
    await kp.sleep_until(datetime.fromtimestamp(time.time() - 60, UTC))
    await kp.sleep("50ms")


@kp.workflow
async def blocking() -> str:
    return noted("never")


@kp.step
def refused(word: str) -> str:
    raise ValueError(word)


@kp.workflow(shows_input=False)
def secretive(word: str) -> str:
    return refused(word) if word.startswith("fail") else noted(word)


ALL = [
    plain,
    luckily,
    lucky,
    unlucky,
    child,
    wide,
    paid,
    unpaid,
    asking,
    waking,
    blocking,
    secretive,
]


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[WorkflowHouse]:
    RAN.clear()
    with databases(request.param, tmp_path) as database:
        yield WorkflowHouse(database, Desk())


def test_steps_retries_children_branches_and_errors(house: WorkflowHouse) -> None:
    with house.working(ALL) as client:
        assert client.result(client.start(plain, "x")) == "x 1x 2"
        assert [one.output for one in client.steps(client.find()[0].id)] == ["x 1", "x 2"]
        RAN.clear()
        lucky_id = client.start(lucky)
        assert client.result(lucky_id) == "done"
        assert RAN == [f"{lucky_id}:1"] * 3
        assert [one.failures for one in client.steps(lucky_id)] == [2]
        unlucky_id = client.start(unlucky)
        with pytest.raises(RetriesExhausted, match="ConnectionError: busy"):
            client.result(unlucky_id)
        (step,) = client.steps(unlucky_id)
        assert (step.failures, step.failed[:17]) == (2, "retries_exhausted")
        RAN.clear()
        run = client.start(luckily)
        assert client.result(run) == ["done", "x"]
        assert [one.failures for one in client.steps(run)] == [1, 0]
        RAN.clear()
        assert client.result(client.start(wide)) == ["a", "b", "c", "d"]
        assert sorted(RAN) == ["a", "b", "c", "d"]
        client.result(client.start(waking))
        with pytest.raises(StepBlocksLoop, match="await kp.run"):
            client.result(client.start(blocking))
        states = {one.workflow: one.state for one in client.find()}
    assert states == {
        "plain": "done", "lucky": "done", "unlucky": "failed",
        "luckily": "done", "wide": "done",
        "child": "done", "waking": "done", "blocking": "failed",
    }  # fmt: skip


def test_events_and_people_are_waited_for_over_a_restart(house: WorkflowHouse) -> None:
    desk = house.people
    assert isinstance(desk, Desk)
    with house.beside(ALL) as client:
        paying, asks = client.start(paid), client.start(asking)
    with house.working(ALL) as client:
        eventually(lambda: len(desk.asked) == 1, "the question is in the inbox")
        with pytest.raises(NotInTime, match="did not come within 100ms"):
            client.result(client.start(unpaid))
    with house.beside(ALL) as client:
        assert {client.get(one).state for one in (paying, asks)} == {"running"}
        client.send(paying, "paid", {"cents": 5}, key="once")
        client.send(paying, "paid", {"cents": 5}, key="once")
        (question,) = desk.asked
        desk.said[question] = Answer("modified", "kate", "less", {"amount": 4})
    with house.working(ALL) as client:
        assert client.result(paying) == {"cents": 5}
        assert client.result(asks) == "modified {'amount': 4}"
    assert list(desk.asked) == [f"{asks}-1"]
    assert desk.withdrawn == []


def test_what_waits_holds_no_thread(house: WorkflowHouse) -> None:
    with house.working(ALL) as client:
        client.result(client.start(waking))
        waiting = [client.start(paid) for _ in range(150)]
        eventually(lambda: client.counts() == {("paid", "running"): 150}, "all wait")
        time.sleep(0.5)  # those that have just begun to wait
        threads = threading.active_count()
        for one in waiting:
            client.send(one, "paid", 1)
        assert [client.result(one) for one in waiting] == [1] * 150
    assert threads < 100  # 64 run steps, however many wait


def test_a_key_starts_once_and_tenants_do_not_see_each_other(house: WorkflowHouse) -> None:
    with house.working(ALL) as client:
        ours, theirs = client.of_tenant("ours"), client.of_tenant("theirs")
        one = ours.start_with(plain, ["x"], key="order-7")
        assert ours.start_with(plain, ["y"], key="order-7") == one == "ours:order-7"
        theirs_too = theirs.start_with(plain, ["z"], key="order-7")
        assert ours.result(one) == "x 1x 2"
        assert theirs.result(theirs_too) == "z 1z 2"
        assert [run.id for run in theirs.find()] == [theirs_too]
        for refused in (theirs.get, theirs.cancel, theirs.steps, theirs.result):
            with pytest.raises(WorkflowNotFound):
                refused(one)
        with pytest.raises(WorkflowNotFound):
            theirs.send(one, "paid", 1)
        assert [run.id for run in ours.find()] == [one]
        assert {run.id for run in client.find()} == {one, theirs_too}


def test_cancel_resume_and_fork(house: WorkflowHouse) -> None:
    gate = threading.Event()

    @kp.step
    def held(what: str) -> str:
        RAN.append(what)
        gate.wait(20)
        return what

    @kp.workflow
    def stopping() -> list[str]:
        return [noted("first"), held("second"), noted("third")]

    with house.working([stopping]) as client:
        run = client.start(stopping)
        eventually(lambda: RAN == ["first", "second"], "the second step runs")
        assert client.cancel(run).state == "cancelled"
        gate.set()
        with pytest.raises(WorkflowNotRunning, match="cannot be cancelled"):
            client.cancel(run)
        time.sleep(0.3)
        assert RAN == ["first", "second"]
        client.resume(run)
        assert client.result(run) == ["first", "second", "third"]
        assert RAN.count("first") == 1
        with pytest.raises(WorkflowNotRunning, match="fork"):
            client.resume(run)
        RAN.clear()
        forked = client.fork(run, 3)
        assert client.result(forked.id) == ["first", "second", "third"]
        assert (RAN, forked.forked_from) == (["third"], run)
        with pytest.raises(WorkflowNotRunning, match="step 9"):
            client.fork(run, 9)
        with pytest.raises(WorkflowNotFound, match="workflows list"):
            client.resume("nobody")


def test_a_cancelled_workflow_withdraws_its_question_and_a_closed_worker_does_not(
    house: WorkflowHouse, caplog: pytest.LogCaptureFixture
) -> None:
    desk = house.people
    assert isinstance(desk, Desk)
    with house.working(ALL) as client:
        run = client.start(asking)
        eventually(lambda: f"{run}-1" in desk.asked, "it has asked")
        time.sleep(0.3)
    assert desk.withdrawn == []
    with house.working(ALL) as client:
        eventually(lambda: client.counts() == {("asking", "running"): 1}, "it waits again")
        time.sleep(1.5)
        client.cancel(run)
        eventually(lambda: desk.withdrawn == [f"{run}-1"], "the question is withdrawn")
    assert "may it?" not in caplog.text


def test_what_ended_long_ago_is_let_go_of_and_nothing_else(house: WorkflowHouse) -> None:
    with house.working(ALL) as client:
        ours, theirs = client.of_tenant("ours"), client.of_tenant("theirs")
        ended = [ours.start(plain, "a"), theirs.start(plain, "b")]
        with pytest.raises(RetriesExhausted):
            ours.result(ours.start(unlucky))
        for one in ended:
            client.result(one)
        waiting, later = ours.start(paid), ours.start_with(plain, ["c"], after="1h")
        eventually(lambda: ours.get(waiting).state == "running", "it waits")
        assert ours.prune("1h") == 0
        time.sleep(0.01)
        assert ours.prune("0s") == 2
        assert {one.id for one in client.find()} == {ended[1], waiting, later}
        with pytest.raises(WorkflowNotFound):
            ours.steps(ended[0])


def test_queues_limit_and_priorities_order(house: WorkflowHouse) -> None:
    narrow = kp.queue("narrow", at_once=1, poll="20ms")
    running: list[int] = []

    @kp.step
    def counted(what: str) -> None:
        RAN.append(what)
        running.append(1)
        assert len(running) == 1
        time.sleep(0.03)
        running.pop()

    @kp.workflow(queue=narrow)
    def narrowed(what: str) -> None:
        counted(what)

    with house.beside([narrowed]) as client:
        for number in range(4):
            client.start_with(narrowed, [f"later {number}"], priority=5)
        client.start_with(narrowed, ["first"], priority=1)
    with house.working([narrowed]) as client:
        eventually(client.is_idle, "all ran")
        assert {one.state for one in client.find()} == {"done"}
    assert RAN == ["first", *(f"later {number}" for number in range(4))]


def test_a_timer_fires_once_when_it_is_due_also_when_nothing_ran_then(
    house: WorkflowHouse,
) -> None:
    with house.beside(ALL) as client:
        past = datetime.fromtimestamp(time.time() + 0.5, UTC)
        client.start_with(plain, ["past"], at=past)
        future = client.start_with(plain, ["future"], after="1h")
        assert client.get(future).state == "delayed"
    time.sleep(0.6)
    with house.working(ALL) as client:
        eventually(lambda: RAN == ["past 1", "past 2"], "the timer fired")
        assert client.get(future).state == "delayed"
        client.resume(future)
        assert client.result(future) == "future 1future 2"


def test_a_schedule_starts_a_workflow_at_its_times_in_its_zone(house: WorkflowHouse) -> None:
    dues: list[datetime] = []

    @kp.workflow
    def ticked(label: str, due: datetime) -> None:
        dues.append(due)
        noted(label)

    ticking = kp.schedule("tick", "* * * * * *", ticked, zone="Asia/Kolkata", args=("tick",))
    with house.working([], [ticking]) as client:
        eventually(lambda: len(dues) >= 3, "it ticked")
        assert client.of_tenant("default").find(RunQuery(workflow="ticked"))
    assert len(dues) == len(set(dues))
    assert {due.utcoffset() for due in dues} == {datetime.now(ZoneInfo("Asia/Kolkata")).utcoffset()}
    with house.working([ticked]):
        seen = len(dues)
        time.sleep(2.2)
        assert len(dues) <= seen + 1, "a schedule that is declared no more starts nothing"


def test_a_workflow_that_takes_too_long_is_cancelled(house: WorkflowHouse) -> None:
    @kp.workflow(timeout="300ms")
    async def endless() -> None:
        await kp.sleep("1h")

    with house.working([endless]) as client:
        run = client.start(endless)
        eventually(lambda: client.get(run).has_ended, "it is cancelled")
        assert client.get(run).state == "cancelled"


def test_what_a_schedule_starts_keeps_to_its_queue_and_its_time(house: WorkflowHouse) -> None:
    running: list[int] = []

    @kp.step
    async def counted(label: str) -> None:
        running.append(1)
        RAN.append(f"{label} {len(running)}")
        await asyncio.sleep(1.3)
        running.pop()

    @kp.workflow(queue=kp.queue("one at a time", at_once=1, poll="20ms"))
    async def crowded(due: datetime) -> None:
        await kp.run(counted, "at once")

    @kp.workflow(timeout="200ms")
    async def endless(due: datetime) -> None:
        await kp.sleep("1h")

    schedules = [
        kp.schedule("crowd", "* * * * * *", crowded),
        kp.schedule("end", "* * * * * *", endless),
    ]
    with house.working([], schedules) as client:
        eventually(lambda: len(RAN) >= 3, "it ran some times")
        ended = RunQuery(workflow="endless", state="cancelled")
        eventually(lambda: bool(client.find(ended)), "it was cancelled")
    assert set(RAN) == {"at once 1"}


def test_children_have_the_time_that_they_may_take(house: WorkflowHouse) -> None:
    @kp.workflow(timeout="200ms")
    async def endless() -> None:
        await kp.sleep("1h")

    @kp.workflow
    async def parental() -> None:
        await kp.run(endless)

    with house.working([parental, endless]) as client:
        parent = client.start(parental)
        ended = RunQuery(workflow="endless", state="cancelled")
        eventually(lambda: bool(client.find(ended)), "the child was cancelled")
        assert [one.parent for one in client.find(ended)] == [parent]


def test_two_workers_of_a_name_do_not_run_at_a_time(house: WorkflowHouse) -> None:
    with house.working(ALL) as client:
        with pytest.raises(AlreadyWorking, match="'local' runs over"):
            Worker(house.database, ALL, clock=SystemClock()).start()
        assert client.result(client.start(plain, "x")) == "x 1x 2"
    with house.working(ALL) as client:
        assert client.result(client.start(plain, "y")) == "y 1y 2"


def test_a_worker_without_its_database_says_so(tmp_path: Path) -> None:
    away = WorkflowDatabase("postgresql://kingpost:hunter2@127.0.0.1:1/kingpost")
    worker = Worker(away, ALL, clock=SystemClock())
    for opened in (worker.start, lambda: Workflows(away, clock=SystemClock())):
        with pytest.raises(WorkflowStoreFailed, match="127.0.0.1:1") as failed:
            opened()
        assert "hunter2" not in str(failed.value)
    (tmp_path / "workflows.sqlite").write_text("no database at all, but some text " * 40)
    with pytest.raises(WorkflowStoreFailed, match="workflows.sqlite"):
        Workflows(WorkflowDatabase(tmp_path / "workflows.sqlite"), clock=SystemClock())


def test_a_workflow_whose_code_is_gone_says_so_and_waits(house: WorkflowHouse) -> None:
    with house.working(ALL) as client:
        run = client.start(paid)
        eventually(lambda: client.counts() == {("paid", "running"): 1}, "it waits")
    others = [one for one in ALL if one is not paid]
    with house.working(others) as client:
        client.result(client.start(plain, "x"))
        time.sleep(1.5)
        found = client.get(run)
        assert found.state == "waits_for_code"
        assert "no workflow 'paid'" in found.reason
        client.send(run, "paid", 7)
    with house.working(ALL) as client:
        assert client.result(run) == 7


def test_a_changed_workflow_waits_for_code_that_fits_and_a_patched_one_goes_on(
    house: WorkflowHouse,
) -> None:
    @kp.step
    def renamed(what: str) -> str:
        return noted(what)

    @kp.workflow(name="changing")
    async def before() -> object:
        await kp.run(noted, "reserve")
        return await kp.event("go", within="30s")

    @kp.workflow(name="changing")
    async def other() -> object:
        try:
            await kp.run(renamed, "reserve")
        except Exception:  # noqa: BLE001  what users write
            RAN.append("swallowed")
        return await kp.event("go", within="30s")

    @kp.workflow(name="changing")
    async def patched() -> object:
        if await kp.apatched("renamed"):
            await kp.run(renamed, "reserve")
        else:
            await kp.run(noted, "reserve")
        return await kp.event("go", within="30s")

    with house.working([before]) as client:
        run = client.start(before)
        eventually(lambda: RAN == ["reserve"], "the first step ran")
        time.sleep(0.3)
    with house.working([other]) as client:
        eventually(lambda: client.get(run).state == "waits_for_code", "it says so")
        assert "step 1 was 'noted', and the code has 'renamed' there" in client.get(run).reason
    assert RAN == ["reserve"]
    with house.working([patched]) as client:
        fresh = client.start(patched)
        for one in (run, fresh):
            client.send(one, "go", 1)
            assert client.result(one) == 1
        assert [one.name for one in client.steps(run)][:1] == ["noted"]
        assert "renamed" in [one.name for one in client.steps(fresh)]
        assert client.get(run).state == "done"
    assert RAN == ["reserve", "reserve"]


def test_what_is_called_with_is_kept_from_view_where_it_is_declared_so(
    house: WorkflowHouse,
) -> None:
    with house.working(ALL) as client:
        run = client.start(secretive, "hunter2")
        assert client.result(run) == "hunter2"
        assert "hunter2" not in f"{client.get(run)} {client.steps(run)}"
        failed = client.start(secretive, "fail hunter2")
        with pytest.raises(ValueError, match="hunter2"):
            client.result(failed)
        assert "hunter2" not in f"{client.get(failed)} {client.steps(failed)}"
        assert client.get(failed).reason == "ValueError"


def test_two_of_a_name_are_refused(house: WorkflowHouse) -> None:
    other = kp.workflow(name="plain")(lucky.function)
    with pytest.raises(BadWorkflow, match="two workflows"), house.working([*ALL, other]):
        pass
