"""What a server can be asked, as calls: path, body, and the form of the answer.

The rule: no I/O, and one place for every operation, so that both clients ask the same. A
call that may not be sent twice says so; any other is safe to send again: it reads, carries
an idempotency key that it keeps, or names what it changes by its key.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec

from kingpost.calls import Call
from kingpost.client.bodies import json_body
from kingpost.client.documents import (
    Answer,
    Change,
    DecisionsPage,
    Explanation,
    Health,
    Incident,
    IncidentsPage,
    Ingested,
    LinesPage,
    Record,
    Review,
    Run,
    RunLine,
    RunsPage,
    Task,
    TasksPage,
)

__all__ = [
    "PAGE",
    "Operation",
    "TaskVerb",
    "act_on_task",
    "act_on_workflow",
    "correct_event",
    "decide",
    "explain_record",
    "find_incidents",
    "find_records",
    "find_tasks",
    "find_workflows",
    "health",
    "ingest",
    "list_decisions",
    "new_key",
    "override_record",
    "query",
    "read_incident",
    "read_record",
    "read_task",
    "read_workflow",
    "retract_event",
    "send_event",
    "start_workflow",
]

T = TypeVar("T")
TaskVerb = Literal["claim", "release", "approve", "override", "reject", "modify", "acknowledge"]
PAGE = 200
_HEALTH_WITHIN = "2s"
_NDJSON = "application/x-ndjson"
_JSON = {"content-type": "application/json"}


class Sent(msgspec.Struct, frozen=True):
    """What became of an event for a workflow."""

    status: str


@dataclass(frozen=True)
class Operation(Generic[T]):
    """A call, and what its answer is."""

    call: Call
    answer: type[T] = field(repr=False)


def new_key() -> str:
    """Make an idempotency key."""
    return str(uuid.uuid4())


def query(**values: object) -> dict[str, str]:
    """Write the parameters of a query; what is None, False or empty is left out."""
    return {
        name: "true" if value is True else str(value)
        for name, value in values.items()
        if value is not None and value is not False and value != ""
    }


def decide(
    name: str,
    request: object,
    answer: type[T],
    *,
    idempotency_key: str,
    session: str,
    traceparent: str,
    deadline: str | None,
) -> Operation[Answer[T]]:
    """Decide a request."""
    call = Call(
        "POST",
        f"/v1/decisions/{_part(name)}",
        headers=_JSON | ({"kingpost-session": session} if session else {}),
        body=json_body(request),
        idempotency_key=idempotency_key,
        traceparent=traceparent,
        deadline=deadline,
    )
    return Operation(call, Answer[answer])  # pyright: ignore[reportInvalidTypeArguments]  a type that is known when it runs


def list_decisions() -> Operation[DecisionsPage]:
    """Ask what runs."""
    return _get("/v1/decisions", DecisionsPage)


def ingest(stream: str, lines: bytes, key: str) -> Operation[Ingested]:
    """Send events, one on each line; the server knows each by its own key."""
    path = f"/v1/events/{_part(stream)}"
    call = Call("POST", path, headers={"content-type": _NDJSON}, body=lines, idempotency_key=key)
    return Operation(call, Ingested)


def correct_event(stream: str, key: str | int, event: object) -> Operation[Change]:
    """Put an event in the place of the one that is held under its key."""
    path = f"/v1/events/{_part(stream)}/{_part(str(key))}"
    return Operation(Call("PUT", path, headers=_JSON, body=json_body(event)), Change)


def retract_event(stream: str, key: str | int) -> Operation[Change]:
    """Take an event back."""
    path = f"/v1/events/{_part(stream)}/{_part(str(key))}"
    return Operation(Call("DELETE", path), Change)


def read_record(identifier: str) -> Operation[Record]:
    """Read a record."""
    return _get(f"/v1/records/{_part(identifier)}", Record)


def find_records(parameters: Mapping[str, str]) -> Operation[LinesPage]:
    """Find records."""
    return _get("/v1/records", LinesPage, parameters)


def override_record(identifier: str, positive: bool, reason: str) -> Operation[Review]:
    """Say what stands of a record's answer."""
    body = {"positive": positive, "reason": reason}
    return _post_once(f"/v1/records/{_part(identifier)}/override", body, Review)


def explain_record(identifier: str) -> Operation[Explanation]:
    """Ask why a record's score is what it is."""
    return _get(f"/v1/records/{_part(identifier)}/explanation", Explanation)


def read_task(identifier: str) -> Operation[Task]:
    """Read a task."""
    return _get(f"/v1/tasks/{_part(identifier)}", Task)


def find_tasks(parameters: Mapping[str, str]) -> Operation[TasksPage]:
    """Find tasks."""
    return _get("/v1/tasks", TasksPage, parameters)


def act_on_task(identifier: str, verb: TaskVerb, body: Mapping[str, object]) -> Operation[Task]:
    """Do something with a task."""
    return _post_once(f"/v1/tasks/{_part(identifier)}/{verb}", body, Task)


def read_incident(identifier: str) -> Operation[Incident]:
    """Read an incident."""
    return _get(f"/v1/incidents/{_part(identifier)}", Incident)


def find_incidents(parameters: Mapping[str, str]) -> Operation[IncidentsPage]:
    """Find incidents."""
    return _get("/v1/incidents", IncidentsPage, parameters)


def start_workflow(body: Mapping[str, object], key: str) -> Operation[RunLine]:
    """Start a workflow."""
    return _post_keyed("/v1/workflows", body, key, RunLine)


def read_workflow(identifier: str, parameters: Mapping[str, str]) -> Operation[Run]:
    """Read a workflow with its steps."""
    return _get(f"/v1/workflows/{_part(identifier)}", Run, parameters)


def find_workflows(parameters: Mapping[str, str]) -> Operation[RunsPage]:
    """Find workflows."""
    return _get("/v1/workflows", RunsPage, parameters)


def send_event(identifier: str, topic: str, value: object, key: str) -> Operation[Sent]:
    """Send a workflow an event."""
    path = f"/v1/workflows/{_part(identifier)}/events"
    return _post_keyed(path, {"topic": topic, "value": value}, key, Sent)


def act_on_workflow(
    identifier: str, verb: Literal["cancel", "resume", "fork"], body: Mapping[str, object]
) -> Operation[RunLine]:
    """End a workflow, let it go on, or do it again from a step on."""
    return _post_once(f"/v1/workflows/{_part(identifier)}/{verb}", body, RunLine)


def health(what: Literal["live", "ready"]) -> Operation[Health]:
    """Ask how the server is; for a short time only."""
    return Operation(Call("GET", f"/health/{what}", deadline=_HEALTH_WITHIN), Health)


def _get(path: str, answer: type[T], parameters: Mapping[str, str] | None = None) -> Operation[T]:
    return Operation(Call("GET", path, params=parameters or {}), answer)


def _post_keyed(path: str, body: Mapping[str, object], key: str, answer: type[T]) -> Operation[T]:
    call = Call("POST", path, headers=_JSON, body=json_body(body), idempotency_key=key)
    return Operation(call, answer)


def _post_once(path: str, body: Mapping[str, object], answer: type[T]) -> Operation[T]:
    content = json_body(body) if body else b""
    return Operation(Call("POST", path, headers=_JSON, body=content, at_most_once=True), answer)


def _part(text: str) -> str:
    """Write a part of a path; one of dots alone would be taken for a way up."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
