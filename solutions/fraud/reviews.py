"""A fraud desk by script: it works through its inbox as people would, over the API.

It knows from the files how each payment turned out. Where the proposal was right it
approves; where it was wrong it overrides, and says why.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpx
import msgspec

import kingpost as kp

__all__ = ["Desk", "DeskFailed", "DeskWork", "Incident"]

QUEUE = "fraud-desk"
_PAGE = 200
_PATIENCE_S = 120
_POLL_S = 0.2


class DeskFailed(kp.KingpostError):
    """The server did not do what the desk asked for."""

    code = "desk_failed"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the fraud desk could not work: {self.problem}"


class _Line(msgspec.Struct):
    id: str
    event_key: str
    event_time: str
    positive: bool | None


class _Lines(msgspec.Struct):
    records: list[_Line]
    next: str | None = None


class _Task(msgspec.Struct):
    id: str
    subject: str
    event_time: str


class _Tasks(msgspec.Struct):
    tasks: list[_Task]
    next: str | None = None


class Incident(msgspec.Struct):
    """An incident, as the API tells it; times are ISO 8601."""

    id: str
    kind: str
    title: str
    columns: list[str]
    opened: str


class _Incidents(msgspec.Struct):
    incidents: list[Incident]


@dataclass(frozen=True)
class DeskWork:
    """What the desk did.

    Attributes:
        sent: Decisions that were sent to it in all.
    """

    sent: int
    approved: int
    overridden: int


T = TypeVar("T")


class Desk:
    """Somebody with a key of the scopes `records` and `review`.

    Args:
        url: Where the server is.
        secret: The API key.
    """

    def __init__(self, url: str, secret: str) -> None:
        headers = {"authorization": f"Bearer {secret}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=30)

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def wait_for(self, record: str) -> float:
        """Wait until a record can be found by search; return the seconds it took.

        Raises:
            DeskFailed: It cannot be found after two minutes.
        """
        started = time.monotonic()
        while not self._lines(text=record, limit="1").records:
            if time.monotonic() - started > _PATIENCE_S:
                raise DeskFailed(f"record {record} cannot be found after {_PATIENCE_S} s")
            time.sleep(_POLL_S)
        return time.monotonic() - started

    def incidents(self) -> list[Incident]:
        """Return the incidents, the newest first."""
        return self._get("/v1/incidents", {"decision": "fraud"}, _Incidents).incidents

    def work(self, frauds: frozenset[str], until: str, *, answers: int) -> DeskWork:
        """Answer the oldest reviews.

        Args:
            frauds: Keys of the payments that turned out to be fraud.
            until: Payments from this moment on are left to others, ISO 8601.
            answers: How many at the most.
        """
        proposals = {line.id: line for line in self._reviewed()}
        approved = overridden = 0
        for task in self._open_tasks():
            line = proposals.get(task.subject)
            if line is None or line.event_time >= until:
                continue
            is_fraud = line.event_key in frauds
            if is_fraud == line.positive:
                self._post(task.id, "approve", {"reason": "checked with the cardholder"})
                approved += 1
            else:
                reason = "the cardholder did not pay" if is_fraud else "the cardholder paid it"
                self._post(task.id, "override", {"positive": is_fraud, "reason": reason})
                overridden += 1
            if approved + overridden >= answers:
                break
        return DeskWork(len(proposals), approved, overridden)

    def _reviewed(self) -> Iterator[_Line]:
        before = ""
        while True:
            page = self._lines(outcome="review", before=before, limit=str(_PAGE))
            yield from page.records
            if page.next is None:
                return
            before = page.next

    def _open_tasks(self) -> Iterator[_Task]:
        """Yield them from a list made at once: answering one changes what a page holds."""
        tasks: list[_Task] = []
        after = ""
        while True:
            asked = {"queue": QUEUE, "state": "open", "after": after, "limit": str(_PAGE)}
            page = self._get("/v1/tasks", asked, _Tasks)
            tasks += page.tasks
            if page.next is None:
                yield from tasks
                return
            after = page.next

    def _lines(self, **asked: str) -> _Lines:
        return self._get("/v1/records", {"decision": "fraud", **asked}, _Lines)

    def _get(self, path: str, asked: Mapping[str, str], kind: type[T]) -> T:
        answer = self._client.get(path, params=dict(asked))
        self._check(answer)
        return msgspec.json.decode(answer.content, type=kind)

    def _post(self, task: str, action: str, body: Mapping[str, object]) -> None:
        self._check(self._client.post(f"/v1/tasks/{task}/{action}", json=dict(body)))

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            request = answer.request
            raise DeskFailed(f"{request.method} {request.url.path} → {answer.text[:300]}")
