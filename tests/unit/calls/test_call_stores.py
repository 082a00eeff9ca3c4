"""Every outbox, inbox and place for dead letters keeps the same promises."""

import pickle
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kingpost.calls import (
    CALL_MIGRATIONS,
    CallStoreFailed,
    CallStoreNewer,
    Claimed,
    DeadLetter,
    OutboxMessage,
    RouteBacklog,
    SqliteOutbox,
    prepare_postgres_calls,
)
from kingpost.storage import migrate, open_database
from tests.call_stores import KINDS, CallStores, opened_stores
from tests.postgres import own_schema

NOW = 1_800_000_000_000_000
LEASE = 60_000_000


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CallStores]:
    with opened_stores(request.param, tmp_path) as opened:
        yield opened


def message(identifier: str, order_key: str = "", *, route: str = "bank") -> OutboxMessage:
    return OutboxMessage(identifier, route, f"body of {identifier}".encode(), order_key)


def claim(
    stores: CallStores, by: str = "a", *, at_us: int = NOW, limit: int = 10
) -> Sequence[Claimed]:
    return stores.outbox.claim(["bank"], by, now_us=at_us, lease_us=LEASE, limit=limit)


def ids(claimed: Sequence[Claimed]) -> list[str]:
    return [one.message.id for one in claimed]


def put(stores: CallStores, *messages: OutboxMessage) -> None:
    for one in messages:
        assert stores.outbox.put(one, now_us=NOW)


def test_a_message_comes_out_as_it_was_put(stores: CallStores) -> None:
    whole = OutboxMessage("a", "bank", b"\x00\xff", "order-7", "image/png", "acme")
    put(stores, whole)

    (claimed,) = claim(stores)

    assert claimed.message == whole
    assert (claimed.attempts, claimed.until_us) == (0, NOW + LEASE)


def test_an_id_waits_once(stores: CallStores) -> None:
    put(stores, message("a"))

    assert not stores.outbox.put(message("a"), now_us=NOW)
    assert stores.outbox.put(OutboxMessage("a", "bank", b"", tenant="other"), now_us=NOW)


def test_what_is_put_in_a_transaction_that_fails_was_not_put(stores: CallStores) -> None:
    with pytest.raises(ZeroDivisionError), stores.transaction():
        stores.outbox.put(message("a"), now_us=NOW)
        stores.inbox.first("k", now_us=NOW)
        raise ZeroDivisionError

    if stores.has_transactions:
        assert claim(stores) == []
        assert stores.inbox.first("k", now_us=NOW)


def test_a_relay_does_not_work_within_the_transaction_of_another(stores: CallStores) -> None:
    put(stores, message("a"))

    if stores.has_transactions:
        with stores.transaction(), pytest.raises(CallStoreFailed, match="transaction"):
            claim(stores)
    assert ids(claim(stores)) == ["a"]


def test_a_message_is_one_relays_until_its_lease_ends(stores: CallStores) -> None:
    put(stores, message("a"), message("b"))

    assert ids(claim(stores, "a", limit=1)) == ["a"]
    assert ids(claim(stores, "b")) == ["b"]
    assert claim(stores, "c", at_us=NOW + LEASE - 1) == []
    assert ids(claim(stores, "c", at_us=NOW + LEASE)) == ["a", "b"]


def test_a_relay_that_has_lost_its_claim_changes_nothing(stores: CallStores) -> None:
    put(stores, message("a"))
    (old,) = claim(stores, "a")
    (new,) = claim(stores, "b", at_us=NOW + LEASE)

    assert not stores.outbox.sent(old, "a")
    assert not stores.outbox.postpone(old, "a", due_us=NOW, is_attempt=True, reason="")
    assert not stores.outbox.bury(old, "a", now_us=NOW, reason="")
    assert stores.outbox.sent(new, "b")
    assert not stores.outbox.sent(new, "b")


def test_a_message_that_was_sent_is_gone(stores: CallStores) -> None:
    put(stores, message("a"))

    assert stores.outbox.sent(claim(stores)[0], "a")
    assert claim(stores, at_us=NOW + 10 * LEASE) == []


def test_a_postponed_message_comes_back_with_its_attempts(stores: CallStores) -> None:
    put(stores, message("a"))
    stores.outbox.postpone(claim(stores)[0], "a", due_us=NOW + 5, is_attempt=True, reason="503")
    assert claim(stores, at_us=NOW + 4) == []

    (again,) = claim(stores, at_us=NOW + 5)
    stores.outbox.postpone(again, "a", due_us=NOW + 6, is_attempt=False, reason="held")

    assert again.attempts == 1
    assert claim(stores, at_us=NOW + 6)[0].attempts == 1


def test_a_later_message_of_a_key_waits_for_the_earlier_one(stores: CallStores) -> None:
    put(stores, message("a1", "a"), message("a2", "a"), message("b1", "b"), message("free"))
    first = claim(stores)
    assert ids(first) == ["a1", "b1", "free"]
    stores.outbox.postpone(first[0], "a", due_us=NOW + 50, is_attempt=True, reason="503")
    stores.outbox.sent(first[1], "a")

    assert claim(stores, at_us=NOW + 10) == []
    (again,) = claim(stores, at_us=NOW + 50)
    assert again.message.id == "a1"
    stores.outbox.sent(again, "a")
    assert ids(claim(stores, at_us=NOW + 51)) == ["a2"]


def test_messages_of_other_routes_are_left(stores: CallStores) -> None:
    put(stores, message("a"), message("b", route="shop"))

    assert stores.outbox.claim([], "a", now_us=NOW, lease_us=LEASE, limit=9) == []
    assert ids(stores.outbox.claim(["shop", "x"], "a", now_us=NOW, lease_us=LEASE, limit=9)) == [
        "b"
    ]


def test_what_waits_is_counted_by_route(stores: CallStores) -> None:
    put(stores, message("a"), message("b", route="shop"))
    stores.outbox.put(message("c"), now_us=NOW + 7)

    assert list(stores.outbox.backlog()) == [
        RouteBacklog("bank", 2, NOW),
        RouteBacklog("shop", 1, NOW),
    ]


def test_a_dead_letter_keeps_what_it_was_and_why(stores: CallStores) -> None:
    put(stores, message("a", "k"), message("b", "k"))
    claimed = claim(stores)[0]

    assert stores.outbox.bury(claimed, "a", now_us=NOW + 9, reason="status 400")

    letter = DeadLetter(message("a", "k"), NOW, NOW + 9, 1, "status 400")
    assert stores.dead_letters.get("default", "a") == letter
    assert list(stores.dead_letters.find("default")) == [letter]
    assert stores.dead_letters.get("other", "a") is None
    assert list(stores.dead_letters.find("other")) == []
    assert ids(claim(stores)) == ["b"]  # what is behind it goes on


def test_dead_letters_are_listed_with_the_latest_first(stores: CallStores) -> None:
    put(stores, message("a"), message("b"), message("c", route="shop"))
    both = stores.outbox.claim(["bank", "shop"], "a", now_us=NOW, lease_us=LEASE, limit=9)
    for place, one in enumerate(both):
        stores.outbox.bury(one, "a", now_us=NOW + place, reason="no")

    def found(**how: object) -> list[str]:
        return [one.message.id for one in stores.dead_letters.find("default", **how)]  # pyright: ignore[reportArgumentType]: as named

    assert found() == ["c", "b", "a"]
    assert found(limit=1) == ["c"]
    assert found(route="bank") == ["b", "a"]


def test_a_replayed_letter_is_sent_again_with_its_id(stores: CallStores) -> None:
    put(stores, message("a"))
    stores.outbox.bury(claim(stores)[0], "a", now_us=NOW, reason="no")

    assert stores.dead_letters.replay("default", "a", now_us=NOW + 1)
    assert not stores.dead_letters.replay("default", "a", now_us=NOW + 1)

    (again,) = claim(stores, at_us=NOW + 1)
    assert (again.message, again.attempts) == (message("a"), 0)
    assert stores.outbox.bury(again, "a", now_us=NOW + 2, reason="still no")
    found = stores.dead_letters.get("default", "a")
    assert found is not None
    assert found.reason == "still no"


def test_a_discarded_letter_is_gone(stores: CallStores) -> None:
    put(stores, message("a"))
    stores.outbox.bury(claim(stores)[0], "a", now_us=NOW, reason="no")

    assert not stores.dead_letters.discard("other", "a")
    assert stores.dead_letters.discard("default", "a")
    assert not stores.dead_letters.discard("default", "a")
    assert claim(stores) == []


def test_a_key_comes_first_once_until_it_is_pruned(stores: CallStores) -> None:
    assert stores.inbox.first("k", now_us=NOW)
    assert not stores.inbox.first("k", now_us=NOW)
    assert stores.inbox.first("l", now_us=NOW + 5)

    assert stores.inbox.prune(before_us=NOW + 5) == 1
    assert stores.inbox.first("k", now_us=NOW + 6)
    assert not stores.inbox.first("l", now_us=NOW + 6)


def test_relays_at_once_never_have_the_same_message(stores: CallStores) -> None:
    put(stores, *(message(f"m{number}", f"k{number % 7}") for number in range(60)))
    taken: list[str] = []

    def relay(name: str) -> None:
        outbox = outboxes[name]
        for _ in range(200):
            claimed = outbox.claim(["bank"], name, now_us=NOW, lease_us=LEASE, limit=3)
            for one in claimed:
                taken.append(one.message.id)
                assert outbox.sent(one, name)

    outboxes = {name: stores.another() for name in ("a", "b", "c")}
    threads = [threading.Thread(target=relay, args=[name]) for name in outboxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == sorted(f"m{number}" for number in range(60))
    for key in range(7):
        of_key = [one for one in taken if int(one[1:]) % 7 == key]
        assert of_key == sorted(of_key, key=lambda one: int(one[1:]))


def test_a_database_that_refuses_is_told_of(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "calls.sqlite")

    with pytest.raises(CallStoreFailed, match="no such table") as caught:
        SqliteOutbox(connection).put(message("a"), now_us=NOW)

    connection.close()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_callers_own_transaction_of_the_standard_library_counts(tmp_path: Path) -> None:
    made = open_database(tmp_path / "shop.sqlite")
    migrate(made, "calls", CALL_MIGRATIONS)
    made.close()
    connection = sqlite3.connect(tmp_path / "shop.sqlite")

    SqliteOutbox(connection).put(message("a"), now_us=NOW)
    connection.rollback()
    SqliteOutbox(connection).put(message("b"), now_us=NOW)
    connection.commit()

    assert ids(SqliteOutbox(connection).claim(["bank"], "a", now_us=NOW, lease_us=1, limit=9)) == [
        "b"
    ]
    connection.close()


def test_tables_of_a_later_version_are_left_alone() -> None:
    with own_schema() as (connection, _):
        prepare_postgres_calls(connection)
        connection.execute("UPDATE kingpost_format SET version = 99")

        with pytest.raises(CallStoreNewer, match="99"):
            prepare_postgres_calls(connection)
