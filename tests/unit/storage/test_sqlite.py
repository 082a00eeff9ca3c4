"""SQLite files: durable settings, and formats that only move forward."""

import sqlite3
from pathlib import Path

import pytest

from kingpost.storage import (
    DatabaseNewer,
    DatabaseUnreadable,
    StorageBusy,
    StorageFailed,
    StorageFull,
    make_anew,
    migrate,
    open_database,
    storage_error,
    transaction,
)

FIRST = "CREATE TABLE desks (name TEXT PRIMARY KEY) STRICT"
SECOND = "ALTER TABLE desks ADD COLUMN people INTEGER"


def test_a_commit_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "new" / "a.sqlite")

    settings = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }

    full = 2
    assert settings == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }
    connection.close()


def test_a_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    open_database(tmp_path / "a.sqlite").close()

    assert (tmp_path / "a.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_text("a text that is longer than any header of a database" * 50)

    with pytest.raises(DatabaseUnreadable, match=r"a\.sqlite"):
        open_database(tmp_path / "a.sqlite")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreadable):
        open_database(tmp_path)


def test_migrations_run_once_and_later_ones_are_added(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite")

    migrate(connection, "desks", [FIRST])
    connection.execute("INSERT INTO desks VALUES ('fraud')")
    migrate(connection, "desks", [FIRST])
    migrate(connection, "desks", [FIRST, SECOND])

    assert connection.execute("SELECT * FROM desks").fetchall() == [("fraud", None)]
    connection.close()


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite")
    migrate(connection, "desks", [FIRST, SECOND])

    with pytest.raises(DatabaseNewer, match="'desks' have format 2, .* up to 1"):
        migrate(connection, "desks", [FIRST])

    migrate(connection, "desks", [FIRST, SECOND])
    connection.close()


def test_owners_in_one_file_have_formats_of_their_own(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite")

    migrate(connection, "desks", [FIRST, SECOND])
    migrate(connection, "chairs", ["CREATE TABLE chairs (name TEXT) STRICT"])

    found = connection.execute("SELECT owner, version FROM format ORDER BY owner").fetchall()
    assert found == [("chairs", 1), ("desks", 2)]
    connection.close()


def test_a_migration_that_fails_leaves_the_format_before_it(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite")

    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, "desks", [FIRST, "CREATE NONSENSE"])

    migrate(connection, "desks", [FIRST])
    assert connection.execute("SELECT version FROM format").fetchone() == (1,)
    connection.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite")
    migrate(connection, "desks", [FIRST])

    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO desks VALUES ('fraud')")
        connection.execute("INSERT INTO desks VALUES ('fraud')")

    assert connection.execute("SELECT count(*) FROM desks").fetchone() == (0,)
    connection.close()


def test_a_full_database_changes_nothing_says_so_and_goes_on(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite")
    migrate(connection, "desks", [FIRST])
    connection.execute("PRAGMA max_page_count = 8")

    with pytest.raises(sqlite3.OperationalError) as refused, transaction(connection):
        connection.execute("INSERT INTO desks VALUES ('fraud')")
        connection.execute("INSERT INTO desks VALUES (?)", ["x" * 100_000])

    told = storage_error(refused.value, "a.sqlite")
    assert isinstance(told, StorageFull)
    assert told.retry_safe
    assert not connection.in_transaction
    connection.execute("PRAGMA max_page_count = 100")
    assert connection.execute("SELECT count(*) FROM desks").fetchone() == (0,)
    with transaction(connection):
        connection.execute("INSERT INTO desks VALUES ('fraud')")
    connection.close()


def test_a_database_that_another_holds_is_busy(tmp_path: Path) -> None:
    one, other = open_database(tmp_path / "a.sqlite"), open_database(tmp_path / "a.sqlite")
    other.execute("PRAGMA busy_timeout = 0")

    with transaction(one), pytest.raises(StorageBusy):
        migrate(other, "desks", [FIRST])

    one.close()
    other.close()


def test_a_database_that_is_damaged_inside_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite")
    migrate(connection, "desks", [FIRST])
    connection.close()
    with (tmp_path / "a.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    connection = open_database(tmp_path / "a.sqlite")

    with pytest.raises(StorageFailed, match="restore the file from a backup"):
        migrate(connection, "desks", [FIRST])

    connection.close()


def test_tables_at_their_format_are_found_so_while_another_writes(tmp_path: Path) -> None:
    one, other = open_database(tmp_path / "a.sqlite"), open_database(tmp_path / "a.sqlite")
    migrate(one, "desks", [FIRST])
    other.execute("PRAGMA busy_timeout = 0")

    with transaction(one):
        one.execute("INSERT INTO desks VALUES ('fraud')")
        migrate(other, "desks", [FIRST])  # waits for nobody, and fails for nobody
        assert other.execute("SELECT count(*) FROM desks").fetchone() == (0,)

    one.close()
    other.close()


def test_a_file_is_made_anew_for_everybody_who_reads_it(tmp_path: Path) -> None:
    one, other = open_database(tmp_path / "a.sqlite"), open_database(tmp_path / "a.sqlite")
    migrate(one, "desks", [FIRST])
    one.execute("INSERT INTO desks VALUES ('fraud')")
    assert other.execute("SELECT count(*) FROM desks").fetchone() == (1,)

    make_anew(one, {"desks": [FIRST, SECOND], "chairs": ["CREATE TABLE chairs (name TEXT) STRICT"]})

    assert other.execute("SELECT * FROM desks").fetchall() == []
    found = other.execute("SELECT owner, version FROM format ORDER BY owner").fetchall()
    assert found == [("chairs", 1), ("desks", 2)]
    one.close()
    other.close()
