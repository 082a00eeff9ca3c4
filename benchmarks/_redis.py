"""`online_redis_p99_us`: the benchmark of the store in Redis, on a server started for it."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks._figures import say

__all__ = ["run_redis"]

STARTS_WITHIN_S = 10.0


def run_redis(directory: Path) -> bool:
    """Print the figure; say whether its bar is met. Without redis-server it is left out."""
    if shutil.which("redis-server") is None:
        say("redis: no redis-server on the path, online_redis_p99_us is left out")
        return True
    with _served(directory) as url:
        command = [sys.executable, "-m", "benchmarks.online_store", "--url", url]
        return subprocess.run(command, check=False).returncode == 0


@contextmanager
def _served(directory: Path) -> Generator[str, None, None]:
    """Run a Redis that keeps nothing, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [*command, "--appendonly", "no", "--dir", str(directory)], stdout=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    sys.exit("redis: the server started for the benchmark does not answer")
