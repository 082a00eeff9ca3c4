"""A connection for each thread, all of them closed together."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kingpost.storage import ThreadConnections


def test_a_thread_has_a_connection_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    connections = ThreadConnections(tmp_path / "a.sqlite")
    mine = connections.get()

    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(connections.get).result()

    assert connections.get() is mine
    assert theirs is not mine
    connections.close()


def test_all_are_closed_together(tmp_path: Path) -> None:
    connections = ThreadConnections(tmp_path / "a.sqlite")
    with ThreadPoolExecutor(1) as pool:
        opened = [connections.get(), pool.submit(connections.get).result()]
        connections.close()

    for one in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            one.execute("SELECT 1")


def test_a_connection_is_closed_when_its_thread_ends(tmp_path: Path) -> None:
    connections = ThreadConnections(tmp_path / "a.sqlite")
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(connections.get).result()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        theirs.execute("SELECT 1")
    connections.close()


def test_a_connection_that_cannot_be_prepared_is_not_kept(tmp_path: Path) -> None:
    prepared: list[sqlite3.Connection] = []

    def prepare(connection: sqlite3.Connection) -> None:
        prepared.append(connection)
        if len(prepared) == 1:
            raise LookupError

    connections = ThreadConnections(tmp_path / "a.sqlite", prepare)
    with pytest.raises(LookupError):
        connections.get()

    assert connections.get() is prepared[1]
    connections.close()
