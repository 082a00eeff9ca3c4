"""Work beside a server that is due now and then: a child process each time, so that the memory
that it takes goes with it. Snapshots and sealing are done so.

The rule: nobody waits for it, and it never outlives whoever started it. It may be killed at any
time: what it writes appears whole or not at all.
"""

import logging
import subprocess
import threading
from collections.abc import Callable, Sequence

from kingpost.cli.beside import start_child
from kingpost.core import KingpostError

__all__ = ["DueProcess"]

_POLL_S = 5.0
_LONGEST_PAUSE_S = 600.0

_log = logging.getLogger(__name__)


class DueProcess:
    """Runs a command whenever it is due, one at a time, until it is closed.

    Args:
        command: What to run. It ends by itself when its standard input does.
        is_due: Says whether there is something to do.
        done: Told, in the thread that watches, when the command has done it.
        name: What it is called in logs.
        poll_s: How often `is_due` is asked; after a failure half as often each time.
    """

    def __init__(
        self,
        command: Sequence[str],
        is_due: Callable[[], bool],
        done: Callable[[], object] = lambda: None,
        *,
        name: str,
        poll_s: float = _POLL_S,
    ) -> None:
        self._command, self._is_due, self._done = command, is_due, done
        self._name, self._poll_s = name, poll_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the command, if it runs, and start it no more."""
        with self._lock:
            self._stopped.set()
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _keep(self) -> None:
        pause_s = self._poll_s
        while not self._stopped.wait(pause_s):
            try:
                code = self._do() if self._is_due() else 0
            except (KingpostError, OSError) as error:  # no memory, no more processes: it passes
                code = type(error).__name__
            if code and not self._stopped.is_set():
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                _log.warning(
                    "due_process_failed",
                    extra={"due": self._name, "code": code, "again_in_s": pause_s},
                )
            else:
                pause_s = self._poll_s

    def _do(self) -> int | str:
        if code := self._run():
            return code
        if not self._stopped.is_set():
            self._done()
        return 0

    def _run(self) -> int:
        with self._lock:
            if self._stopped.is_set():
                return 0
            self._process = process = start_child(self._command)
        code = process.wait()
        with self._lock:
            self._process = None
        if process.stdin is not None:
            process.stdin.close()
        return code
