"""Embeddings in SQLite: what was kept before the process ended, however it ended, is there.

The connection is handed in, with the tables at the format that `EMBEDDING_MIGRATIONS` lead
to; several processes may use one file. Each call is one transaction. It waits for no disk, since
what a power cut forgets is computed again.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from kingpost.models.embeddings.store import ENTRY_BYTES, EmbeddingSpace, HeldEmbeddings
from kingpost.storage import storage_error, transaction

__all__ = ["EMBEDDING_MIGRATIONS", "SqliteEmbeddings"]

EMBEDDING_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE embeddings (
        id INTEGER PRIMARY KEY, model BLOB NOT NULL, tenant TEXT NOT NULL, content BLOB NOT NULL,
        vector BLOB NOT NULL, used INTEGER NOT NULL, UNIQUE (model, tenant, content)
    ) STRICT
    """,
    "CREATE INDEX embeddings_used ON embeddings (used, id)",
    """
    CREATE TABLE embeddings_held (
        turn INTEGER NOT NULL, entries INTEGER NOT NULL, size_bytes INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO embeddings_held VALUES (0, 0, 0)",
)
"""One statement each; format n is what the first n of them made."""

T = TypeVar("T")
_AT_ONCE = 500
"""Keys in one statement: SQLite takes some thousands."""


class SqliteEmbeddings:
    """An `EmbeddingStore` in a database file; for the thread that opened the connection.

    Args:
        most_bytes: The most that is kept; the file may be somewhat larger.
    """

    def __init__(self, connection: sqlite3.Connection, most_bytes: int) -> None:
        self._connection, self._most_bytes = connection, most_bytes
        with _translated():
            connection.execute("PRAGMA synchronous = NORMAL")

    def get(self, space: EmbeddingSpace, contents: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with self._changing():
            for ids, part in self._found(space, contents):
                found.update(part)
                marks = ",".join("?" * len(ids))
                self._connection.execute(
                    "UPDATE embeddings SET used = (SELECT turn FROM embeddings_held) "
                    f"WHERE id IN ({marks})",
                    ids,
                )
        return found

    def put(self, space: EmbeddingSpace, vectors: Mapping[bytes, bytes]) -> int:
        with self._changing():
            for content, vector in vectors.items():
                added = self._connection.execute(
                    "INSERT INTO embeddings (model, tenant, content, vector, used) "
                    "VALUES (?, ?, ?, ?, (SELECT turn FROM embeddings_held)) "
                    "ON CONFLICT DO NOTHING",
                    [space.model, space.tenant, content, vector],
                )
                self._count(added.rowcount, len(vector) if added.rowcount else 0)
            return self._make_room()

    def drop_model(self, model: bytes) -> int:
        with self._changing():
            return self._delete("model = ?", [model])

    def forget(self, tenant: str, contents: Sequence[bytes]) -> int:
        with self._changing():
            return sum(
                self._delete(
                    f"tenant = ? AND content IN ({','.join('?' * len(some))})", [tenant, *some]
                )
                for some in _parts(contents)
            )

    def held(self) -> HeldEmbeddings:
        with _translated():
            return HeldEmbeddings(*self._held())

    def _held(self) -> tuple[int, int]:
        query = "SELECT entries, size_bytes FROM embeddings_held"
        entries, size_bytes = self._connection.execute(query).fetchone()
        return int(entries), int(size_bytes)

    def _found(
        self, space: EmbeddingSpace, contents: Sequence[bytes]
    ) -> Iterator[tuple[list[int], dict[bytes, bytes]]]:
        for some in _parts(contents):
            rows = self._connection.execute(
                "SELECT id, content, vector FROM embeddings WHERE model = ? AND tenant = ? "
                f"AND content IN ({','.join('?' * len(some))})",
                [space.model, space.tenant, *some],
            ).fetchall()
            if rows:
                yield [row[0] for row in rows], {row[1]: row[2] for row in rows}

    def _make_room(self) -> int:
        over, gone = self._held()[1] - self._most_bytes, list[int]()
        if over > 0:
            for identifier, length in self._connection.execute(
                "SELECT id, length(vector) FROM embeddings ORDER BY used, id"
            ):
                gone.append(identifier)
                over -= ENTRY_BYTES + length
                if over <= 0:
                    break
        return sum(
            self._delete(f"id IN ({','.join('?' * len(some))})", some) for some in _parts(gone)
        )

    def _delete(self, which: str, values: Sequence[int | str | bytes]) -> int:
        lengths = self._connection.execute(
            f"DELETE FROM embeddings WHERE {which} RETURNING length(vector)", values
        ).fetchall()
        self._count(-len(lengths), -sum(length for (length,) in lengths))
        return len(lengths)

    def _count(self, entries: int, vector_bytes: int) -> None:
        self._connection.execute(
            "UPDATE embeddings_held SET entries = entries + ?, size_bytes = size_bytes + ?",
            [entries, entries * ENTRY_BYTES + vector_bytes],
        )

    @contextmanager
    def _changing(self) -> Generator[None, None, None]:
        with _translated(), transaction(self._connection):
            self._connection.execute("UPDATE embeddings_held SET turn = turn + 1")
            yield


def _parts(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    return (whole[at : at + _AT_ONCE] for at in range(0, len(whole), _AT_ONCE))


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise storage_error(error, "the cache of embeddings") from error
