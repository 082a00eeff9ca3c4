"""Outbox, inbox and dead letters in memory, SQLite and PostgreSQL, for contract tests."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg

from kingpost.calls import (
    CALL_MIGRATIONS,
    DeadLetters,
    Inbox,
    MemoryDeadLetters,
    MemoryInbox,
    MemoryOutbox,
    Outbox,
    PostgresDeadLetters,
    PostgresInbox,
    PostgresOutbox,
    SqliteDeadLetters,
    SqliteInbox,
    SqliteOutbox,
    prepare_postgres_calls,
)
from kingpost.storage import migrate, open_database, transaction
from tests.postgres import own_schema

__all__ = ["KINDS", "CallStores", "opened_stores"]

KINDS = ("memory", "sqlite", "postgres")


@dataclass(frozen=True)
class CallStores:
    """One installation.

    Attributes:
        another: Opens the outbox on a further connection, as another relay has it.
        transaction: Runs what is put as one.
        has_transactions: Whether an error takes back what was put.
    """

    outbox: Outbox
    dead_letters: DeadLetters
    inbox: Inbox
    another: Callable[[], Outbox]
    transaction: Callable[[], AbstractContextManager[object]]
    has_transactions: bool = True


@contextmanager
def opened_stores(kind: str, directory: Path) -> Generator[CallStores]:
    """Open stores of a kind; PostgreSQL is skipped where it does not answer."""
    with ExitStack() as opened:
        match kind:
            case "memory":
                yield _memory()
            case "sqlite":
                yield _sqlite(directory / "calls.sqlite", opened)
            case _:
                yield _postgres(opened)


def _memory() -> CallStores:
    outbox = MemoryOutbox()
    return CallStores(
        outbox,
        MemoryDeadLetters(outbox),
        MemoryInbox(),
        lambda: outbox,
        nullcontext,
        has_transactions=False,
    )


def _sqlite(path: Path, opened: ExitStack) -> CallStores:
    def another() -> Outbox:
        further = open_database(path, is_shared=True)
        opened.callback(further.close)
        return SqliteOutbox(further)

    connection = open_database(path)
    opened.callback(connection.close)
    migrate(connection, "calls", CALL_MIGRATIONS)
    return CallStores(
        SqliteOutbox(connection),
        SqliteDeadLetters(connection),
        SqliteInbox(connection, "bank"),
        another,
        lambda: transaction(connection),
    )


def _postgres(opened: ExitStack) -> CallStores:
    connection, url = opened.enter_context(own_schema())

    def another() -> Outbox:
        further = psycopg.connect(url, autocommit=True)
        opened.callback(further.close)
        return PostgresOutbox(further)

    prepare_postgres_calls(connection)
    prepare_postgres_calls(connection)
    return CallStores(
        PostgresOutbox(connection),
        PostgresDeadLetters(connection),
        PostgresInbox(connection, "bank"),
        another,
        connection.transaction,
    )
