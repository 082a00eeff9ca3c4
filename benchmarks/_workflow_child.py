"""Processes that work on workflows, forked from one that has loaded everything.

A command is a line of JSON on the standard input; what comes back are lines of JSON: the
process id once it is forked, and how it ended. `Zygote` speaks that from the other side.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

__all__ = ["Zygote"]


class Zygote:
    """Starts workers in a fraction of a second, so that many can be killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._workflow_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        with self._process:  # closes its pipes, at which it ends, and waits for that
            pass

    def start(self, role: str, **arguments: object) -> int:
        """Fork a process that plays a role; return its id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"role": role, **arguments}) + "\n")
        self._process.stdin.flush()
        return int(self._line()["pid"])

    def ended(self) -> dict[str, Any]:
        """Wait for the process that was started last: `signal`, `status` and what it found."""
        return self._line()

    def run(self, role: str, **arguments: object) -> dict[str, Any]:
        """Fork a process, and wait for its end, which is no error."""
        self.start(role, **arguments)
        ended = self.ended()
        assert ended["status"] in (0, None), f"{role} failed"
        return ended

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks workers has ended"
        return json.loads(line)


def _serve() -> None:
    import benchmarks._workflow_app
    import benchmarks._workflow_roles as roles

    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            code = 1
            try:
                benchmarks._workflow_app.PLAN.update(command.pop("plan", {}))
                found = roles.play(command)
                os.write(writing, json.dumps(found).encode())
                code = 0
            except Exception:  # noqa: BLE001  the boundary of a process
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writing)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(reading, "rb") as found:
            text = found.read()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({**_how(status), "found": json.loads(text or b"null")}), flush=True)


def _how(status: int) -> Mapping[str, int | None]:
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status), "status": None}
    return {"signal": None, "status": os.WEXITSTATUS(status)}


if __name__ == "__main__":
    _serve()
