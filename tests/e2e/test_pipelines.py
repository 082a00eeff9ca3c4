"""Pipelines as a user meets them: the real commands, with and without a server."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from kingpost.monitoring import SqliteMonitors
from kingpost.storage import open_database
from tests.cli_app import SOURCE, PreparedShop, kingpost

PIPELINE = """

from kingpost.integrations import FileSource


class Limit(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    cents: int


limits = kp.stream(Limit)
nightly = kp.pipeline(limits, FileSource("limits/*.parquet"), every="1d", stale_after="3650000d")
"""


def write_limits(directory: Path, day: int) -> None:
    (directory / "limits").mkdir(exist_ok=True)
    select = (
        f"SELECT 'c' || i || '/{day}' AS id, '2018-08-{day:02}T00:00:00Z' AS \"at\", "
        "'c' || i AS customer, 100 * i AS cents FROM range(1000) AS numbers (i)"
    )
    with duckdb.connect() as database:
        database.sql(f"COPY ({select}) TO '{directory}/limits/{day:02}.parquet' (FORMAT parquet)")


def command(directory: Path, *arguments: str) -> list[str]:
    data = str(directory / "data")
    return [sys.executable, "-m", "kingpost.cli", "--data-dir", data, *arguments]


@contextmanager
def running(directory: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run a command beside the test, and end it."""
    process = subprocess.Popen(
        command(directory, *arguments), cwd=directory, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def runs(result: dict[str, object]) -> list[dict[str, object]]:
    found = result["runs"]
    assert isinstance(found, list)
    return found  # pyright: ignore[reportUnknownVariableType] JSON


def test_a_pipeline_is_listed_run_and_judged(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SOURCE + PIPELINE)

    check = subprocess.run(
        command(tmp_path, "pipelines", "list", "app.py", "--check", "--json"),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    [before] = json.loads(check.stdout)["pipelines"]
    assert (check.returncode, before["stale"], before["last_run"]) == (0, False, None)

    missing = subprocess.run(
        command(tmp_path, "pipelines", "refresh", "app.py", "--json"),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    [failed] = json.loads(missing.stdout)["runs"]
    assert missing.returncode == 1
    assert failed["problem"].startswith("unreadable_source: limits/*.parquet: matches no file")

    write_limits(tmp_path, 1)
    [first] = runs(kingpost(tmp_path, "pipelines", "refresh", "app.py", "--json"))
    write_limits(tmp_path, 2)
    [second] = runs(kingpost(tmp_path, "pipelines", "refresh", "app.py", "limit", "--json"))
    due = kingpost(tmp_path, "pipelines", "refresh", "app.py", "--due", "--json")
    listed = kingpost(tmp_path, "pipelines", "list", "app.py", "--check", "--json")

    assert (first["accepted"], first["duplicates"]) == (1000, 0)
    assert (second["accepted"], second["duplicates"]) == (1000, 1000)
    assert second["newest_event"] == "2018-08-02T00:00:00Z"
    assert runs(due) == []
    [after] = listed["pipelines"]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] JSON
    assert after["stale"] is False


def test_a_stale_pipeline_is_one_incident_until_something_new_comes(tmp_path: Path) -> None:
    source = SOURCE + PIPELINE.replace('stale_after="3650000d"', 'stale_after="1h"')
    (tmp_path / "app.py").write_text(source)

    def watched() -> list[tuple[str, str]]:
        """Look as a process of its own; return the incidents that it opened."""
        told = kingpost(tmp_path, "watch", "app.py", "--once", "--json")
        opened: list[dict[str, str]] = told["incidents"]  # pyright: ignore[reportAssignmentType] JSON
        return [(one["decision"], one["kind"]) for one in opened]

    def is_listed_stale() -> object:
        [shown] = kingpost(tmp_path, "pipelines", "list", "app.py", "--json")["pipelines"]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] JSON
        return shown["stale"]  # pyright: ignore[reportUnknownVariableType] JSON

    def kept() -> list[bool]:
        with closing(open_database(tmp_path / "data" / "observed.sqlite")) as observed:
            return [one.is_open for one in SqliteMonitors(observed).incidents("default")]

    assert (watched(), is_listed_stale()) == ([], False), "its first hour has not passed"
    write_limits(tmp_path, 1)
    kingpost(tmp_path, "pipelines", "refresh", "app.py", "--json")
    assert (watched(), is_listed_stale()) == ([("pipeline limit", "stale")], True)
    assert (watched(), kept()) == ([], [True])
    (tmp_path / "limits" / "new.csv").write_text(
        f"id,at,customer,cents\nnew,{datetime.now(UTC).isoformat()},c1,5\n"
    )
    (tmp_path / "app.py").write_text(source.replace("*.parquet", "*.csv"))
    kingpost(tmp_path, "pipelines", "refresh", "app.py", "--json")
    assert (watched(), is_listed_stale(), kept()) == ([], False, [False])


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    prepared_shop.copied(directory)
    (directory / "app.py").write_text(SOURCE + PIPELINE)
    return directory


def test_beside_a_server_rows_go_to_its_api_and_nothing_is_brought_twice(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_limits(shop, 3)
    key = kingpost(shop, "keys", "create", "--scope", "ingest", "--json")["secret"]
    kingpost(shop, "train", "app.py", "--json")
    kingpost(shop, "approve", "app.py", "--reason", "a test", "--by", "ann", "--json")
    with running(shop, "run", "app.py", "--port", "0", "--json") as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        blocked = subprocess.run(
            command(shop, "pipelines", "refresh", "app.py"),
            cwd=shop, capture_output=True, text=True, check=False,
        )  # fmt: skip
        monkeypatch.setenv("KINGPOST_API_KEY", str(key))
        refresh = ("pipelines", "refresh", "app.py", "--url", url, "--json")
        [first] = runs(kingpost(shop, *refresh))
        [again] = runs(kingpost(shop, *refresh))
        write_limits(shop, 4)
        [more] = runs(kingpost(shop, *refresh))

    assert "journal_in_use" in blocked.stderr
    assert (first["accepted"], first["duplicates"]) == (1000, 0)
    assert (again["accepted"], again["duplicates"]) == (0, 1000)
    assert (more["accepted"], more["duplicates"]) == (1000, 1000)
    held = kingpost(shop, "pipelines", "refresh", "app.py", "--json")
    assert [(run["accepted"], run["duplicates"]) for run in runs(held)] == [(0, 2000)]


def test_followed_pipelines_run_by_themselves_until_told_to_stop(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SOURCE + PIPELINE.replace('every="1d"', 'every="1s"'))
    write_limits(tmp_path, 1)
    with running(tmp_path, "pipelines", "follow", "app.py", "--json") as process:
        listing = ("pipelines", "list", "app.py", "--json")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            [shown] = kingpost(tmp_path, *listing)["pipelines"]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] JSON
            if shown["accepted"] == 0:  # a second run, which brought nothing new
                break
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        told = json.loads(process.stdout.read())

    assert process.returncode == 0
    assert told["runs"] >= 2
