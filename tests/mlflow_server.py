"""A real MLflow server of a test's own, in its own locked environment, and MLflow's own Python.

The environment is `benchmarks/peers/mlflow`; where it cannot be made, tests skip with the
reason, and fail with `KINGPOST_TEST_SERVICES=required`.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks._figures import peer_python

__all__ = ["LocalMlflow", "mlflow_server"]

_UP_WITHIN_S = 300
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes less
}


class LocalMlflow(NamedTuple):
    """A server that runs.

    Attributes:
        artefacts: Where it keeps files.
    """

    url: str
    artefacts: Path
    python: Path

    def run(self, script: str, directory: Path, *arguments: str) -> dict[str, object]:
        """Run a script by MLflow's Python; return the JSON object of its last line."""
        done = subprocess.run(
            [self.python, "-c", script, *arguments],
            cwd=directory,
            env=os.environ | _QUIET | {"MLFLOW_TRACKING_URI": self.url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        told: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return told

    def files_of(self, run: str, name: str) -> list[Path]:
        """Return the kept files of a name that belong to a run's models."""
        found = [
            path.parent / name
            for path in self.artefacts.rglob("MLmodel")
            if run in (path.read_text() + str(path))
        ]
        return [path for path in found if path.exists()]


@contextmanager
def mlflow_server(directory: Path) -> Generator[LocalMlflow]:
    """Start a server over a directory, with a database and files in it."""
    python = _python()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    artefacts, log = directory / "artefacts", directory / "server.log"
    command = [
        python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{directory}/mlflow.db",
        "--artifacts-destination", str(artefacts),
    ]  # fmt: skip
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=os.environ | _QUIET,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    with process:
        try:
            _wait_for(process, port, log)
            yield LocalMlflow(f"http://127.0.0.1:{port}", artefacts, python)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _python() -> Path:
    try:
        return peer_python("mlflow")
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"the environment benchmarks/peers/mlflow cannot be made: {error}"
        if os.environ.get("KINGPOST_TEST_SERVICES") == "required":
            pytest.fail(f"{reason}; it is required here")
        pytest.skip(reason)


def _wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + _UP_WITHIN_S
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < end, f"it does not listen: {log.read_text()[-2000:]}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
