"""The real server in a process of its own, as `kingpost run` starts it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import kingpost as kp

__all__ = ["Server", "ServerFailed"]

_STOP_S = 120


class ServerFailed(kp.KingpostError):
    """The server did not start, or did not end as it should."""

    code = "server_failed"

    def __init__(self, problem: str, said: str) -> None:
        super().__init__(problem, said)
        self.problem, self.said = problem, said

    def __str__(self) -> str:
        return f"the server {self.problem}: {self.said or 'it said nothing'}"


class Server:
    """A server over a data directory: `with Server(app, directory, port) as server: …`.

    Args:
        tenant: Whose its own work is, such as a retraining; the usual one when empty.

    Attributes:
        url: Where it serves.
    """

    url: str

    def __init__(self, app: Path, directory: Path, port: int, *, tenant: str = "") -> None:
        self._environment = os.environ | ({"KINGPOST_TENANT": tenant} if tenant else {})
        self._log = directory / "server.log"
        self._command = [
            *(sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory)),
            *("run", str(app), "--port", str(port), "--json"),
        ]
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.PIPE, stderr=log
            )
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            self._process.communicate()
            raise ServerFailed("did not start", self._last_words())
        self.url = json.loads(line)["url"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """The host it listens on."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return urlsplit(self.url).port or 0

    def stop(self) -> None:
        """Let it finish what is in flight and end.

        Raises:
            ServerFailed: It ended with an error.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=_STOP_S)  # which closes the pipe as well
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise ServerFailed("did not stop", self._last_words()) from None
        if code := self._process.returncode:
            raise ServerFailed(f"ended with code {code}", self._last_words())

    def wait(self) -> None:
        """Wait until it ends by itself."""
        self._process.wait()

    def _last_words(self) -> str:
        return " | ".join(self._log.read_text(errors="replace").strip().splitlines()[-5:])
