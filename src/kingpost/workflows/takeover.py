"""Taking over from workers that are gone: what they left runs here then.

The rule: a worker is gone when its name is free. Each name is claimed while its work is
handed out anew, so that two never take over from one, and a worker that comes back waits.
"""

import logging
import threading

import psycopg
from dbos import DBOS
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from kingpost.workflows.worker_names import WorkerNames

__all__ = ["Takeover"]

_LOOK_S = 5.0
_MOST = 10_000
_log = logging.getLogger(__name__)


class Takeover:
    """Looks after the work of others, and keeps this worker's own name, until it is closed.

    Args:
        name: This worker's.
    """

    def __init__(self, names: WorkerNames, name: str, *, look_s: float = _LOOK_S) -> None:
        self._names, self._name, self._look_s = names, name, look_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="takeover", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._closed.wait(self._look_s):
            try:
                if not self._names.claim(self._name):
                    _log.error("worker_name_taken", extra={"worker": self._name})
                    continue
                self._take_over()
            except (psycopg.Error, OSError, SQLAlchemyError, dbos_error.DBOSException) as error:
                _log.warning("takeover_failed", extra={"error": type(error).__name__})

    def _take_over(self) -> None:
        running = DBOS.list_workflows(
            status="PENDING", limit=_MOST, load_input=False, load_output=False
        )
        others = {one.executor_id for one in running} - {self._name, None}
        for other in sorted(filter(None, others)):
            if not self._names.claim(other):
                continue
            try:
                taken = DBOS._recover_pending_workflows([other])  # pyright: ignore[reportPrivateUsage]
                _log.warning("worker_gone", extra={"worker": other, "taken_over": len(taken)})
            finally:
                self._names.release(other)
