"""Brokers of a test's own, which it may kill: processes on free ports, over a directory."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

__all__ = ["OwnBroker", "own_nats", "own_rabbitmq"]

_UP_WITHIN_S = 120
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself; what is on the path changes the user first."""


class OwnBroker:
    """A broker that is killed and started again on the same data."""

    def __init__(
        self, command: Sequence[str], url: str, port: int, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.url = url
        self._command, self._port, self._log = command, port, log
        self._environment = {**os.environ, **environment}
        self._process = self._start()

    def kill(self) -> None:
        """End it and all its processes at once."""
        with self._process:
            os.killpg(self._process.pid, signal.SIGKILL)

    def restart(self) -> None:
        """Start it again, and wait until it listens."""
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + _UP_WITHIN_S
        while True:
            assert process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < end, "the broker does not listen"
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return process


def own_nats(directory: Path) -> OwnBroker:
    """Start a NATS server with JetStream; skip where there is none."""
    if shutil.which("nats-server") is None:
        pytest.skip("there is no nats-server to start")
    port = _free_port()
    command = ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(directory)]
    return OwnBroker(command, f"nats://127.0.0.1:{port}", port, directory / "broker.log", {})


def own_rabbitmq(directory: Path) -> OwnBroker:
    """Start a RabbitMQ node; skip where there is none."""
    if not _RABBITMQ.exists():
        pytest.skip(f"there is no {_RABBITMQ} to start")
    port = _free_port()
    plugins = directory / "plugins"
    plugins.write_text("[].")
    environment = {
        "HOME": str(directory),
        "RABBITMQ_NODENAME": f"kingpost-{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(_free_port()),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(directory / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
    }
    url = f"amqp://guest:guest@127.0.0.1:{port}/"
    return OwnBroker([str(_RABBITMQ)], url, port, directory / "broker.log", environment)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    return port
