"""The audit path: appending with the tree kept up, and beside a hand-written group commit.

A commit is an event of 200 bytes and the record of 400 that answers it. `journal_append_per_s`
counts records by the CPU seconds of both, the appending in groups of 2,000 and the tree over
all of it with its checkpoint: what one core does. `audit_ratio` is 64 tasks of an event loop
that wait for each commit, as the server does, while another process keeps the tree up; the
hand-written log takes the same bytes with a length and a checksum, in one write and one
fdatasync for all that has come, in a file filled before, from the same loop. They take turns; the medians are compared.
"""

import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from zlib import crc32

from benchmarks._figures import figure, figure_at, say
from benchmarks._journal_calls import called_by_tasks, opened
from kingpost.core import KingpostError, SystemDisk
from kingpost.journal import Entry
from kingpost.proofs import Tree, TreePlace
from kingpost.records import id_in

COMMITS, GROUP, ROUNDS, CALLERS = 400_000, 2_000, 5, 64
FILLED = 192 << 20
RECORD = b"\xdc\x00\x1a\x05\xc4\x10" + os.urandom(394)
PAIR = [
    Entry("event", "acme", "transactions", os.urandom(200)),
    Entry("record", "acme", "fraud", RECORD),
]

Landed = Callable[[KingpostError | None], None]


def tree_over(journal: Path, directory: Path) -> Tree:
    """Open the tree of a journal."""
    place = TreePlace(journal, directory / "tree", directory / "keys", default_origin="bench/log")
    return Tree(place, SystemDisk(), lambda entry: id_in(entry.kind, entry.body))


class HandWritten:
    """A log as one writes it by hand: a queue, a thread, a write and a sync for a group."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT)
        self._at = 0
        for place in range(0, FILLED, 1 << 20):  # as the journal does: cheaper syncs later
            os.pwrite(self._file, bytes(1 << 20), place)
        os.fsync(self._file)
        self._queue: queue.SimpleQueue[tuple[list[bytes], Landed] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def submit(self, commits: Sequence[Sequence[Entry]], landed: Landed) -> int:
        """Frame the bodies and queue them."""
        frames: list[bytes] = []
        for entries in commits:
            body = b"".join([entry.body for entry in entries])
            frames.append(len(body).to_bytes(4) + crc32(body).to_bytes(4) + body)
        self._queue.put((frames, landed))
        return 0

    def close(self) -> None:
        """Wait for what was queued."""
        self._queue.put(None)
        self._thread.join()
        os.close(self._file)

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            group, is_last = [first], False
            while not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    is_last = True
                    break
                group.append(more)
            data = b"".join([frame for frames, _ in group for frame in frames])
            os.pwrite(self._file, data, self._at)
            self._at += len(data)
            os.fdatasync(self._file)
            for _, landed in group:
                landed(None)
            if is_last:
                return


def run_audit(scratch: Path) -> bool:
    """Print `journal_append_per_s` and `audit_ratio`."""
    journal = scratch / "groups" / "data"
    busy, start = time.process_time(), time.perf_counter()
    with opened(journal) as log:
        for _ in range(COMMITS // GROUP):
            log.submit([PAIR] * GROUP, lambda _: None)
    append_s = time.process_time() - busy
    tree = tree_over(journal, scratch / "groups")
    middle = time.process_time()
    made = tree.update()
    tree_s = time.process_time() - middle
    tree.close()
    assert made.size == COMMITS
    say(
        f"append {append_s / COMMITS * 1e6:.2f} us, tree {tree_s / COMMITS * 1e6:.2f} us of CPU "
        f"a record; {COMMITS / (time.perf_counter() - start):,.0f}/s by the clock, one after the other"
    )
    rate = COMMITS / (append_s + tree_s)
    figure_at("journal_append_per_s", rate, "records/s", 100_000, more_is_better=True)

    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        ours.append(_audited(scratch / f"ours-{number}"))
        hand = HandWritten(scratch / f"theirs-{number}")
        theirs.append(statistics.median(called_by_tasks(hand, CALLERS)) * 1e6)
        hand.close()
        say(f"round {number}: ours {ours[-1]:.0f} us, hand-written {theirs[-1]:.0f} us a commit")
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    figure("audit_ratio", ratio, "x", "bar of 1.3x", 1.3, more_is_better=False)
    return rate >= 100_000 and ratio <= 1.3


def _audited(directory: Path) -> float:
    """Return the median microseconds of a commit while another process keeps the tree up."""
    journal = directory / "data"
    with opened(journal) as log:
        command = [sys.executable, "-m", "benchmarks._journal_audit", str(directory)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
            assert keeper.stdout is not None
            keeper.stdout.readline()
            took = called_by_tasks(log, CALLERS)
            keeper.communicate()
    size = tree_over(journal, directory).update().size
    assert size == len(took), "every commit is in the tree"
    return statistics.median(took) * 1e6


def keep_up(directory: Path) -> None:
    """Keep a tree up until standard input ends, at the priority of an observer."""
    os.nice(10)
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    tree = tree_over(directory / "data", directory)
    print("ready", flush=True)
    while not stop.wait(1.0):
        tree.update(most=200_000)
    tree.close()


if __name__ == "__main__":
    keep_up(Path(sys.argv[1]))
