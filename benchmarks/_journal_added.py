"""What the record adds to an answer: `audit_added_p99_ms`.

A server of a small decision answers over HTTP, 8 and 32 requests in flight. For each request the
time is taken from the moment when the answer is settled and its record is handed to the journal
until the record is durable, which is when the answer leaves: this is what the record adds to
that answer, and nothing else is in it. The value is the 99th percentile of these times, the
median of the rounds, at the load where it is highest.

Said beside it: the 99th percentile of whole answers of the same server, and of one that writes no
record at all, in turn with it; their difference has the noise of both, and counts also what the
record costs in CPU. The peer is an append to a log written by hand (`_journal_audit`) with as
many callers and nothing else to do, 99th percentile too. Where that takes more than a
millisecond, because the disk or the machine is slow or busy, the bar of two does not apply.
"""

import asyncio
import json
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, cast

import numpy as np

from benchmarks._figures import figure, say
from benchmarks._journal_audit import HandWritten
from benchmarks._journal_calls import called_by_tasks
from kingpost.access import MIGRATIONS, KeyRing, SqliteKeys, create_key
from kingpost.calls import LoadClient
from kingpost.core import KingpostError, SystemClock
from kingpost.journal import Entry, Journal
from kingpost.serving import ServingSettings, build_app, serve
from kingpost.storage import migrate, open_database
from tests.tiny_app import open_engine, payment

__all__ = ["run_added"]

LOADS = (8, 32)
ROUNDS, WARM, REQUESTS = 3, 500, 4_000
BAR_MS, HAND_MS = 2.0, 1.0

Landed = Callable[[KingpostError | None], None]


class Round(NamedTuple):
    """99th percentiles in milliseconds, and the median of the waits."""

    wait: float
    wait_p50: float
    answer: float
    without: float
    hand: float


def run_added(scratch: Path) -> bool:
    """Print `audit_added_p99_ms`."""
    worst: Round | None = None
    for load in LOADS:
        rounds = [_round(scratch / f"{load}-{number}", load) for number in range(ROUNDS)]
        middle = Round(*(statistics.median(values) for values in zip(*rounds, strict=True)))
        say(
            f"{load} in flight: waits for the record p50 {middle.wait_p50:.2f}, p99 "
            f"{middle.wait:.2f} ms (rounds {', '.join(f'{one.wait:.2f}' for one in rounds)}); "
            f"answers p99 {middle.answer:.2f}, without any record {middle.without:.2f} ms; "
            f"hand-written append p99 {middle.hand:.2f} ms"
        )
        if worst is None or middle.wait > worst.wait:
            worst = middle
    assert worst is not None
    figure(
        "audit_added_p99_ms", worst.wait, "ms",
        f"hand-written append, p99 (bar of {BAR_MS:g} ms where that is {HAND_MS:g} or less)",
        worst.hand, more_is_better=False,
    )  # fmt: skip
    return worst.wait <= BAR_MS or worst.hand > HAND_MS


def _round(directory: Path, load: int) -> Round:
    directory.mkdir()
    waits, answer = _served(directory / "recorded", load, "recorded")
    _, without = _served(directory / "unwritten", load, "unwritten")
    hand = HandWritten(directory / "by-hand")
    took = called_by_tasks(hand, load)
    hand.close()
    p50, p99 = np.percentile(waits, (50, 99)).tolist()
    return Round(p99, p50, answer, without, float(np.percentile(took, 99)) * 1e3)


def _served(directory: Path, load: int, way: str) -> tuple[Sequence[float], float]:
    """Serve under a load; return the waits for records, and the p99 of answers, milliseconds."""
    directory.mkdir()
    command = [sys.executable, "-m", "benchmarks._journal_added", str(directory), way]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        headers = {"authorization": f"Bearer {told['secret']}"}
        client = LoadClient("127.0.0.1", int(told["port"]), headers, load)
        calls = [
            client.post("/v1/decisions/fraud", payment(f"p{number}", card=f"c{number % 500}"))
            for number in range(WARM + REQUESTS)
        ]
        client.run(calls[:WARM])
        report = client.run(calls[WARM:])
        server.send_signal(signal.SIGTERM)
        waits: list[float] = json.loads(server.stdout.readline())
    assert report.statuses() == {200: REQUESTS}, report.statuses()
    assert len(waits) == REQUESTS * (way == "recorded")
    return waits, report.latency_ms(99)


class Timed:
    """A journal that keeps how long each record was waited for."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.waits_ms: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def submit(self, commits: Sequence[Sequence[Entry]], landed: Landed) -> int:
        """Queue commits, and note when they are durable."""
        start = perf_counter()

        def told(error: KingpostError | None) -> None:
            self.waits_ms += [(perf_counter() - start) * 1e3] * len(commits)
            landed(error)

        return self._journal.submit(commits, told)


class Unwritten:
    """A journal that says at once that it is durable, and writes nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.waits_ms: list[float] = []
        self.next_offset = journal.next_offset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    @property
    def durable_offset(self) -> int:
        """Everything is."""
        return self.next_offset

    def submit(self, commits: Sequence[Sequence[Entry]], landed: Landed) -> int:
        """Count commits, and say that they are durable when the caller has returned."""
        first = self.next_offset
        self.next_offset += sum(entry.count for entries in commits for entry in entries)
        asyncio.get_running_loop().call_soon(landed, None)
        return first


def serve_way(directory: Path, way: str) -> None:
    """Serve the small decision of the tests; print the waits at the end."""
    opened: list[Timed | Unwritten] = []

    def open_journal(*given: Any, **more: Any) -> Journal:
        kind = Timed if way == "recorded" else Unwritten
        opened.append(kind(Journal.open(*given, **more)))
        return cast("Journal", opened[-1])

    clock = SystemClock()
    engine = open_engine(directory / "data", clock=clock, open_journal=open_journal)
    connection = open_database(directory / "access.sqlite")
    migrate(connection, "access", MIGRATIONS)
    keys = SqliteKeys(connection)
    secret = create_key(keys, clock, tenant="bench", scopes=["decide"]).secret
    app = build_app(engine, KeyRing(keys, clock), ServingSettings(), clock)
    serve(
        app,
        "127.0.0.1",
        0,
        10,
        ready=lambda at: print(
            json.dumps({"port": int(at.url.rpartition(":")[2]), "secret": secret}), flush=True
        ),
    )
    print(json.dumps(opened[0].waits_ms[WARM:]), flush=True)


if __name__ == "__main__":
    serve_way(Path(sys.argv[1]), sys.argv[2])
