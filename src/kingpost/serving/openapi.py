"""The API described in OpenAPI 3.1, typed by the contracts that it checks.

The rule: a schema here is the one that is enforced. Requests come from `Contract`,
answers from the documents they are rendered from, problems from the table of codes.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import cast

import msgspec

from kingpost.contracts import Contract, Event, Field
from kingpost.core import id_text
from kingpost.decisions import Application, ServedDecision
from kingpost.serving.decisions_list import DecisionsDocument
from kingpost.serving.erasure_routes import EraseDocument
from kingpost.serving.events_route import ChangeDocument, EventsDocument
from kingpost.serving.health import HealthDocument
from kingpost.serving.hold_routes import HoldAskedDocument
from kingpost.serving.job_documents import SubmitQuery
from kingpost.serving.oip import inference_documents, inference_paths
from kingpost.serving.openapi_erasures import ERASURE_OPERATIONS
from kingpost.serving.openapi_features import FEATURE_OPERATIONS
from kingpost.serving.openapi_jobs import (
    JOB_DOCUMENTS,
    JOB_EVENTS_CODES,
    JOB_OPERATIONS,
    SUBMIT_CODES,
)
from kingpost.serving.openapi_logs import LOG_OPERATIONS, LOG_PIECE_CODES
from kingpost.serving.openapi_releases import RELEASE_OPERATIONS
from kingpost.serving.openapi_review import REVIEW_DOCUMENTS, REVIEW_OPERATIONS, Described
from kingpost.serving.openapi_workflows import WORKFLOW_DOCUMENTS, WORKFLOW_OPERATIONS
from kingpost.serving.problems import PROBLEMS, ProblemDocument
from kingpost.serving.rendering import AnswerDocument, RecordDocument

__all__ = ["describe_api", "example_event"]

_REF = "#/components/schemas/{name}"
_ID = id_text(bytes.fromhex("0199f2a07c007000800000000000002a"))
_ALWAYS = (
    "api_key_missing",
    "api_key_refused",
    "token_refused",
    "missing_scope",
    "rate_limited",
    "key_store_failed",
    "token_keys_missing",
)
_STOPPED = (
    "journal_failed",
    "journal_full",
    "journal_read_only",
    "journal_closed",
    "engine_stopped",
    "internal_error",
)
_BODY = ("body_timeout", "body_too_large", "unsupported_media_type", "contract_violation")

Json = dict[str, object]


def describe_api(
    application: Application,
    served: Mapping[str, ServedDecision],
    *,
    webhooks: Sequence[str] = (),
) -> bytes:
    """Return the OpenAPI document, as JSON.

    Args:
        webhooks: The receivers that a job may name.
    """
    documents = (
        AnswerDocument,
        ChangeDocument,
        DecisionsDocument,
        EventsDocument,
        HealthDocument,
        ProblemDocument,
        RecordDocument,
        *REVIEW_DOCUMENTS,
        *(one.answer for one in FEATURE_OPERATIONS),
        *(one.answer for one in ERASURE_OPERATIONS),
        *(one.answer for one in LOG_OPERATIONS),
        *(one.answer for one in RELEASE_OPERATIONS),
        *(one.body for one in RELEASE_OPERATIONS if one.body is not None),
        EraseDocument,
        HoldAskedDocument,
        *WORKFLOW_DOCUMENTS,
        *inference_documents(),
        *JOB_DOCUMENTS,
    )
    _, schemas = msgspec.json.schema_components(documents, ref_template=_REF)
    contracts = application.streams.values()
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Kingpost",
            "version": metadata.version("kingpost"),
            "description": "Decisions, each with its record. Every problem is a problem document "
            "(RFC 9457) with a stable code and a trace id.",
        },
        "paths": {
            **{f"/v1/decisions/{name}": _decide(one) for name, one in served.items()},
            **{
                f"/v1/decisions/{name}/jobs": _submit(one, webhooks) for name, one in served.items()
            },
            "/v1/jobs/{id}/events": _job_events(),
            **{f"/v1/events/{one.name}": _ingest(one) for one in contracts},
            **{f"/v1/events/{one.name}/{{key}}": _change(one) for one in contracts},
            "/v1/decisions": _get(
                "List what runs", "DecisionsDocument", codes=_ALWAYS, tag="decisions"
            ),
            "/v1/records/{id}": _record(),
            "/health/live": _get("Whether the process lives", "HealthDocument", tag="server"),
            "/health/ready": _get(
                "Whether it takes work", "HealthDocument", codes=("not_ready",), tag="server"
            ),
            "/metrics": _metrics(),
            "/v1/logs/{log}/checkpoint": _log_piece(
                "/v1/logs/{log}/checkpoint", "Read the newest checkpoint of a log", "text/plain"
            ),
            "/v1/logs/{log}/tile/{path}": _log_piece(
                "/v1/logs/{log}/tile/{path}",
                "Read a tile of hashes, as 0/x001/234 or 0/000.p/17, or a bundle of entries, as "
                "entries/000.p/17 (C2SP tlog-tiles)",
                "application/octet-stream",
            ),
            **_described_paths(),
            **inference_paths(served),
        },
        "components": {
            "schemas": schemas | {one.type.__name__: one.json_schema() for one in contracts},
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "kp_<id>_<secret>, or a JSON Web Token",
                }
            },
        },
    }
    return msgspec.json.encode(document)


def example_event(contract: Contract[Event]) -> Json:
    """Return an event that keeps its contract."""
    return {field.name: _example(field) for field in contract.fields if field.required}


def _example(field: Field) -> object:
    low, high = field.bounds.get("ge", field.bounds.get("gt")), field.bounds.get("le")
    match field.kind:
        case "text":
            shortest = int(field.bounds.get("min_length", 0))
            text = f"{field.name}-1".ljust(shortest, "0")
            longest = int(field.bounds.get("max_length", len(text)))
            return field.choices[0] if field.choices else text[:longest]
        case "time":
            return "2018-08-01T12:00:00Z"
        case "boolean":
            return False
        case "vector":
            return [0.0] * field.dimension
        case "integer" | "number":
            number = 12.0 if field.kind == "number" else 12
            if (low is not None and number <= low) or (high is not None and number > high):
                number = high if high is not None else (low or 0) + 1
            return int(number) if field.kind == "integer" else float(number)


def _decide(served: ServedDecision) -> Json:
    decision = served.decision
    contract = decision.request
    example = AnswerDocument(
        id=_ID,
        decision=decision.name,
        outcome="decided",
        answer=msgspec.Raw(
            msgspec.json.encode({decision.model.label.field: False, "score": 0.0712})
        ),
        confidence=0.9288,
        reason="",
        position="data:4711",
        bundle=served.bundle.hex(),
    )
    operation = _operation(
        f"Decide {decision.name!r}",
        "AnswerDocument",
        codes=(
            *_ALWAYS,
            *_BODY,
            *_STOPPED,
            "bad_header",
            "event_conflict",
            "idempotency_key_reused",
            "decision_failed",
            "request_too_late",
            "overloaded",
            "extraction_budget_spent",
            "extraction_store_failed",
        ),
        tag="decisions",
        example=msgspec.to_builtins(msgspec.json.decode(msgspec.json.encode(example))),
    )
    operation["parameters"] = [
        _header("Idempotency-Key", "A retry under the same key gets the same answer"),
        _header("Kingpost-Session", "Kept in the record"),
        _header("traceparent", "W3C trace context, as 00-…; its trace id is kept in the record")
        | {"schema": {"type": "string"}},  # one that is not valid counts as absent
    ]
    operation["requestBody"] = _request({"application/json": _schema_of(contract)})
    return {"post": operation}


def _submit(served: ServedDecision, webhooks: Sequence[str]) -> Json:
    name = served.decision.name
    operation = _operation(
        f"Submit a job that decides {name!r} later",
        "JobDocument",
        codes=(*_ALWAYS, *_BODY, *SUBMIT_CODES),
        tag="jobs",
        status=202,
    )
    query = [one for one in _query_parameters(SubmitQuery) if one["name"] != "webhook"]
    if webhooks:
        schema = {"type": "string", "enum": list(webhooks)}
        query.append({"name": "webhook", "in": "query", "required": False, "schema": schema})
    operation["parameters"] = [
        *query,
        _header("Idempotency-Key", "Under the same key a job is submitted once"),
        _header("Kingpost-Session", "Kept in the record"),
    ]
    operation["requestBody"] = _request({"application/json": _schema_of(served.decision.request)})
    return {"post": operation}


def _job_events() -> Json:
    codes = (*_ALWAYS, *JOB_EVENTS_CODES)
    operation = _operation("Hear of each change of a job, as it comes", "", codes=codes, tag="jobs")
    event: Json = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
        "required": ["id", "event", "data"],
    }
    operation["parameters"] = [
        *_path_parameters("/v1/jobs/{id}/events"),
        _header("Last-Event-ID", "The last event that was heard")
        | {"schema": {"type": "string", "pattern": "^[0-9]{1,9}$"}},
    ]
    operation["responses"] = {
        **_problems(codes),
        "200": {
            "description": "Server-sent events: the version, the state, the job",
            "content": {"text/event-stream": {"schema": event}},
        },
        "204": {"description": "It has ended, and you have heard so"},
    }
    return {"get": operation}


def _ingest(contract: Contract[Event]) -> Json:
    one = _schema_of(contract)
    operation = _operation(
        f"Take {contract.name} events",
        "EventsDocument",
        codes=(*_ALWAYS, *_BODY, *_STOPPED, "too_many_events"),
        tag="events",
        example={"accepted": 1, "duplicates": 0, "rejected": []},
    )
    schema = one["schema"]
    operation["requestBody"] = _request(
        {
            "application/json": {
                "schema": {"oneOf": [schema, {"type": "array", "items": schema}]},
                "example": one["example"],
            },
            "application/x-ndjson": {"schema": schema, "example": one["example"]},
        }
    )
    return {"post": operation}


def _change(contract: Contract[Event]) -> Json:
    codes = (*_ALWAYS, *_STOPPED, "event_unreadable")
    retract = _operation(
        f"Retract a {contract.name} event: it does not count from here on",
        "ChangeDocument",
        codes=(*codes, "contract_violation"),
        tag="events",
        example={"status": "retracted"},
    )
    content = {"schema": {"$ref": _REF.format(name="ChangeDocument")}}
    responses = cast("Json", retract["responses"])
    responses["202"] = {
        "description": "No event of this key has come; when one does, it will not count",
        "content": {"application/json": content | {"example": {"status": "held"}}},
    }
    correct = _operation(
        f"Correct a {contract.name} event: the body takes the place of what is held",
        "ChangeDocument",
        codes=(*codes, *_BODY, "event_not_found", "event_retracted"),
        tag="events",
        example={"status": "corrected"},
    )
    correct["requestBody"] = _request({"application/json": _schema_of(contract)})
    name = contract.key.name
    key: Json = {"name": "key", "in": "path", "required": True, "schema": _key_schema(contract)}
    key["description"] = f"The `{name}` of the event"
    return {"parameters": [key], "put": correct, "delete": retract}


def _key_schema(contract: Contract[Event]) -> Json:
    properties = cast("dict[str, Json]", contract.json_schema()["properties"])
    schema = dict(properties[contract.key.name])
    if contract.key.kind == "text":
        schema["minLength"] = max(1, int(contract.key.bounds.get("min_length", 1)))
    return schema


def _record() -> Json:
    described = _get(
        "Read a decision record of your tenant",
        "RecordDocument",
        codes=(*_ALWAYS, "record_not_found", "record_search_failed", "segment_archived"),
        tag="records",
    )
    described["parameters"] = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    return described


def _described_paths() -> dict[str, Json]:
    paths: dict[str, Json] = {}
    operations = (
        *REVIEW_OPERATIONS,
        *FEATURE_OPERATIONS,
        *ERASURE_OPERATIONS,
        *LOG_OPERATIONS,
        *RELEASE_OPERATIONS,
        *WORKFLOW_OPERATIONS,
        *JOB_OPERATIONS,
    )
    for one in operations:
        paths.setdefault(one.path, {})[one.method] = _described(one)
    return paths


def _described(one: Described) -> Json:
    operation = _operation(
        one.summary,
        one.answer.__name__,
        codes=(*_ALWAYS, *one.codes),
        tag=one.tag,
        status=one.status,
    )
    parameters = [*_path_parameters(one.path), *_query_parameters(one.query)]
    if one.is_keyed:
        parameters.append(_key_header())
    if parameters:
        operation["parameters"] = parameters
    if one.body is not None:
        schema = {"schema": {"$ref": _REF.format(name=one.body.__name__)}}
        operation["requestBody"] = _request({"application/json": schema}) | {
            "required": one.needs_body
        }
    return operation


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(query: type[msgspec.Struct] | None) -> list[Json]:
    if query is None:
        return []
    described = msgspec.json.schema(query)["$defs"][query.__name__]
    required = described.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in described["properties"].items()
    ]


def _metrics() -> Json:
    text = {"text/plain": {"schema": {"type": "string"}}}
    operation = _operation("Metrics for Prometheus", "", codes=_ALWAYS, tag="server")
    operation["responses"] = {
        **_problems(_ALWAYS),
        "200": {"description": "Prometheus text format", "content": text},
    }
    return {"get": operation}


def _log_piece(path: str, summary: str, media_type: str) -> Json:
    codes = (*_ALWAYS, *LOG_PIECE_CODES)
    operation = _operation(summary, "", codes=codes, tag="logs")
    schema: Json = {"type": "string"} if media_type == "text/plain" else {}
    operation["parameters"] = _path_parameters(path)
    operation["responses"] = {
        **_problems(codes),
        "200": {"description": "Done", "content": {media_type: {"schema": schema}}},
    }
    return {"get": operation}


def _get(summary: str, document: str, *, codes: Sequence[str] = (), tag: str) -> Json:
    operation = _operation(summary, document, codes=codes, tag=tag)
    if not set(_ALWAYS) <= set(codes):
        operation["security"] = []
    return {"get": operation}


def _operation(
    summary: str,
    document: str,
    *,
    codes: Sequence[str],
    tag: str,
    example: object = None,
    status: int = 200,
) -> Json:
    content: Json = {"schema": {"$ref": _REF.format(name=document)}}
    if example is not None:
        content["example"] = example
    return {
        "summary": summary,
        "tags": [tag],
        "security": [{"api_key": []}],
        "responses": {
            str(status): {
                "description": "Done" if status == 200 else "Taken, and kept",
                "content": {"application/json": content},
            },
            **_problems(codes),
        },
    }


def _problems(codes: Sequence[str]) -> dict[str, Json]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    schema = {"schema": {"$ref": _REF.format(name="ProblemDocument")}}
    return {
        str(status): {
            "description": ", ".join(sorted(found)),
            "content": {"application/problem+json": schema},
        }
        for status, found in sorted(by_status.items())
    }


def _request(content: Json) -> Json:
    return {"required": True, "content": content}


def _schema_of(contract: Contract[Event]) -> Json:
    schema = {"$ref": _REF.format(name=contract.type.__name__)}
    return {"schema": schema, "example": example_event(contract)}


def _key_header() -> Json:
    schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9._~-]+$"}
    told = "The same as `key` in the body: under the same one it is done once"
    return _header("Idempotency-Key", told) | {"schema": schema}


def _header(name: str, description: str) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }
