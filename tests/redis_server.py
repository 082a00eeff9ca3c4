"""A Redis server of a test's own, to be stopped, starved and emptied."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

__all__ = ["RedisServer", "redis_server", "share_store"]


class RedisServer:
    """Runs on a port of its own and keeps nothing on disk: after a restart it is empty."""

    def __init__(self, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}"
        self._options = options
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no", *self._options],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError("redis-server does not answer")

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Let it accept and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> None:
        """Send it a command."""
        client = redis.Redis(port=self.port)
        client.execute_command(*words)  # pyright: ignore[reportUnknownMemberType]  any command
        client.close()


@contextmanager
def redis_server(*options: str) -> Generator[RedisServer]:
    """Run a server; skip the test where none is installed, unless services are required."""
    if shutil.which("redis-server") is None:
        if os.environ.get("KINGPOST_TEST_SERVICES") == "required":
            pytest.fail("redis-server is not installed; it is required here")
        pytest.skip("redis-server is not installed")
    server = RedisServer(*options)
    try:
        yield server
    finally:
        server.kill()


def share_store(root: Path, redis: str, partitions: Sequence[str]) -> None:
    """Let the servers of some directories share a Redis, each with a partition of its name."""
    listed = ";".join(f"{name}={root / name / 'data'}" for name in partitions)
    for name in partitions:
        (root / name / "kingpost.toml").write_text(
            f'online_store = "{redis}"\npartition = "{name}"\npartitions = "{listed}"\n'
        )
