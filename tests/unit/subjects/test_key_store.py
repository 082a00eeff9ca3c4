"""One contract for every store of the keys of data subjects."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kingpost.storage import DatabaseNewer, StorageFailed
from kingpost.subjects import (
    KeyStore,
    KeyStoreUnfit,
    MemorySubjectKeys,
    PostgresSubjectKeys,
    SqliteSubjectKeys,
    WrappedKey,
    open_key_store,
)
from tests.postgres import own_schema

ANN, BOB = b"a" * 32, b"b" * 32
Opened = Callable[[], KeyStore]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    if request.param == "postgres":
        with own_schema() as (_, url):
            kept = PostgresSubjectKeys(url, "data")
            yield kept
            kept.close()
        return
    made = (
        MemorySubjectKeys()
        if request.param == "memory"
        else SqliteSubjectKeys(tmp_path / "subject_keys.sqlite")
    )
    yield made
    made.close()


def key(number: int, subject: bytes, since: int) -> WrappedKey:
    return WrappedKey(bytes([number]) * 16, subject, since, bytes([100 + number]) * 60)


def test_the_newest_key_of_a_subject_is_the_one_made_last(store: KeyStore) -> None:
    store.add([key(1, ANN, 5), key(2, ANN, 9), key(3, BOB, 11)])

    assert store.newest(ANN) == key(2, ANN, 9)
    assert store.newest(BOB) == key(3, BOB, 11)
    assert store.newest(b"c" * 32) is None
    assert store.get(key(1, ANN, 5).id) == key(1, ANN, 5)
    assert store.get(b"?" * 16) is None


def test_a_destroyed_key_is_remembered_without_its_bytes(store: KeyStore) -> None:
    store.add([key(1, ANN, 5), key(2, ANN, 9), key(3, BOB, 5)])

    assert store.destroy(ANN, 5) == 1
    assert store.destroy(ANN, 5) == 0

    assert store.get(key(1, ANN, 5).id) == key(1, ANN, 5)._replace(wrapped=b"")
    assert store.newest(ANN) == key(2, ANN, 9)
    assert store.newest(BOB) == key(3, BOB, 5)


def test_keys_made_for_what_was_never_written_encrypt_from_the_end_of_the_journal_on(
    store: KeyStore,
) -> None:
    store.add([key(1, ANN, 5), key(2, BOB, 90)])

    store.rewind(7)

    assert store.newest(ANN) == key(1, ANN, 5)
    assert store.newest(BOB) == key(2, BOB, 7)
    assert store.destroy(BOB, 8) == 1


def test_all_keys_up_to_an_offset_go_together(store: KeyStore) -> None:
    store.add([key(1, ANN, 5), key(2, ANN, 9)])

    assert store.destroy(ANN, 9) == 2
    assert store.newest(ANN) is None


def test_what_tells_the_master_key_is_kept_once(store: KeyStore) -> None:
    assert store.check == b""
    store.begin(b"first")
    if not isinstance(store, MemorySubjectKeys):
        store.begin(b"second")  # another process was quicker

    assert store.check == b"first"


def test_no_file_holds_a_byte_of_a_destroyed_key(tmp_path: Path) -> None:
    path = tmp_path / "subject_keys.sqlite"
    gone = [WrappedKey(os.urandom(16), ANN, at, os.urandom(60)) for at in range(3)]
    kept = [WrappedKey(os.urandom(16), BOB, at, os.urandom(60)) for at in range(200)]
    store = SqliteSubjectKeys(path)
    store.add([*kept[:100], *gone, *kept[100:]])
    assert all(any(one.wrapped in file for file in files(tmp_path)) for one in gone)

    store.destroy(ANN, 10)

    assert not any(one.wrapped[:16] in file for one in gone for file in files(tmp_path))
    assert sum(any(one.wrapped in file for file in files(tmp_path)) for one in kept) == 200
    store.close()
    assert not any(one.wrapped[:16] in file for one in gone for file in files(tmp_path))


def files(directory: Path) -> list[bytes]:
    return [file.read_bytes() for file in directory.iterdir()]


def test_what_a_killed_process_had_still_to_remove_goes_with_the_next_call(tmp_path: Path) -> None:
    path = tmp_path / "subject_keys.sqlite"
    gone = WrappedKey(os.urandom(16), ANN, 1, os.urandom(60))
    store = SqliteSubjectKeys(path)
    store.add([gone])
    store._connection.execute("UPDATE subject_keys SET wrapped = x''")  # pyright: ignore[reportPrivateUsage]: as far as it came
    store._connection.execute("PRAGMA user_version = 1")  # pyright: ignore[reportPrivateUsage]: with this in the same transaction
    assert any(gone.wrapped in file for file in files(tmp_path))

    assert store.destroy(ANN, 1) == 0

    assert not any(gone.wrapped in file for file in files(tmp_path))
    store.close()


def test_partitions_that_share_a_server_have_keys_of_their_own() -> None:
    with own_schema() as (_, url):
        ours, theirs = PostgresSubjectKeys(url, "a"), PostgresSubjectKeys(url, "b")
        ours.begin(b"ours")
        theirs.begin(b"theirs")
        ours.add([key(1, ANN, 5)])
        theirs.add([key(2, ANN, 3)])

        ours.rewind(1)
        assert theirs.destroy(ANN, 9) == 1

        assert (ours.check, theirs.check) == (b"ours", b"theirs")
        assert ours.newest(ANN) == key(1, ANN, 1)
        assert ours.get(key(2, ANN, 3).id) is None
        ours.close()
        theirs.close()


def test_the_table_of_a_server_has_no_byte_of_a_destroyed_key() -> None:
    with own_schema() as (database, url):
        store = PostgresSubjectKeys(url, "data")
        gone = WrappedKey(os.urandom(16), ANN, 1, os.urandom(60))
        store.add([gone, key(3, BOB, 5)])
        place = database.execute("SELECT pg_relation_filenode('subject_keys')").fetchone()

        store.destroy(ANN, 9)

        (size,) = database.execute(
            "SELECT count(*) FROM subject_keys WHERE length(wrapped) > 0"
        ).fetchone() or (0,)
        assert size == 1
        after = database.execute("SELECT pg_relation_filenode('subject_keys')").fetchone()
        assert place != after, "the file that held it was replaced"
        store.close()


def test_a_connection_that_broke_is_opened_anew() -> None:
    with own_schema() as (database, url):
        store = PostgresSubjectKeys(url, "data")
        store.add([key(1, ANN, 5)])
        connection = store._connection  # pyright: ignore[reportPrivateUsage]: to break it
        assert connection is not None
        database.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        with pytest.raises(StorageFailed):
            store.newest(ANN)

        assert store.newest(ANN) == key(1, ANN, 5)
        store.close()


def test_tables_of_a_later_version_are_refused() -> None:
    with own_schema() as (database, url):
        PostgresSubjectKeys(url, "data").close()
        database.execute("UPDATE kingpost_format SET version = 99 WHERE owner = 'subjects'")

        with pytest.raises(DatabaseNewer, match="format 99"):
            PostgresSubjectKeys(url, "data")


def test_the_setting_names_a_store(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreUnfit):
        open_key_store("redis://127.0.0.1", tmp_path / "keys", "data")
    with pytest.raises(StorageFailed, match="PostgreSQL"):
        open_key_store("postgresql://127.0.0.1:9/none", tmp_path / "keys", "data")
