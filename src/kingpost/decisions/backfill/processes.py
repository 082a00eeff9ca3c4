"""Shards computed by worker processes of this machine.

The rule: a worker is a process of its own that reads numbers of parts from its standard
input and ends with it, so that none outlives the run, `kill -9` included. It writes its
parts itself; the run only hears of them.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue

import msgspec

from kingpost.core import KingpostError
from kingpost.decisions.backfill.plan import BackfillPlan
from kingpost.decisions.worker_process import WorkerProcess, worker_process

__all__ = ["WORKER", "Task", "WorkerFailed", "process_shards"]

WORKER = "kingpost.decisions.backfill.worker"


class WorkerFailed(KingpostError):
    """A worker of a backfill ended before its work did.

    Safe to retry: the parts that are there are whole.
    """

    code = "backfill_worker_failed"
    retry_safe = True

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"a worker of the backfill failed: {self.problem}; run the same command again to "
            "continue, with fewer --workers if memory ran out"
        )


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told, on its first line.

    Attributes:
        application: The application's file.
        out: The directory of the parts.
        key_store: Where the keys of data subjects are.
    """

    data_dir: str
    partition: str
    application: str
    out: str
    plan: BackfillPlan
    threads: int
    key_store: str = ""


def process_shards(task: Task, parts: Sequence[int], workers: int) -> Iterator[int]:
    """Compute parts by so many processes; yield the number of each once it is on the disk.

    Raises:
        WorkerFailed: A worker ended early; the others finish the part that they are at.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[int | KingpostError] = SimpleQueue()
    for part in parts:
        waiting.put(part)
    count = min(workers, len(parts))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(count))
        first = msgspec.json.encode(task) + b"\n"
        started = [stack.enter_context(worker_process(WORKER, first)) for _ in range(count)]
        for worker in started:
            pool.submit(_drive, worker, waiting, done)
        try:
            for _ in parts:
                told = done.get()
                if isinstance(told, KingpostError):
                    raise told
                yield told
        finally:
            _empty(waiting)


def _drive(
    worker: WorkerProcess,
    waiting: "SimpleQueue[int]",
    done: "SimpleQueue[int | KingpostError]",
) -> None:
    """Give one worker part after part, and pass on what it tells."""
    while True:
        try:
            part = waiting.get_nowait()
        except Empty:
            return
        try:
            told = worker.ask(b"%d\n" % part)
        except (OSError, ValueError) as error:
            told = f"{type(error).__name__}: {error}"
        if told != str(part):
            done.put(WorkerFailed(f"part {part}: {told}"))
            return
        done.put(part)


def _empty(waiting: "SimpleQueue[int]") -> None:
    while not waiting.empty():
        try:
            waiting.get_nowait()
        except Empty:
            return


def absolute(path: Path) -> str:
    """Return where a file is, for a process that may stand elsewhere."""
    return str(path.resolve())
