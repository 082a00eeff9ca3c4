"""Serves the small application of the tests in a process of its own.

python -m tests.e2e.tiny_server DIRECTORY [sync_s] [body_timeout_s] [port] [drain_delay_s]
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kingpost.access import MIGRATIONS, KeyRing, SqliteKeys
from kingpost.core import DiskFile, SystemClock, SystemDisk
from kingpost.serving import ServingSettings, build_app, serve
from kingpost.storage import migrate, open_database
from tests.tiny_app import open_engine

__all__ = ["open_keys"]


class SlowFile:
    """A file whose syncs take their time."""

    def __init__(self, file: DiskFile, sync_s: float) -> None:
        self._file, self._sync_s = file, sync_s
        self.read_at, self.write_at = file.read_at, file.write_at
        self.size, self.truncate, self.close = file.size, file.truncate, file.close
        self.map, self.is_replaced = file.map, file.is_replaced

    @property
    def descriptor(self) -> int | None:
        return None if self._sync_s else self._file.descriptor

    def write_durable(self, place: int, buffers: Sequence[bytes]) -> None:
        self._file.write_durable(place, buffers)
        time.sleep(self._sync_s)

    def sync(self) -> None:
        self._file.sync()
        time.sleep(self._sync_s)


class SlowDisk(SystemDisk):
    """The machine's disk, with slower syncs."""

    def __init__(self, sync_s: float) -> None:
        self._sync_s = sync_s

    def open(self, path: Path, *, write: bool, create: bool = False) -> DiskFile:
        file = super().open(path, write=write, create=create)
        return SlowFile(file, self._sync_s) if self._sync_s else file


def open_keys(directory: Path) -> SqliteKeys:
    """Open the keys beside the journal."""
    connection = open_database(directory / "access.sqlite")
    migrate(connection, "access", MIGRATIONS)
    return SqliteKeys(connection)


def main(
    directory: Path,
    sync_s: float = 0,
    body_timeout_s: float = 10,
    port: float = 0,
    drain_delay_s: float = 0,
) -> None:
    clock = SystemClock()
    engine = open_engine(directory / "data", disk=SlowDisk(sync_s), clock=clock)
    keys = KeyRing(open_keys(directory), clock)
    app = build_app(engine, keys, ServingSettings(body_timeout_s=body_timeout_s), clock)
    serve(
        app,
        "127.0.0.1",
        int(port),
        10,
        drain_delay_s=drain_delay_s,
        ready=lambda at: print(at.url, flush=True),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
