"""The run: many senders, some slow ones, and one that asks good questions all the while."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from tools.fuzz.bodies import good_body
from tools.fuzz.requests import Sent, bad_request, post, with_query

__all__ = ["Finding", "FuzzReport", "Target", "fuzz"]

_SENDERS = 12
_SLOW = 48
_ANSWER_S = 20.0
"""Longer than the server may wait for what does not come."""
_GOOD_S = 5.0
_BUSY = 503
_LONGEST_FINDING = 300


@dataclass(frozen=True)
class Target:
    """The server to send to.

    Attributes:
        url: As `http://127.0.0.1:8080`.
        key: Secret of an API key.
        paths: Every path there is; those with `/decisions/` and `/events/` take bodies.
        decision: The path that good requests go to.
        pid: Its process, to watch its memory; None when it is not on this machine.
    """

    url: str
    key: str
    paths: Sequence[str]
    decision: str
    pid: int | None = None


class Finding(NamedTuple):
    """Something a server should not have done."""

    kind: str
    what: str
    sent: str


@dataclass
class FuzzReport:
    """What came of a run.

    Attributes:
        statuses: How often each status came; 0 where the connection was closed unanswered.
        recorded: Answer by record id of every decision acknowledged, good or not.
        grown_bytes: How much the server's memory grew after the first fifth of it.
    """

    sent: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    statuses: Counter[int] = field(default_factory=Counter[int])
    good: int = 0
    recorded: dict[str, object] = field(default_factory=dict[str, object])
    findings: list[Finding] = field(default_factory=list[Finding])
    slow_closed: int = 0
    grown_bytes: int = 0
    wall_s: float = 0.0


def fuzz(target: Target, *, count: int, seed: int = 0) -> FuzzReport:
    """Send `count` malformed requests and report what came of them."""
    return asyncio.run(_Run(target, count, seed).run())


class _Run:
    def __init__(self, target: Target, count: int, seed: int) -> None:
        where = urlsplit(target.url)
        self._host, self._port = where.hostname or "127.0.0.1", where.port or 80
        self._target, self._count, self._seed = target, count, seed
        self._report = FuzzReport()
        self._next = 0
        self._size_after_warming = 0
        self._is_over = asyncio.Event()

    async def run(self) -> FuzzReport:
        begun = time.perf_counter()
        good = asyncio.create_task(self._ask_well())
        slow = [asyncio.create_task(self._send_slowly(at)) for at in range(_SLOW)]
        await asyncio.gather(*(self._send() for _ in range(_SENDERS)))
        self._report.slow_closed = sum(await asyncio.gather(*slow))
        self._is_over.set()
        await good
        self._report.grown_bytes = _resident(self._target.pid) - self._size_after_warming
        self._report.wall_s = time.perf_counter() - begun
        return self._report

    async def _send(self) -> None:
        while self._next < self._count:
            number = self._next
            self._next += 1
            if number == self._count // 5:
                self._size_after_warming = _resident(self._target.pid)
            random = Random(f"{self._seed}-{number}")
            paths = self._target.paths
            if random.random() < 0.1:
                paths = [*paths[:-1], with_query(random, random.choice(paths))]
            sent = bad_request(random, f"fuzz-{self._seed}-{number}", paths, self._target.key)
            if random.random() < 0.03:
                again = good_body(f"behind-{self._seed}-{number}", number)
                first = post(self._target.decision, json.dumps(again).encode(), self._target.key)
                sent = Sent("pipelined", first * 2 + sent.data, ends_early=sent.ends_early)
            await self._judge(sent)

    async def _judge(self, sent: Sent) -> None:
        report = self._report
        report.sent += 1
        report.kinds[sent.kind] += 1
        try:
            async with asyncio.timeout(_ANSWER_S):
                answers = await self._exchange(sent)
        except TimeoutError:
            self._find(sent.kind, f"no end within {_ANSWER_S:g} s", sent.data)
            return
        except OSError as error:
            self._find(sent.kind, f"no connection: {error}", sent.data)
            return
        report.statuses.update([status for status, _ in answers] or [0])
        for status, body in answers:
            if status >= 500 and not (status == _BUSY and b'"decision_failed"' in body):
                self._find(sent.kind, f"status {status}: {body[:200]!r}", sent.data)
            elif status == 200 and b'"answer"' in body and b'"id"' in body:
                self._note(body)

    async def _exchange(self, sent: Sent) -> list[tuple[int, bytes]]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=1 << 24)
        try:
            try:
                writer.write(sent.data)
                if sent.ends_early:
                    writer.write_eof()
                else:
                    writer.write(_LAST)
                    writer.write_eof()
                received = await reader.read(-1)
            except OSError:  # the server has closed it before everything was sent
                return []
            return _answers(received)
        finally:
            writer.close()

    async def _ask_well(self) -> None:
        """Ask one good question after the other, each on a new connection or an old one."""
        headers = {"authorization": f"Bearer {self._target.key}"}
        async with httpx.AsyncClient(base_url=self._target.url, timeout=_GOOD_S) as client:
            while not self._is_over.is_set():
                body = good_body(f"good-{self._seed}-{self._report.good}", self._report.good)
                try:
                    answer = await client.post(self._target.decision, json=body, headers=headers)
                except httpx.HTTPError as error:
                    self._find("good", f"{type(error).__name__}: {error}", b"")
                    continue
                if answer.status_code == 200:
                    self._report.good += 1
                    self._note(answer.content)
                else:
                    self._find("good", f"status {answer.status_code}: {answer.text[:200]}", b"")
                await asyncio.sleep(0.01)

    async def _send_slowly(self, number: int) -> bool:
        """Send a byte now and then; True when the server has ended it in time."""
        data = post(self._target.decision, b'{"id":"' + b"x" * 500, self._target.key)
        head = data.index(b"\r\n\r\n") + 4
        at = head + 3 if number % 2 else 5
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            writer.write(data[:at])
            ended = asyncio.create_task(reader.read(-1))
            end = time.monotonic() + 2 * _ANSWER_S
            while not ended.done() and time.monotonic() < end:
                writer.write(data[at : at + 1])
                at += 1
                await asyncio.wait([ended], timeout=0.5)
        except OSError:
            return True
        is_over = ended.done()
        writer.close()
        if not is_over:
            ended.cancel()
            self._find("slow", "still open", data[:40])
        elif not ended.cancelled():
            ended.exception()
        return is_over

    def _note(self, body: bytes) -> None:
        try:
            told = json.loads(body)
            self._report.recorded[told["id"]] = told["answer"]
        except (ValueError, KeyError, TypeError):
            return

    def _find(self, kind: str, what: str, sent: bytes) -> None:
        self._report.findings.append(Finding(kind, what, repr(sent[:_LONGEST_FINDING])))


_LAST = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Sent behind a request, so that the connection ends when it is answered."""


def _answers(received: bytes) -> list[tuple[int, bytes]]:
    """Take apart what came; every answer of the server says its length."""
    found: list[tuple[int, bytes]] = []
    while received.startswith(b"HTTP/1.1 "):
        head, _, rest = received.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        status = int(head[9:12])
        if status >= 200:
            found.append((status, rest[:length]))
        received = rest[length:] if status >= 200 else rest
        if not received.startswith(b"HTTP/1.1 "):
            break
    return found


def _resident(pid: int | None) -> int:
    """Return how much memory a process has, where the system tells."""
    status = Path(f"/proc/{pid}/status")
    if pid is None or not status.exists():
        return 0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024
