"""Parts of a batch scored by worker processes of this machine.

The rule: a worker is a process of its own that reads units from its standard input and ends
with it, so that none outlives the run, `kill -9` included. It places its parts itself; the
run reads the input, and hands over as many units as there are workers.

    python -m kingpost.decisions.batch.worker
"""

import os
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import IO

import msgspec

from kingpost.decisions.batch.inputs import Unit
from kingpost.decisions.batch.plan import BatchPlan, BatchWorkerFailed

__all__ = ["Task", "process_units", "read_message", "write_message"]

_WORKER = "kingpost.decisions.batch.worker"
_LENGTH_BYTES = 8


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told, before its first unit.

    Attributes:
        application: The application's file.
        out: The directory of the parts.
    """

    data_dir: str
    control_dir: str
    partition: str
    application: str
    out: str
    plan: BatchPlan
    threads: int


def process_units(task: Task, units: Iterable[Unit], workers: int) -> Iterator[Unit]:
    """Score units by so many processes; yield each once its files are on the disk.

    Raises:
        BatchWorkerFailed: A worker ended early; the others finish the part that they are at.
    """
    free: SimpleQueue[_Worker] = SimpleQueue()
    under_way: set[Future[Unit]] = set()

    def score(unit: Unit) -> Unit:
        worker = free.get()
        _ask(worker, unit)
        free.put(worker)
        return unit

    with ExitStack() as stack:
        for _ in range(workers):
            free.put(stack.enter_context(_started(task)))
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        for unit in units:
            under_way.add(pool.submit(score, unit))
            if len(under_way) >= workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        for one in under_way:
            yield one.result()


_Worker = subprocess.Popen[bytes]


def _ask(worker: _Worker, unit: Unit) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        write_message(worker.stdin, msgspec.msgpack.encode(unit))
    except BrokenPipeError:
        pass  # what it said before it ended is read now
    told = worker.stdout.readline().decode(errors="replace").strip()
    if told != str(unit.part):
        problem = told or f"it ended with code {worker.wait()}"
        raise BatchWorkerFailed(f"part {unit.part}: {problem}")


@contextmanager
def _started(task: Task) -> Generator[_Worker, None, None]:
    worker = subprocess.Popen(
        # -P: a module that happens to lie in the working directory is not imported
        [sys.executable, "-P", "-m", _WORKER],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdin is not None
    with worker:
        try:
            write_message(worker.stdin, msgspec.json.encode(task))
            yield worker
        finally:
            try:
                worker.stdin.close()
            except BrokenPipeError:
                pass  # it has ended already


def write_message(pipe: IO[bytes], body: bytes) -> None:
    """Write a message with its length before it."""
    pipe.write(len(body).to_bytes(_LENGTH_BYTES, "little"))
    pipe.write(body)
    pipe.flush()


def read_message(pipe: IO[bytes]) -> bytes | None:
    """Read what `write_message` wrote; None when there is no more."""
    head = pipe.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "little")
    body = pipe.read(size)
    return body if len(body) == size else None
