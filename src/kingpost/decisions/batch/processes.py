"""Parts of a batch scored by worker processes of this machine.

The rule: a worker is a process of its own that reads units from its standard input and ends
with it, so that none outlives the run, `kill -9` included. It places its parts itself; the
run reads the input, and hands over as many units as there are workers.

    python -m kingpost.decisions.batch.worker
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from queue import SimpleQueue
from typing import IO

import msgspec

from kingpost.decisions.batch.inputs import Unit
from kingpost.decisions.batch.plan import BatchPlan, BatchWorkerFailed
from kingpost.decisions.worker_process import WorkerProcess, worker_process

__all__ = ["Task", "process_units", "read_message"]

_WORKER = "kingpost.decisions.batch.worker"
_LENGTH_BYTES = 8


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told, before its first unit.

    Attributes:
        application: The application's file.
        out: The directory of the parts.
        key_store: Where the keys of data subjects are.
    """

    data_dir: str
    control_dir: str
    partition: str
    application: str
    out: str
    plan: BatchPlan
    threads: int
    key_store: str = ""


def process_units(task: Task, units: Iterable[Unit], workers: int) -> Iterator[Unit]:
    """Score units by so many processes; yield each once its files are on the disk.

    Raises:
        BatchWorkerFailed: A worker ended early; the others finish the part that they are at.
    """
    free: SimpleQueue[WorkerProcess] = SimpleQueue()
    first = _framed(msgspec.json.encode(task))
    under_way: set[Future[Unit]] = set()

    def score(unit: Unit) -> Unit:
        worker = free.get()
        told = worker.ask(_framed(msgspec.msgpack.encode(unit)))
        if told != str(unit.part):
            raise BatchWorkerFailed(f"part {unit.part}: {told}")
        free.put(worker)
        return unit

    with ExitStack() as stack:
        for _ in range(workers):
            free.put(stack.enter_context(worker_process(_WORKER, first)))
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        for unit in units:
            under_way.add(pool.submit(score, unit))
            if len(under_way) >= workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        for one in under_way:
            yield one.result()


def _framed(body: bytes) -> bytes:
    """Put the length of a message before it."""
    return len(body).to_bytes(_LENGTH_BYTES, "little") + body


def read_message(pipe: IO[bytes]) -> bytes | None:
    """Read one message, as a worker; None when there is no more."""
    head = pipe.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "little")
    body = pipe.read(size)
    return body if len(body) == size else None
