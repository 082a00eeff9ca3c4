"""Deciding at a server, for workers beside it or on other machines.

The rule: the worker sends a job's id and nothing else. The server decides what its own store
says that job is, for the one who submitted it, in its own journal.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import httpx
import msgspec

from kingpost.jobs.job import Decided, Job

__all__ = ["HttpDecider"]

_TIMEOUT_S = 20.0
_UNREACHED_S = 1.0
_MISUSED_S = 10.0
"""A key that is refused is refused again soon: an operator has to give another."""
_log = logging.getLogger(__name__)


class _Came(msgspec.Struct):
    kind: Literal["done", "failed", "refused", "held", "unknown", "gone"]
    record: str
    answer: msgspec.Raw
    reason: str
    wait_s: float


class HttpDecider:
    """A `Decider` at a running server.

    Args:
        url: Where it is, as `http://127.0.0.1:8080`.
        key: An API key of scope `jobs`.
        at_once: So many jobs are sent at a time.
    """

    def __init__(self, url: str, key: str, *, at_once: int = 8) -> None:
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
            limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        )
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="job-decider")
        self._decoder = msgspec.json.Decoder(_Came)

    def decide(self, jobs: Sequence[Job]) -> Sequence[Decided]:
        return list(self._threads.map(self._one, jobs))

    def close(self) -> None:
        """Disconnect."""
        self._threads.shutdown()
        self._client.close()

    def _one(self, job: Job) -> Decided:
        try:
            answer = self._client.post(f"/v1/jobs/{job.id}/decide")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Decided("held", reason=type(error).__name__, wait_s=_UNREACHED_S)
        except httpx.HTTPError as error:  # it was sent: whether it was decided, nobody said
            return Decided("unknown", reason=type(error).__name__)
        if answer.status_code != 200:
            wait_s = _UNREACHED_S if answer.status_code >= 500 else _MISUSED_S
            if answer.status_code < 500:
                _log.error("job_server_refused", extra={"status": answer.status_code})
            return Decided("held", reason=f"status {answer.status_code}", wait_s=wait_s)
        try:
            came = self._decoder.decode(answer.content)
        except msgspec.MsgspecError:
            return Decided("unknown", reason="not an answer of Kingpost's")
        made = bytes(came.answer)
        return Decided(
            came.kind, came.record, b"" if made == b"null" else made, came.reason, came.wait_s
        )
