"""A process beside a server, such as the observer and the worker: started again when it dies.

The rule: the server never waits for it, and it never outlives the server. It holds the
reading end of a pipe from the server, which closes however the server ends.
"""

import logging
import subprocess
import threading
import time
from collections.abc import Sequence

from kingpost.cli.beside import start_child

__all__ = ["KeptProcess"]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_STEADY_S = 60.0
"""After so long a life, the next death counts as the first one."""
_PATIENCE_S = 10.0

_log = logging.getLogger(__name__)


class KeptProcess:
    """Keeps a command running in the background until it is closed.

    Args:
        command: What to run. It ends by itself when its standard input does.
        name: What it is called in logs.
        pause_s: How long to wait before the first restart; twice as long before each
            further one.
    """

    def __init__(
        self, command: Sequence[str], *, name: str = "", pause_s: float = _FIRST_PAUSE_S
    ) -> None:
        self._command, self._name, self._pause_s = command, name, pause_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=name or None, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The process that runs now; None between two of them."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def close(self, patience_s: float = _PATIENCE_S) -> None:
        """Let the command end, and see to it when it does not within some seconds."""
        with self._lock:
            self._stopped.set()
            process = self._process
            if process is not None:
                _close_pipe(process)
        self._thread.join(patience_s)
        if self._thread.is_alive() and process is not None:
            _log.warning("kept_process_killed", extra={"kept": self._name, "pid": process.pid})
            process.kill()
            self._thread.join()

    def _keep(self) -> None:
        pause_s = self._pause_s
        while not self._stopped.is_set():
            started_s = time.monotonic()
            try:
                code: int | str = self._live()
            except OSError as error:  # no memory, or no more processes: it passes
                code = type(error).__name__
            if self._stopped.is_set():
                return
            if time.monotonic() - started_s >= _STEADY_S:
                pause_s = self._pause_s
            _log.warning(
                "kept_process_ended",
                extra={"kept": self._name, "code": code, "restart_in_s": pause_s},
            )
            self._stopped.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _live(self) -> int:
        """Run it once, and return the code that it ended with."""
        with self._lock:
            if self._stopped.is_set():
                return 0
            self._process = process = start_child(self._command)
        code = process.wait()
        with self._lock:
            if not self._stopped.is_set():
                _close_pipe(process)
        return code


def _close_pipe(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
