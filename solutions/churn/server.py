"""The real server in a process of its own, as `kingpost run` starts it."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import kingpost as kp

__all__ = ["ServerFailed", "running"]

_STOP_S = 30


class ServerFailed(kp.KingpostError):
    """The server did not start."""

    code = "server_failed"

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said

    def __str__(self) -> str:
        return f"the server did not start: {self.said or 'it said nothing'}"


@contextmanager
def running(app: Path, directory: Path) -> Generator[SplitResult, None, None]:
    """Serve an application over a data directory, on any free port.

    Raises:
        ServerFailed: It ended before it served.
    """
    command = [
        *(sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory)),
        *("run", str(app), "--port", "0", "--json"),
    ]
    log = directory / "server.log"
    with (
        log.open("ab") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise ServerFailed(" | ".join(log.read_text(errors="replace").splitlines()[-5:]))
            yield urlsplit(json.loads(line)["url"])
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
