"""A worker in a process of its own, which ends with its standard input.

So none outlives the run that started it, `kill -9` included.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from typing import IO, NamedTuple

__all__ = ["WorkerProcess", "worker_process"]


class WorkerProcess(NamedTuple):
    """A worker that runs, and how it is spoken to."""

    process: "subprocess.Popen[bytes]"
    tasks: IO[bytes]
    told: IO[bytes]

    def ask(self, task: bytes) -> str:
        """Hand over a task, and return the line that it is answered with.

        A worker that has ended is answered for by what it said before, or its exit code.
        """
        with contextlib.suppress(BrokenPipeError):
            self.tasks.write(task)
            self.tasks.flush()
        line = self.told.readline().decode(errors="replace").strip()
        return line or f"it ended with code {self.process.wait()}"


@contextlib.contextmanager
def worker_process(module: str, first: bytes) -> Generator[WorkerProcess, None, None]:
    """Start a module as a worker, tell it what to do, and end it with the block.

    Args:
        first: What it reads first.
    """
    process = subprocess.Popen(
        # -P: a module that happens to lie in the working directory is not imported
        [sys.executable, "-P", "-m", module],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            process.stdin.write(first)
            process.stdin.flush()
            yield WorkerProcess(process, process.stdin, process.stdout)
        finally:
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                process.stdin.close()
