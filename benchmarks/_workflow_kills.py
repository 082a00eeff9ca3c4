"""Workers that are killed, and a receiver that counts what they did.

The receiver honours keys: the same key twice is one effect. So an effect that is done twice
came with two keys, and one that is missing was never sent.
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from benchmarks._workflow_child import Zygote

__all__ = ["Killed", "Receiver", "kill_at_every_place", "kill_at_random", "receiving"]


class Receiver:
    """Takes effects over HTTP, each key once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[str] = set()
        self.applied: Counter[tuple[str, int]] = Counter()
        self.repeated = 0

    def take(self, key: str, workflow: str, step: int) -> None:
        with self._lock:
            if key in self._keys:
                self.repeated += 1
                return
            self._keys.add(key)
            self.applied[workflow, step] += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over connections of processes that were killed."""


@contextmanager
def receiving() -> Generator[tuple[Receiver, str]]:
    """Run a receiver; yield it and its address."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            text = self.rfile.read(length)
            if len(text) < length:
                return  # whoever sent it was killed
            body = json.loads(text)
            receiver.take(self.headers["idempotency-key"], body["workflow"], body["step"])
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver, f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Killed(NamedTuple):
    """What came of it.

    Attributes:
        interrupted: Workflows that ran when a worker was killed, summed over the kills.
        ran_again: Steps that ran although they had finished.
    """

    kills: int
    interrupted: int
    duplicates: int
    losses: int
    ran_again: int
    left: int


def kill_at_every_place(zygote: Zygote, where: str, folder: Path, *, steps: int) -> Killed:
    """Kill a worker before, inside and behind each step of one workflow."""
    points = [f"{n}:{at}" for n in range(1, steps + 1) for at in ("before", "after", "boundary")]
    log = folder / "ran.log"
    with receiving() as (receiver, address):
        plan = {"receiver": address, "log": str(log)}
        zygote.run("start", where=where, workflow="twenty", calls=[[steps]])
        for point in points:
            ended = zygote.run("work", where=where, plan={**plan, "die_at": point})
            assert ended["signal"] == signal.SIGKILL, f"not killed at {point}: {ended}"
        ended = zygote.run("work", where=where, plan=plan)
        expected = {("twenty-0", n) for n in range(1, steps + 1)}
        return _killed(receiver, expected, len(points), len(points), log, ended["found"]["left"])


def kill_at_random(
    zygote: Zygote,
    where: str,
    folder: Path,
    *,
    kills: int,
    seed: int,
    ahead: int = 300,
    lives_s: tuple[float, float] = (0.0, 1.6),
) -> Killed:
    """Kill workers while many workflows run; half-way another version is deployed.

    Args:
        ahead: How many workflows wait or run when a worker starts, at least.
        lives_s: How long a worker lives after its first step, at least and at most.
    """
    chance = random.Random(seed)
    log, interrupted, started = folder / "ran.log", 0, 0
    with receiving() as (receiver, address):
        plan = {"receiver": address, "log": str(log)}
        for number in range(kills):
            counted = zygote.run("count", where=where)["found"]
            if counted["queued"] + counted["running"] < ahead:
                calls = [[one] for one in range(started, started + ahead)]
                zygote.run("start", where=where, workflow="order", calls=calls, first=started)
                started += ahead
            before = _size(log)
            pid = zygote.start("work", where=where, is_before=number < kills // 2, plan=plan)
            _until_it_works(log, before)
            time.sleep(chance.uniform(*lives_s))
            os.kill(pid, signal.SIGKILL)
            ended = zygote.ended()
            assert ended["signal"] == signal.SIGKILL, f"it ended before: {ended}"
            interrupted += zygote.run("count", where=where)["found"]["running"]
        ended = zygote.run("work", where=where, plan=plan, seconds=300.0)
        expected = {(f"order-{n}", step) for n in range(started) for step in (1, 2, 3, 4)}
        return _killed(receiver, expected, kills, interrupted, log, ended["found"]["left"])


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _until_it_works(log: Path, before: int) -> None:
    end = time.monotonic() + 60
    while _size(log) == before:
        assert time.monotonic() < end, "a worker does nothing"
        time.sleep(0.02)


def _killed(
    receiver: Receiver,
    expected: set[tuple[str, int]],
    kills: int,
    interrupted: int,
    log: Path,
    left: int,
) -> Killed:
    return Killed(
        kills=kills,
        interrupted=interrupted,
        duplicates=sum(number - 1 for number in receiver.applied.values()),
        losses=len(expected - receiver.applied.keys()),
        ran_again=sum(1 for _ in _ran_again(log)),
        left=left,
    )


def _ran_again(log: Path) -> Iterator[str]:
    """Find steps that ran after a later step of the same workflow had begun."""
    latest: dict[str, int] = {}
    for line in log.read_text().splitlines():
        workflow, number = line.split()
        step = _ORDER.get(int(number), int(number)) if workflow.startswith("order") else int(number)
        if step < latest.get(workflow, 0):
            yield line
        latest[workflow] = max(step, latest.get(workflow, 0))


_ORDER = {1: 1, 2: 2, 3: 2, 100: 3, 4: 4}
"""Where the steps of an order come; two of them run at once."""
