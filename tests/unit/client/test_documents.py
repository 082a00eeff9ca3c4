"""The client's types are the documents that a server sends."""

import re
from typing import Any

import msgspec
import pytest

from kingpost.client import documents
from kingpost.serving import problems, review_documents, workflow_documents
from kingpost.serving.decisions_list import DecisionsDocument
from kingpost.serving.events_route import ChangeDocument, EventsDocument
from kingpost.serving.health import HealthDocument
from kingpost.serving.rendering import AnswerDocument, RecordDocument

NAMED_OTHERWISE = {
    "AnswerDocument": "Answer_dict_str__object__",
    "DecisionDocument": "ServedDecision",
    "DecisionsDocument": "DecisionsPage",
    "EventDocument": "DecidingEvent",
    "EventsDocument": "Ingested",
    "ExplanationLine": "Contribution",
    "IncidentsDocument": "IncidentsPage",
    "LineDocument": "RecordLine",
    "LinesDocument": "LinesPage",
    "RunsDocument": "RunsPage",
    "TasksDocument": "TasksPage",
    "ValueDocument": "Shown",
}
LOOSER = {
    "Answer_dict_str__object__": {"answer", "is_replayed"},  # raw there; told by a header
    "DecidingEvent": {"body"},
    "Problem": {"title", "detail", "type", "trace_id"},  # what answers may be no Kingpost
    "Record": {"answer"},
    "Shown": {"value"},
    "Task": {"about", "answer"},
    "Wait": {"kind"},
}
"""Fields that the client reads another way, on purpose."""

PAIRS: list[tuple[type, Any]] = [
    (AnswerDocument, documents.Answer[dict[str, object]]),
    (ChangeDocument, documents.Change),
    (DecisionsDocument, documents.DecisionsPage),
    (EventsDocument, documents.Ingested),
    (HealthDocument, documents.Health),
    (RecordDocument, documents.Record),
    (problems.ProblemDocument, documents.Problem),
    (review_documents.ExplanationDocument, documents.Explanation),
    (review_documents.IncidentDocument, documents.Incident),
    (review_documents.IncidentsDocument, documents.IncidentsPage),
    (review_documents.LinesDocument, documents.LinesPage),
    (review_documents.TaskDocument, documents.Task),
    (review_documents.TasksDocument, documents.TasksPage),
    (workflow_documents.RunDocument, documents.Run),
    (workflow_documents.RunsDocument, documents.RunsPage),
]


def name_of(server: str) -> str:
    return NAMED_OTHERWISE.get(server, server.removesuffix("Document"))


def described(kind: Any, *, is_server: bool) -> dict[str, dict[str, Any]]:
    """Describe the fields of a type and of all it holds, by the client's names."""
    schemas = msgspec.json.schema(kind, schema_hook=lambda _: {"title": "any"})["$defs"]
    found: dict[str, dict[str, Any]] = {}
    for name, schema in schemas.items():
        own = name_of(name) if is_server else name
        fields = dict(schema["properties"])
        for loose in LOOSER.get(own, ()):
            fields.pop(loose, None)
        text = msgspec.json.encode(fields).decode()
        if is_server:
            text = re.sub(r"#/\$defs/(\w+)", lambda ref: f"#/$defs/{name_of(ref[1])}", text)
        found[own] = {
            field: {key: one for key, one in said.items() if key not in ("default", "description")}
            for field, said in msgspec.json.decode(text, type=dict[str, dict[str, Any]]).items()
        }
    return found


@pytest.mark.parametrize(("server", "client"), PAIRS, ids=lambda one: getattr(one, "__name__", ""))
def test_each_type_has_the_fields_of_the_servers_document(server: type, client: Any) -> None:
    assert described(client, is_server=False) == described(server, is_server=True)


def test_a_field_of_a_later_server_is_passed_over() -> None:
    body = b'{"status":"ready","since":"2026-11-21T09:00:00Z"}'

    assert msgspec.json.decode(body, type=documents.Health) == documents.Health("ready")
