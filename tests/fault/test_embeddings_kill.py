"""A cache of embeddings survives `kill -9`: what it counts is what it holds, and is right."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kingpost.models import EMBEDDING_MIGRATIONS, EmbeddingCache, SqliteEmbeddings
from kingpost.models.embeddings.store import ENTRY_BYTES
from kingpost.storage import migrate, open_database

MODEL = b"m" * 32
DIMENSION = 4
ROOM = 200
WRITER = """
import sys
from pathlib import Path
from kingpost.models import EmbeddingCache
from tests.fault.test_embeddings_kill import MODEL, embedded, opened, store_of

cache, turn = EmbeddingCache(store_of(opened(Path(sys.argv[1])))), int(sys.argv[2])
print("open", flush=True)
while True:
    cache.vectors(MODEL, [str(turn % 30 * 7 + at) for at in range(20)], embedded, tenant="acme")
    turn += 1
"""


def embedded(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[int(text), 1, 2, 3] for text in texts], np.float32)


def opened(path: Path) -> sqlite3.Connection:
    connection = open_database(path)
    migrate(connection, "embeddings", EMBEDDING_MIGRATIONS)
    return connection


def store_of(connection: sqlite3.Connection) -> SqliteEmbeddings:
    return SqliteEmbeddings(connection, ROOM * (ENTRY_BYTES + 4 * DIMENSION))


def test_a_killed_process_leaves_whole_vectors_and_a_right_count(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.sqlite"
    for turn in range(5):
        command = [sys.executable, "-c", WRITER, str(path), str(turn * 11)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            time.sleep(0.1 + 0.03 * turn)
            process.send_signal(signal.SIGKILL)

        with closing(opened(path)) as connection:
            store = store_of(connection)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            lengths = connection.execute("SELECT length(vector) FROM embeddings").fetchall()
            assert 0 < len(lengths) <= ROOM
            assert {length for (length,) in lengths} == {4 * DIMENSION}
            assert store.held() == (len(lengths), len(lengths) * (ENTRY_BYTES + 4 * DIMENSION))
            cache, texts = EmbeddingCache(store), [str(at) for at in range(20 + 29 * 7)]
            found = cache.vectors(MODEL, texts, embedded, tenant="acme")
            assert found.tobytes() == embedded(texts).tobytes()
            assert (cache.counts.hits, cache.counts.failures) == (len(lengths), 0)
