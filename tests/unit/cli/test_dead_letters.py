"""`kingpost dead-letters` lists, shows, replays and discards what nobody took."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from kingpost.calls import (
    CALL_MIGRATIONS,
    DeadLetterNotFound,
    OutboxMessage,
    SqliteOutbox,
)
from kingpost.cli.main import command_line
from kingpost.storage import migrate, open_database

NOW = 1_800_000_000_000_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Make a data directory with the dead letters a and b."""
    connection = open_database(tmp_path / "data/calls.sqlite")
    migrate(connection, "calls", CALL_MIGRATIONS)
    outbox = SqliteOutbox(connection)
    for name in "ab":
        outbox.put(OutboxMessage(name, "bank", b'{"amount": 3}', f"k{name}"), now_us=NOW)
    claimed = outbox.claim(["bank"], "r", now_us=NOW, lease_us=9, limit=9)
    for place, one in enumerate(claimed):
        outbox.bury(one, "r", now_us=NOW + place * 1_000_000, reason="status 400")
    connection.close()
    return tmp_path / "data"


def run(directory: Path, *arguments: str) -> str:
    done = CliRunner().invoke(
        command_line,
        ["--data-dir", str(directory), "dead-letters", *arguments],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def listed(directory: Path) -> Sequence[str]:
    return [one["id"] for one in json.loads(run(directory, "list", "--json"))["dead_letters"]]


def waiting(directory: Path) -> list[str]:
    connection = open_database(directory / "calls.sqlite")
    rows = connection.execute("SELECT id FROM kingpost_outbox ORDER BY place").fetchall()
    connection.close()
    return [name for (name,) in rows]


def test_letters_are_listed_with_their_reason(directory: Path) -> None:
    lines = run(directory, "list").splitlines()

    assert lines[0] == "b  bank  2027-01-15T08:00:01+00:00  1  status 400"
    assert listed(directory) == ["b", "a"]
    assert run(directory, "list", "--route", "shop") == "no dead letters\n"
    assert run(directory, "list", "--tenant", "other") == "no dead letters\n"


def test_a_letter_is_shown_and_what_it_says_only_when_asked(directory: Path) -> None:
    shown = json.loads(run(directory, "show", "a", "--json"))
    said = json.loads(run(directory, "show", "a", "--json", "--payload"))

    assert (shown["order_key"], shown["attempts"], shown["size_bytes"]) == ("ka", 1, 13)
    assert "payload" not in shown
    assert said["payload"] == '{"amount": 3}'


def test_a_replayed_letter_waits_in_the_outbox_with_its_id(directory: Path) -> None:
    assert json.loads(run(directory, "replay", "a", "b", "--json")) == {"replayed": ["a", "b"]}

    assert listed(directory) == []
    assert waiting(directory) == ["a", "b"]


def test_a_discarded_letter_is_gone_after_asking(directory: Path) -> None:
    arguments = ["--data-dir", str(directory), "dead-letters", "discard", "a"]
    refused = CliRunner().invoke(command_line, arguments, input="n\n")
    assert refused.exit_code == 1
    assert listed(directory) == ["b", "a"]

    run(directory, "discard", "a", "--yes")

    assert listed(directory) == ["b"]
    assert waiting(directory) == []


@pytest.mark.parametrize("command", [["show"], ["replay"], ["discard", "--yes"]])
def test_a_letter_that_is_not_there_is_told_of(directory: Path, command: list[str]) -> None:
    with pytest.raises(DeadLetterNotFound, match="dead-letters list"):
        run(directory, *command, "nobody")


def test_where_nothing_was_sent_there_are_none_and_nothing_is_made(tmp_path: Path) -> None:
    assert run(tmp_path / "new", "list") == "no dead letters\n"
    assert not (tmp_path / "new").exists()
