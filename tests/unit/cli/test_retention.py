"""`kingpost retention` as a person calls it, and `kingpost verify` after it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.core import SystemDisk
from kingpost.decisions import RetentionTooShort
from kingpost.journal import Entry, Journal
from tests.cli_app import SOURCE
from tests.tiny_app import FakeClock

DAYS = 300


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "shop_app.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KINGPOST_DATA_DIR", str(tmp_path / "data"))
    clock = FakeClock()
    where = tmp_path / "data" / "journal" / "data"
    with Journal.open(where, disk=SystemDisk(), clock=clock, segment_bytes=8192) as journal:
        for day in range(DAYS):
            body = (
                f'{{"id":"o{day}","at":"2018-08-01T12:00:00Z","customer":"c{day % 3}",'
                f'"amount":2.5}}'
            )
            journal.append([Entry("event", "default", "order", body.encode())])
            clock.advance(24 * 3600)

    def call(*arguments: str, code: int = 0) -> dict[str, Any]:
        done = CliRunner().invoke(command_line, [*arguments, "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout.splitlines()[-1])

    return call


def test_what_is_over_its_time_is_planned_removed_listed_and_verified(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = run("retention", "plan", "shop_app.py")
    assert (kept["commits"], kept["policy"]) == (0, "")
    assert kept["lengths"]["order"] == "for ever: records of 'risk' are kept for ever"
    monkeypatch.setenv("KINGPOST_RETENTION", "*=200d")

    planned = run("retention", "plan", "shop_app.py")
    assert planned["commits"] > 100  # all of it is from 2018, but for the last segment
    done = run("retention", "apply", "shop_app.py", "--yes", "--by", "ann")

    assert done["commits"] == planned["commits"]
    assert run("retention", "apply", "shop_app.py", "--yes")["noted_at"] is None
    (listed,) = run("retention", "list")["runs"]
    assert (listed["by"], listed["policy"], listed["at"]) == ("ann", "*=200d", done["noted_at"])
    (key,) = run("tree", "keys")["keys"]
    (verified,) = run("verify", str(tmp_path / "data"), "--key", key)["logs"]
    assert (verified["is_proved"], verified["leaves"]) == (True, DAYS)
    assert verified["commits_removed"] == planned["commits"]
    assert verified["commits_compared"] == DAYS - planned["commits"]


def test_nothing_is_removed_that_the_law_asks_for(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINGPOST_RETENTION", "risk=30d")
    with pytest.raises(RetentionTooShort, match="184d"):
        CliRunner().invoke(
            command_line, ["retention", "plan", "shop_app.py"], catch_exceptions=False
        )
