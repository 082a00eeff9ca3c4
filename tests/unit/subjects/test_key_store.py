"""One contract for every store of the keys of data subjects."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kingpost.subjects import KeyStore, MemorySubjectKeys, SqliteSubjectKeys, WrappedKey

ANN, BOB = b"a" * 32, b"b" * 32
Opened = Callable[[], KeyStore]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
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
    if isinstance(store, SqliteSubjectKeys):
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
