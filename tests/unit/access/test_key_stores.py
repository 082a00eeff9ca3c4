"""Every store of API keys keeps the same promises."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kingpost.access import (
    MIGRATIONS,
    ApiKey,
    KeyStore,
    KeyStoreFailed,
    Limits,
    MemoryKeys,
    SqliteKeys,
)
from kingpost.core import rate_of
from kingpost.storage import migrate, open_database

KEY = ApiKey(
    "a1",
    "acme",
    ("decide:fraud", "records"),
    "demo",
    1_000,
    9_000,
    holder="a0",
    limits=Limits(requests=rate_of("5/s"), cost=rate_of("9/h")),
)
OTHER = ApiKey("b2", "umbrella", ("admin",), "", 2_000)
DIGEST = bytes(range(32))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    if request.param == "memory":
        yield MemoryKeys()
        return
    connection = open_database(tmp_path / "access.sqlite")
    migrate(connection, "access", MIGRATIONS)
    yield SqliteKeys(connection)
    connection.close()


def test_a_key_comes_back_as_it_was_stored(store: KeyStore) -> None:
    store.add(KEY, DIGEST)

    found = store.find("a1")
    assert found is not None
    assert (found.key, found.secret_sha256) == (KEY, DIGEST)
    assert store.find("b2") is None


def test_keys_are_listed_by_tenant_or_all_of_them(store: KeyStore) -> None:
    store.add(KEY, DIGEST)
    store.add(OTHER, DIGEST)

    assert list(store.list()) == [KEY, OTHER]
    assert list(store.list("umbrella")) == [OTHER]
    assert list(store.list("nobody")) == []


def test_a_key_is_revoked_once_and_for_good(store: KeyStore) -> None:
    store.add(KEY, DIGEST)
    store.add(OTHER, DIGEST)

    store.revoke("a1", 5_000)
    store.revoke("a1", 6_000)
    store.revoke("nobody", 6_000)

    assert [key.revoked_us for key in store.list()] == [5_000, None]
    assert not store.list()[0].is_valid(4_000)


def test_a_key_can_be_let_end_sooner_and_never_later(store: KeyStore) -> None:
    store.add(KEY, DIGEST)
    store.add(OTHER, DIGEST)

    for identifier in ("a1", "b2", "nobody"):
        store.expire(identifier, 5_000)
        store.expire(identifier, 7_000)

    assert [key.expires_us for key in store.list()] == [5_000, 5_000]


def test_what_a_store_returns_shows_no_digest(store: KeyStore) -> None:
    store.add(KEY, DIGEST)

    assert repr(DIGEST)[2:20] not in repr(store.find("a1"))


def test_a_database_that_fails_is_reported_as_such(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "access.sqlite")
    store = SqliteKeys(connection)

    calls: tuple[Callable[[], object], ...] = (
        lambda: store.add(KEY, DIGEST),
        lambda: store.find("a1"),
        store.list,
        lambda: store.revoke("a1", 1),
        lambda: store.expire("a1", 1),
    )
    for call in calls:
        with pytest.raises(KeyStoreFailed, match="no such table"):
            call()
    connection.close()
