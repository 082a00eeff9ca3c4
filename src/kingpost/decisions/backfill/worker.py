"""The process that computes parts of a backfill.

    python -m kingpost.decisions.backfill.worker

Its first line of input says what to compute, every further one is the number of a part;
it answers with that number once the part is on the disk, or with what went wrong. What the
application prints goes to standard error. It holds the history of the decision's streams,
the request's columns, and the values of one part.
"""

import os
import sys
from pathlib import Path
from typing import TextIO

import msgspec

from kingpost.core import KingpostError, SystemDisk
from kingpost.decisions.application import load_application
from kingpost.decisions.backfill.directory import PartsDirectory
from kingpost.decisions.backfill.processes import Task
from kingpost.decisions.backfill.shard import PastRequests, read_past_requests, write_features
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.errors import UnknownDecision
from kingpost.decisions.sources import code_digest

__all__ = ["read_task"]


def read_task(task: Task) -> PastRequests:
    """Read what a task needs, and check that it is what was planned.

    Raises:
        BackfillChanged: The application or the journal is not the one of the plan.
        KingpostError: One of them cannot be read.
    """
    plan, disk = task.plan, SystemDisk()
    application = load_application(Path(task.application))
    decision = application.decisions.get(plan.decision)
    if decision is None:
        raise UnknownDecision(plan.decision, tuple(application.decisions))
    where = DataDirectory(Path(task.data_dir), task.partition, key_store=task.key_store)
    past = read_past_requests(where, decision, plan.tenant, disk=disk, stop=plan.stop)
    found = msgspec.structs.replace(
        plan,
        features=decision.features.digest,
        sources=code_digest(application.sources),
        stop=past.stop,
        requests=len(past),
        erasures=past.erasures,
    )
    plan.check_journal(found, Path(task.out))
    return past


def _main(told: TextIO, answers: TextIO) -> None:
    try:
        task = msgspec.json.decode(told.readline(), type=Task)
        past = read_task(task)
        out = PartsDirectory(Path(task.out), disk=SystemDisk())
        for line in told:
            part = int(line)
            first, after = task.plan.rows_of(part)

            def write(path: Path, first: int = first, after: int = after) -> None:
                write_features(past, path, first, after, threads=task.threads)

            out.place(part, write)
            print(part, file=answers, flush=True)
    except (KingpostError, OSError, MemoryError) as error:
        code = error.code if isinstance(error, KingpostError) else type(error).__name__
        print(f"[{code}] {error}".replace("\n", " "), file=answers, flush=True)


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        _main(sys.stdin, answers)
