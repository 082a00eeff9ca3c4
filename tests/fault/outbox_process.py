"""A process around an outbox, to be killed: it pays and tells, or it relays.

`write WHERE COUNT` commits payments, each with the message that tells of it; `relay WHERE
URL` sends messages. WHERE is a file of SQLite or the address of PostgreSQL. Each says
`ready` first, and goes on where it was killed.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import psycopg

from kingpost.calls import (
    CALL_MIGRATIONS,
    DeadLetters,
    Outbox,
    OutboxMessage,
    PostgresDeadLetters,
    PostgresOutbox,
    Relay,
    Retries,
    Route,
    Service,
    ServiceClient,
    ServiceSender,
    SqliteDeadLetters,
    SqliteOutbox,
    prepare_postgres_calls,
)
from kingpost.core import SystemClock
from kingpost.storage import migrate, open_database, transaction

__all__ = ["Shop", "opened_shop"]

KEYS = 12
_TABLE = "CREATE TABLE IF NOT EXISTS payments (number INTEGER PRIMARY KEY)"
_PAID = "SELECT number FROM payments ORDER BY number"


class Shop(NamedTuple):
    """An open database of payments, with its outbox."""

    outbox: Outbox
    dead_letters: DeadLetters
    transaction: Callable[[], AbstractContextManager[object]]
    pay: Callable[[int], object]
    rows: Callable[[], Sequence[Sequence[int]]]
    close: Callable[[], None]

    def paid(self) -> list[int]:
        return [number for (number,) in self.rows()]


def opened_shop(where: str) -> Shop:
    """Open the database, and make its tables where there are none."""
    return _at_server(where) if "://" in where else _in_file(Path(where))


def _at_server(url: str) -> Shop:
    connection = psycopg.connect(url, autocommit=True)
    prepare_postgres_calls(connection)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        connection.execute(_TABLE)

    def pay(number: int) -> None:
        connection.execute("INSERT INTO payments VALUES (%s)", [number])

    return Shop(
        PostgresOutbox(connection),
        PostgresDeadLetters(connection),
        connection.transaction,
        pay,
        lambda: connection.execute(_PAID).fetchall(),
        connection.close,
    )


def _in_file(path: Path) -> Shop:
    connection = open_database(path)
    migrate(connection, "calls", CALL_MIGRATIONS)
    connection.execute(_TABLE)

    def pay(number: int) -> None:
        connection.execute("INSERT INTO payments VALUES (?)", [number])

    return Shop(
        SqliteOutbox(connection),
        SqliteDeadLetters(connection),
        lambda: transaction(connection),
        pay,
        lambda: connection.execute(_PAID).fetchall(),
        connection.close,
    )


def write(where: str, count: int) -> None:
    shop, clock = opened_shop(where), SystemClock()
    print("ready", flush=True)
    for number in range(len(shop.paid()), count):
        name = f"{number % KEYS}-{number:06}"
        body = f'{{"order": "{name}"}}'.encode()
        message = OutboxMessage(f"m-{name}", "bank", body, str(number % KEYS))
        with shop.transaction():
            shop.pay(number)
            shop.outbox.put(message, now_us=clock.now_us())


def relay(where: str, url: str) -> None:
    service = Service(
        "bank",
        url,
        deadline="1s",
        breaker=None,
        retries=Retries(first_wait="5ms", budget=1.0),
        idempotency="Idempotency-Key",
    )
    route = Route(ServiceSender(ServiceClient(service), "/effects"), waits=["10ms"] * 1000)
    shop = opened_shop(where)
    print("ready", flush=True)
    sending = Relay(shop.outbox, {"bank": route}, lease="1500ms", batch=4)
    sending.run(threading.Event(), idle_s=0.02)


if __name__ == "__main__":
    role, place, what = sys.argv[1:]
    if role == "write":
        write(place, int(what))
    else:
        relay(place, what)
