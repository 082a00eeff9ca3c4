"""Sessions: opened for who was let in, over in time, by leaving and with their key."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kingpost.access import (
    MIGRATIONS,
    ApiKey,
    MemoryKeys,
    MemorySessions,
    Principal,
    Session,
    SessionOver,
    Sessions,
    SessionStore,
    SessionStoreFailed,
    SqliteKeys,
    SqliteSessions,
    create_key,
    revoke_key,
)
from kingpost.storage import migrate, open_database
from tests.tiny_app import FakeClock

ANN = Principal("oidc:17", "acme", frozenset({"records", "review:fraud-desk"}), "ann@acme.example")
SESSION = Session(principal=ANN, key="", csrf="c", created_us=1, expires_us=900, seen_us=1)
DIGEST, OTHER = bytes(range(32)), bytes(32)
HOUR_S = 3600


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionStore]:
    if request.param == "memory":
        yield MemorySessions()
        return
    connection = open_database(tmp_path / "access.sqlite")
    migrate(connection, "access", MIGRATIONS)
    yield SqliteSessions(connection)
    connection.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def sessions(store: SessionStore, keys: MemoryKeys, clock: FakeClock) -> Sessions:
    return Sessions(lambda: store, lambda: keys, clock)


def key_of(keys: MemoryKeys, clock: FakeClock, expires_us: int | None = None) -> str:
    made = create_key(keys, clock, tenant="acme", scopes=["records"], expires_us=expires_us)
    return made.key.id


def test_a_session_comes_back_as_it_was_stored(store: SessionStore) -> None:
    store.add(DIGEST, SESSION)

    assert store.find(DIGEST) == SESSION
    assert store.find(OTHER) is None


def test_a_store_notes_use_and_forgets(store: SessionStore) -> None:
    store.add(DIGEST, SESSION)
    store.seen(DIGEST, 500)
    store.seen(OTHER, 500)

    found = store.find(DIGEST)
    assert found is not None
    assert found.seen_us == 500
    store.remove(DIGEST)
    store.remove(OTHER)
    assert store.find(DIGEST) is None


@pytest.mark.parametrize(
    ("now_us", "idle_since_us", "is_kept"), [(899, 0, True), (900, 0, False), (2, 1, False)]
)
def test_a_store_is_purged_of_what_is_over(
    store: SessionStore, now_us: int, idle_since_us: int, is_kept: bool
) -> None:
    store.add(DIGEST, SESSION)

    store.purge(now_us, idle_since_us)

    assert (store.find(DIGEST) is not None) == is_kept


def test_whoever_was_let_in_is_known_by_the_token_alone(sessions: Sessions) -> None:
    opened = sessions.open(ANN)

    session = sessions.check(opened.token)

    assert session.principal == ANN
    assert session.csrf == opened.session.csrf
    assert len(opened.token) >= 43, "256 bits"
    assert opened.token not in repr(opened)
    assert session.csrf not in repr(session)


@pytest.mark.parametrize("token", ["", "x", "kingpost", "x" * 10_000, "\0", "é"])
def test_a_token_of_no_session_opens_nothing(sessions: Sessions, token: str) -> None:
    sessions.open(ANN)

    with pytest.raises(SessionOver):
        sessions.check(token)


def test_every_session_has_secrets_of_its_own(sessions: Sessions) -> None:
    one, other = sessions.open(ANN), sessions.open(ANN)

    assert len({one.token, other.token, one.session.csrf, other.session.csrf}) == 4


def test_a_session_that_was_left_is_over(sessions: Sessions) -> None:
    opened, other = sessions.open(ANN), sessions.open(ANN)

    sessions.close(opened.token)

    with pytest.raises(SessionOver):
        sessions.check(opened.token)
    assert sessions.check(other.token).principal == ANN


def test_a_session_is_over_twelve_hours_after_it_began(
    sessions: Sessions, clock: FakeClock
) -> None:
    token = sessions.open(ANN).token
    for _ in range(11):
        clock.advance(HOUR_S)
        sessions.check(token)
    clock.advance(HOUR_S - 1)
    sessions.check(token)

    clock.advance(1)

    with pytest.raises(SessionOver):
        sessions.check(token)


def test_a_session_that_nobody_uses_is_over_after_two_hours(
    sessions: Sessions, clock: FakeClock
) -> None:
    used, unused = sessions.open(ANN).token, sessions.open(ANN).token
    clock.advance(HOUR_S)
    sessions.check(used)

    clock.advance(HOUR_S)

    assert sessions.check(used).principal == ANN
    with pytest.raises(SessionOver):
        sessions.check(unused)


def test_a_session_is_over_with_the_key_that_opened_it(
    sessions: Sessions, keys: MemoryKeys, clock: FakeClock
) -> None:
    identifier = key_of(keys, clock)
    token = sessions.open(ANN, key=identifier).token
    sessions.check(token)

    revoke_key(keys, clock, identifier)

    with pytest.raises(SessionOver):
        sessions.check(token)


def test_a_session_ends_when_its_key_expires(
    sessions: Sessions, keys: MemoryKeys, clock: FakeClock
) -> None:
    opened = sessions.open(ANN, key=key_of(keys, clock, clock.us + 5_000_000))

    assert opened.session.expires_us == clock.us + 5_000_000
    clock.advance(5)
    with pytest.raises(SessionOver):
        sessions.check(opened.token)


def test_no_session_is_opened_with_a_key_that_is_none(
    sessions: Sessions, keys: MemoryKeys, clock: FakeClock
) -> None:
    identifier = key_of(keys, clock)
    revoke_key(keys, clock, identifier)

    for each in (identifier, "nobody"):
        with pytest.raises(SessionOver):
            sessions.open(ANN, key=each)


def test_a_clock_that_jumps_back_ends_no_session_and_makes_none_eternal(
    sessions: Sessions, clock: FakeClock
) -> None:
    token = sessions.open(ANN).token

    clock.us -= HOUR_S * 1_000_000
    sessions.check(token)
    clock.advance(2 * HOUR_S)

    with pytest.raises(SessionOver):
        sessions.check(token)


def test_a_clock_that_jumps_a_day_ahead_ends_every_session(
    sessions: Sessions, clock: FakeClock
) -> None:
    token = sessions.open(ANN).token

    clock.us += 24 * HOUR_S * 1_000_000

    with pytest.raises(SessionOver):
        sessions.check(token)


def test_what_is_over_is_forgotten_when_the_next_one_signs_in(
    store: SessionStore, sessions: Sessions, clock: FakeClock
) -> None:
    store.add(DIGEST, SESSION)

    sessions.open(ANN)

    assert store.find(DIGEST) is None


class FullDisk(MemorySessions):
    """A store that can be read and not written."""

    def seen(self, digest: bytes, at_us: int) -> None:
        raise SessionStoreFailed("database or disk is full")


def test_a_disk_that_is_full_closes_no_session(clock: FakeClock) -> None:
    store, keys = FullDisk(), MemoryKeys()
    sessions = Sessions(lambda: store, lambda: keys, clock)
    token = sessions.open(ANN).token

    clock.advance(HOUR_S)

    assert sessions.check(token).principal == ANN


def test_a_database_that_fails_is_reported_as_such(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "access.sqlite")
    store = SqliteSessions(connection)

    calls: tuple[Callable[[], object], ...] = (
        lambda: store.add(DIGEST, SESSION),
        lambda: store.find(DIGEST),
        lambda: store.seen(DIGEST, 1),
        lambda: store.remove(DIGEST),
        lambda: store.purge(1, 1),
    )
    for call in calls:
        with pytest.raises(SessionStoreFailed, match="no such table"):
            call()
    connection.close()


def test_keys_of_before_there_were_sessions_are_kept(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "access.sqlite")
    migrate(connection, "access", MIGRATIONS[:1])
    with connection:
        connection.execute(
            "INSERT INTO api_keys VALUES ('a1', 'acme', 'records', '', 5, NULL, NULL, x'00')"
        )

    migrate(connection, "access", MIGRATIONS)

    assert list(SqliteKeys(connection).list()) == [ApiKey("a1", "acme", ("records",), "", 5)]
    assert SqliteSessions(connection).find(DIGEST) is None
    connection.close()


def test_nothing_that_is_stored_is_the_token(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "access.sqlite"
    connection = open_database(path)
    migrate(connection, "access", MIGRATIONS)
    store, keys = SqliteSessions(connection), MemoryKeys()

    opened = Sessions(lambda: store, lambda: keys, clock).open(ANN)

    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert opened.token.encode() not in path.read_bytes()
    connection.close()
