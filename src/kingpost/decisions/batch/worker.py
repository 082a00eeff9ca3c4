"""The process that scores parts of a batch.

    python -m kingpost.decisions.batch.worker

Its first message says what to score with, every further one is a unit; it answers with the
number of the part once that is on the disk, or with what went wrong. What the application
prints goes to standard error. One whose run was killed places no part any more: the next run
may be of another plan.
"""

import os
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

import msgspec

from kingpost.core import KingpostError, SystemDisk
from kingpost.decisions.application import load_application
from kingpost.decisions.batch.inputs import Unit
from kingpost.decisions.batch.load import load_batch
from kingpost.decisions.batch.part import write_part
from kingpost.decisions.batch.processes import Task, read_message
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.whole_files import WholeFiles

__all__: list[str] = []


def _main(told: BinaryIO, answers: TextIO) -> None:
    try:
        run = os.getppid()
        task = msgspec.json.decode(read_message(told) or b"", type=Task)
        where = DataDirectory(
            Path(task.data_dir),
            task.partition,
            control_root=Path(task.control_dir),
            key_store=task.key_store,
        )
        disk, out = SystemDisk(), Path(task.out)
        application = load_application(Path(task.application))
        served, past = load_batch(application, where, task.plan, out, disk=disk)
        files = WholeFiles(out, disk=disk, is_wanted=lambda: os.getppid() == run)
        while body := read_message(told):
            unit = msgspec.msgpack.decode(body, type=Unit)
            write_part(served, past, unit, files, threads=task.threads)
            print(unit.part, file=answers, flush=True)
    except (KingpostError, OSError, MemoryError) as error:
        code = error.code if isinstance(error, KingpostError) else type(error).__name__
        print(f"[{code}] {error}".replace("\n", " "), file=answers, flush=True)


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        _main(sys.stdin.buffer, answers)
