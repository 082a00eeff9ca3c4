"""The small application of `cli_app`, served by the real command line, under load."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
import numpy as np

from kingpost.calls import LoadClient, LoadReport
from kingpost.core import SystemDisk, id_text
from kingpost.journal import scan
from kingpost.records import decode_record
from tests.cli_app import HOUR_US, START_US

__all__ = ["Load", "ServedShop", "order", "recorded", "until"]

_GIVEN_UP_AFTER_S = 120
_FIRST_US = START_US + 11 * 24 * HOUR_US


class ServedShop:
    """`kingpost run shop_app.py` over `directory/data`, a process of its own."""

    def __init__(self, directory: Path, secret: str, *arguments: str) -> None:
        self.directory = directory
        self.log = directory / "server.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"),
                 "run", "shop_app.py", "--port", "0", "--json", *arguments],
                cwd=directory,
                stdout=subprocess.PIPE,
                stderr=log,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server did not start: {self.log.read_text()}"
        told = json.loads(line)
        self.url: str = told["url"]
        self.grpc: str = told.get("grpc", "")
        self.headers = {"authorization": f"Bearer {secret}"}
        self.client = httpx.Client(base_url=self.url, headers=self.headers, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        with self.process:
            self.process.send_signal(how)
        return self.process.returncode

    def is_ready(self) -> bool:
        """Ask whether it takes work."""
        return self.client.get("/health/ready").status_code == 200

    def decide(self, body: bytes) -> httpx.Response:
        """Ask for one decision."""
        headers = {"content-type": "application/json"}
        return self.client.post("/v1/decisions/risk", content=body, headers=headers)


class Load:
    """Requests for decisions in a thread, until it is told to stop."""

    def __init__(self, shop: ServedShop, run: str, *, connections: int = 16) -> None:
        where = urlsplit(shop.url)
        assert where.hostname is not None
        assert where.port is not None
        self._client = LoadClient(where.hostname, where.port, shop.headers, connections=connections)
        self._run, self._stopped = run, threading.Event()
        self._report: LoadReport | None = None
        self._sent = 0
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def stop(self) -> LoadReport:
        """Send no more, and return what came of it."""
        self._stopped.set()
        self._thread.join(120)
        assert self._report is not None, "the load did not end"
        return self._report

    def go_on(self, requests: int = 500) -> None:
        """Wait until it has sent so many more."""
        goal = self._sent + requests
        until(lambda: self._sent >= goal, f"{requests} requests more are sent")

    def _send(self) -> None:
        self._report = self._client.run(self._calls())

    def _calls(self) -> Iterator[bytes]:
        while not self._stopped.is_set():
            body = order(f"{self._run}-{self._sent}", self._sent)
            yield self._client.post("/v1/decisions/risk", body)
            self._sent += 1
            time.sleep(0.0004)  # refusals are quick: the server must not only refuse


def order(identifier: str, number: int = 0) -> bytes:
    """Write the body of a request."""
    moment = np.datetime64(_FIRST_US + number * 50_000, "us")
    amount = round(7.5 + number * 7919 % 20_000 / 100, 2)
    return (
        f'{{"id":"{identifier}","at":"{moment}Z","customer":"c{number % 45}","amount":{amount}}}'
    ).encode()


def recorded(directory: Path) -> dict[str, object]:
    """Read the answer of every record in the journal, by its id."""
    return {
        id_text(record.id): json.loads(bytes(record.answer))
        for commit in scan(directory / "data" / "journal" / "data", disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "record"
        for record in [decode_record(entry.body)]
    }


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + _GIVEN_UP_AFTER_S
    while not is_so():
        assert time.monotonic() < end, f"{what}: not within {_GIVEN_UP_AFTER_S} s"
        time.sleep(0.05)
