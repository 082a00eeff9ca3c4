"""The examples of workflows run as their first lines say."""

import json
import subprocess
import sys
from pathlib import Path

from kingpost.core import SystemClock
from kingpost.storage import migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks
from tests.cli_app import kingpost
from tests.served_shop import ServedShop
from tests.workflow_house import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_saga_gives_back_the_seat_when_there_is_no_room(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "saga.py"],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )

    found = json.loads(done.stdout)
    assert found["rome"] == "seat for rome and room for rome"
    assert found["oslo"] == ["reserve", "reserve", "release", "release"]
    assert found["seats"] == {"rome": "seat for rome"}
    assert found["rooms"] == {"rome": "room for rome"}


def test_a_nightly_backfill_publishes_a_whole_night(tmp_path: Path) -> None:
    app = str(EXAMPLES / "nightly_backfill.py")
    rows = [f"o{n},2026-10-{1 + n // 20:02d}T12:00:00Z,c{n % 7},{n}.50" for n in range(200)]
    orders = tmp_path / "orders.csv"
    orders.write_text("\n".join(["id,at,customer,amount", *rows]) + "\n")
    kingpost(tmp_path, "ingest", app, "order", str(orders), "--json")

    due = '{"due": "2026-11-27T02:00:00Z"}'
    started = kingpost(tmp_path, "workflows", "start", app, "nightly", "--input", due, "--json")
    where = str(tmp_path / "data")  # for the command that the workflow runs
    kingpost(tmp_path, "work", app, "--until-idle", "--json", KINGPOST_DATA_DIR=where)

    run = kingpost(tmp_path, "workflows", "show", str(started["id"]), "--app", app, "--json")
    assert (run["state"], run["output"]) == ("done", "2026-11-27")
    assert list((tmp_path / "features" / "latest").glob("*.parquet"))


def test_input_that_does_not_fit_is_refused_by_the_name_of_its_field(tmp_path: Path) -> None:
    app = str(EXAMPLES / "approval.py")
    done = subprocess.run(
        [
            sys.executable, "-m", "kingpost.cli", "--data-dir", str(tmp_path / "data"),
            "workflows", "start", app, "refund", "--input", '{"order": 7, "euros": 1}',
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("error [contract_violation]")
    assert "order" in done.stderr


def test_an_approval_waits_over_a_restart(tmp_path: Path) -> None:
    app = str(EXAMPLES / "approval.py")
    kingpost(
        tmp_path, "workflows", "start", app, "refund",
        "--input", '{"order": "o-7", "euros": 80}', "--key", "r-7", "--json",
    )  # fmt: skip
    tasks = tmp_path / "data" / "tasks.sqlite"
    command = [sys.executable, "-m", "kingpost.cli", "--data-dir", str(tmp_path / "data"), "work"]
    with subprocess.Popen([*command, app], cwd=tmp_path) as worker:
        try:
            eventually(lambda: asked(tasks) is not None, "it has asked")
        finally:
            worker.kill()

    connection = open_database(tasks)
    inbox, now_us = SqliteTasks(connection), SystemClock().now_us()
    inbox.claim("default", "default:r-7-1", "kate", now_us)
    inbox.close(
        "default",
        "default:r-7-1",
        "kate",
        "modified",
        "half",
        now_us,
        answer={"order": "o-7", "euros": 40},
    )
    connection.close()
    kingpost(tmp_path, "work", app, "--until-idle", "--json")

    run = kingpost(tmp_path, "workflows", "show", "default:r-7", "--json")
    assert run["output"] == "40.00 € paid for o-7"
    assert (tmp_path / "refunds.txt").read_text().count("\n") == 1


def asked(path: Path) -> str | None:
    """Return the title of the only question; None while there is none."""
    if not path.exists():
        return None
    connection = open_database(path)
    try:
        migrate(connection, "tasks", TASK_MIGRATIONS)
        task = SqliteTasks(connection).get("default", "default:r-7-1")
    finally:
        connection.close()
    return None if task is None else task.title


def test_an_application_of_workflows_alone_is_served_and_its_questions_are_answered(
    tmp_path: Path,
) -> None:
    scopes = ("--scope", "workflows", "--scope", "review", "--scope", "metrics")
    secret = str(kingpost(tmp_path, "keys", "create", *scopes, "--json")["secret"])
    source = (EXAMPLES / "approval.py").read_text()
    (tmp_path / "shop_app.py").write_text(source)
    with ServedShop(tmp_path, secret) as shop:
        asked_for = {"workflow": "refund", "input": {"order": "o-7", "euros": 80}}
        started = shop.client.post("/v1/workflows", json=asked_for)
        assert started.status_code == 202, started.text
        run = started.json()["id"]
        task = f"/v1/tasks/{run}-1"
        eventually(lambda: shop.client.get(task).status_code == 200, "the question is asked")
        assert 'kingpost_workflows{state="running",workflow="refund"} 1' in (
            shop.client.get("/metrics").text
        )
        answer = {"value": {"order": "o-7", "euros": 40}, "reason": "half"}
        assert shop.client.post(f"{task}/modify", json=answer).status_code == 200
        where = f"/v1/workflows/{run}"
        eventually(lambda: shop.client.get(where).json()["state"] == "done", "it went on")
        assert shop.client.get(where).json()["output"]["value"] == "40.00 € paid for o-7"
        assert shop.end() == 0


TYPED = """
from dataclasses import dataclass

import kingpost as kp

@dataclass
class Seat:
    row: int

class Full(Exception):
    pass

@kp.step
def seat(row: int) -> Seat:
    if row > 5:
        raise Full(row)
    return Seat(row)

@kp.workflow
def flow(row: int) -> Seat:
    return seat(row)
"""


def test_values_of_the_applications_own_types_are_shown_with_it_and_not_without(
    tmp_path: Path,
) -> None:
    (tmp_path / "typed_app.py").write_text(TYPED)
    for row in (3, 7):
        given = f'{{"row": {row}}}'
        kingpost(
            tmp_path, "workflows", "start", "typed_app.py", "flow",
            "--input", given, "--key", f"row-{row}", "--json",
        )  # fmt: skip
    kingpost(tmp_path, "work", "typed_app.py", "--until-idle", "--json")

    show = ("workflows", "show", "--json")
    with_app = kingpost(tmp_path, *show, "default:row-3", "--app", "typed_app.py")
    assert with_app["output"] == {"row": 3}
    failed = kingpost(tmp_path, *show, "default:row-7", "--app", "typed_app.py")
    assert failed["reason"] == "Full: 7"
    (tmp_path / "typed_app.py").unlink()
    without = kingpost(tmp_path, *show, "default:row-3")
    assert str(without["output"]).startswith("unreadable: ")
    assert "gA" not in str(kingpost(tmp_path, *show, "default:row-7"))
