"""`kill -9` of workers: no effect is lost or done twice, and what is finished never runs again."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from benchmarks._workflow_child import Zygote
from benchmarks._workflow_kills import Killed, kill_at_every_place, kill_at_random, receiving
from tests.cli_app import kingpost
from tests.postgres import URL
from tests.workflow_house import databases, eventually

STEPS, KILLS = 4, 5


@pytest.fixture(scope="module")
def zygote() -> Generator[Zygote]:
    with Zygote() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    with databases(request.param, tmp_path) as database:
        if database.is_sqlite:
            yield str(tmp_path / "workflows.sqlite")
        else:
            yield f"{database.url.replace('+psycopg', '')}#{database.schema}"


def is_clean(killed: Killed) -> bool:
    return not (killed.duplicates or killed.losses or killed.ran_again or killed.left)


def test_a_worker_killed_before_inside_and_behind_each_step(
    zygote: Zygote, where: str, tmp_path: Path
) -> None:
    killed = kill_at_every_place(zygote, where, tmp_path, steps=STEPS)

    assert killed.kills == 3 * STEPS
    assert is_clean(killed), killed


def test_workers_killed_at_random_with_a_deployment_in_between(
    zygote: Zygote, where: str, tmp_path: Path
) -> None:
    killed = kill_at_random(
        zygote, where, tmp_path, kills=KILLS, seed=2, ahead=160, lives_s=(0.0, 0.5)
    )

    assert killed.interrupted >= 10 * KILLS
    assert is_clean(killed), killed


def test_an_effect_without_a_key_that_was_interrupted_is_not_done_again(
    zygote: Zygote, where: str, tmp_path: Path
) -> None:
    log = tmp_path / "ran.log"
    with receiving() as (receiver, address):
        plan = {"receiver": address, "log": str(log)}
        zygote.run("start", where=where, workflow="once", calls=[[7]])
        ended = zygote.run("work", where=where, plan={**plan, "die_at": "7:after"})
        assert ended["signal"] == signal.SIGKILL
        zygote.run("work", where=where, plan=plan)
        states = zygote.run("states", where=where)["found"]

    assert receiver.applied == {("once-0", 7): 1}
    assert log.read_text() == "once-0 7\n"
    assert states == {"failed": 1}


def test_what_a_worker_left_that_is_gone_is_taken_over_by_another_one(
    zygote: Zygote, where: str, tmp_path: Path
) -> None:
    asked, numbers = tmp_path / "asked", range(5)
    asked.mkdir()
    zygote.run("start", where=where, workflow="asks", calls=[[number] for number in numbers])
    pid = zygote.start("work", where=where, people=str(asked), name="a")
    eventually(lambda: len(list(asked.iterdir())) == len(numbers), "all have asked", 60)
    with Zygote() as other:
        other_pid = other.start("work", where=where, people=str(asked), name="b", seconds=60.0)
        time.sleep(3)  # it looks for workers that are gone, and this one is not
        assert zygote_counts(where) == {"running": len(numbers)}
        os.kill(pid, signal.SIGKILL)
        zygote.ended()
        (asked / "yes").touch()
        assert other.ended()["found"]["left"] == 0
    assert other_pid != pid
    assert zygote.run("states", where=where)["found"] == {"done": len(numbers)}


def zygote_counts(where: str) -> dict[str, int]:
    """Count in a process of its own, since two others are at work."""
    with Zygote() as counting:
        found = counting.run("count", where=where)["found"]
    return {state: number for state, number in found.items() if number}


def test_workflows_go_on_when_postgresql_ends_all_their_sessions(
    zygote: Zygote, tmp_path: Path
) -> None:
    name, log = f"kingpost{uuid.uuid4().hex[:12]}", tmp_path / "ran.log"
    with databases("postgres", tmp_path) as database, receiving() as (receiver, address):
        where = f"{database.url.replace('+psycopg', '')}?application_name={name}#{database.schema}"
        plan = {"receiver": address, "log": str(log)}
        calls = [[number] for number in range(120)]
        zygote.run("start", where=where, workflow="order", calls=calls)
        zygote.start("work", where=where, plan=plan)
        ended = 0
        for _ in range(4):
            before = size(log)
            eventually(lambda before=before: size(log) > before, "it works", 60)
            ended += sessions_ended(name, database.schema)
        assert zygote.ended()["found"]["left"] == 0
        states = zygote.run("states", where=where)["found"]

    assert ended >= 4
    assert states == {"done": 120}
    assert set(receiver.applied.values()) == {1}
    assert len(receiver.applied) == 5 * 120


def size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def sessions_ended(name: str, schema: str) -> int:
    """End the sessions of an application, and those that work in a schema; count them."""
    with psycopg.connect(URL, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND (application_name = %s OR query LIKE %s)",
            (name, f"%{schema}%"),
        ).fetchall()
    return len(rows)


SLOW = """
import time
from pathlib import Path

import kingpost as kp

@kp.step
def slow(number: int) -> int:
    Path("begun").touch()
    time.sleep(120)
    return number

@kp.workflow
def flow(number: int) -> int:
    return slow(number)
"""


def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_long_step(tmp_path: Path) -> None:
    (tmp_path / "slow_app.py").write_text(SLOW)
    kingpost(
        tmp_path, "workflows", "start", "slow_app.py", "flow",
        "--input", '{"number": 1}', "--key", "f", "--json",
    )  # fmt: skip
    command = ["kingpost.cli", "--data-dir", str(tmp_path / "data"), "work", "slow_app.py"]
    with subprocess.Popen(
        [sys.executable, "-m", *command], cwd=tmp_path, env=os.environ | {"KINGPOST_DRAIN": "200ms"}
    ) as worker:
        eventually(lambda: (tmp_path / "begun").exists(), "the step has begun")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0

    run = kingpost(tmp_path, "workflows", "show", "default:f", "--json")
    assert (run["state"], run["steps"]) == ("running", [])
