"""The journal: commits per second by callers, bulk, scan. `make bench B=journal`.

A commit is an event of 200 bytes and a record of 400, durable before its caller goes on.
Callers are threads that append, or tasks of one event loop that submit, as in the server.
The disk alone is measured in the same run: the same bytes, the same durable writes.
"""

import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from benchmarks._journal_retrieval import run_retrieval
from kingpost.core import KingpostError, SystemClock, SystemDisk
from kingpost.journal import Entry, Journal, Lookup, scan
from kingpost.journal.frames import decode_entries, encode

PAIR = [
    Entry("event", "acme", "transactions", os.urandom(200)),
    Entry("record", "acme", "fraud", os.urandom(400)),
]
SECONDS = 1.5
BULK_BYTES = 200_000_000
SCANNED = 100_000


def opened(directory: Path) -> Journal:
    return Journal.open(directory, disk=SystemDisk(), clock=SystemClock())


def by_threads(directory: Path, callers: int) -> list[float]:
    """Append from threads; return each commit's seconds."""
    took: list[float] = []
    with opened(directory) as journal:
        end = perf_counter() + SECONDS

        def call() -> None:
            while (start := perf_counter()) < end:
                journal.append(PAIR)
                took.append(perf_counter() - start)

        threads = [threading.Thread(target=call) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return took


def by_tasks(directory: Path, callers: int) -> list[float]:
    """Submit from tasks of one event loop, one submission a tick; return each commit's seconds."""
    took: list[float] = []
    with opened(directory) as journal:
        asyncio.run(_call_by_tasks(journal, callers, took))
    return took


async def _call_by_tasks(journal: Journal, callers: int, took: list[float]) -> None:
    loop = asyncio.get_running_loop()
    arrivals: list[asyncio.Future[None]] = []

    def tick() -> None:
        batch = arrivals.copy()
        arrivals.clear()

        def answer(error: KingpostError | None) -> None:
            assert error is None
            for future in batch:
                future.set_result(None)

        def landed(error: KingpostError | None) -> None:
            loop.call_soon_threadsafe(answer, error)

        journal.submit([PAIR] * len(batch), landed)

    async def call(end: float) -> None:
        while (start := perf_counter()) < end:
            future = loop.create_future()
            if not arrivals:
                loop.call_soon(tick)
            arrivals.append(future)
            await future
            took.append(perf_counter() - start)

    end = perf_counter() + SECONDS
    await asyncio.gather(*(call(end) for _ in range(callers)))


def bulk(directory: Path, megabytes: int) -> dict[str, float]:
    """Append batches of a size, and write the same bytes to a bare file, by turns."""
    body = os.urandom(megabytes * 1_000_000)
    rounds = BULK_BYTES // len(body)
    disk = SystemDisk()
    bare = disk.open(directory / f"bare{megabytes}", write=True, create=True)
    journal_s = bare_s = 0.0
    with opened(directory / f"bulk{megabytes}") as journal:
        for number in range(rounds):
            start = perf_counter()
            journal.append([Entry("events", "acme", "transactions", body, 1_000)])
            middle = perf_counter()
            bare.write_durable(number * len(body), [body])
            journal_s += middle - start
            bare_s += perf_counter() - middle
    bare.close()
    return {
        "journal_mb_s": round(BULK_BYTES / 1e6 / journal_s),
        "bare_file_mb_s": round(BULK_BYTES / 1e6 / bare_s),
    }


def microseconds(call: Callable[[], object], rounds: int = 50_000) -> float:
    start = perf_counter()
    for _ in range(rounds):
        call()
    return round((perf_counter() - start) / rounds * 1e6, 2)


def reading(directory: Path) -> dict[str, float]:
    """Scan and look up in a journal of many small commits."""
    with opened(directory) as journal:
        for _ in range(SCANNED // 1_000):
            journal.submit([PAIR] * 1_000, lambda _: None)
    start = perf_counter()
    assert sum(1 for _ in scan(directory, disk=SystemDisk())) == SCANNED
    scan_s = perf_counter() - start
    start = perf_counter()
    opened(directory).close()
    open_s = perf_counter() - start
    lookup = Lookup(directory, disk=SystemDisk())
    offsets = iter(range(0, 2 * SCANNED, 97))
    read_us = microseconds(lambda: lookup.read(next(offsets)), 2_000)
    lookup.close()
    return {
        "scan_commits_s": round(SCANNED / scan_s),
        "scan_100_000_s": round(scan_s, 3),
        "open_s": round(open_s, 3),
        "read_by_offset_us": read_us,
    }


def commits(took: list[float]) -> dict[str, float]:
    took.sort()
    return {
        "commits_s": round(len(took) / SECONDS),
        "p50_us": round(took[len(took) // 2] * 1e6),
        "p99_us": round(took[len(took) * 99 // 100] * 1e6),
    }


def main() -> None:
    payload = b"".join(encode(PAIR, 0, 0, 0).buffers)
    figures: dict[str, object] = {
        "encode_us": microseconds(lambda: encode(PAIR, 0, 0, 0)),
        "decode_us": microseconds(lambda: decode_entries(payload, 24, len(payload))),
    }
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as temporary:
        directory = Path(temporary)
        for callers in (1, 8, 64):
            figures[f"threads_{callers}"] = commits(by_threads(directory / "threads", callers))
            figures[f"tasks_{callers}"] = commits(by_tasks(directory / "tasks", callers))
        for megabytes in (1, 2, 4):
            figures[f"bulk_{megabytes}_mb"] = bulk(directory, megabytes)
        figures |= reading(directory / "reading")
    for name, figure in figures.items():
        print(f"{name:20} {figure}")
    print(json.dumps(figures))
    if not run_retrieval(full="--full" in sys.argv):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
