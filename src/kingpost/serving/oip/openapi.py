"""The routes of the inference protocols, as the API's description has them."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kingpost.decisions import ServedDecision
from kingpost.serving.oip.http_errors import ErrorDocument, status_of
from kingpost.serving.oip.raw_model import SUFFIX
from kingpost.serving.oip.rest import (
    LiveDocument,
    ModelReadyDocument,
    ReadyDocument,
    ServerDocument,
)
from kingpost.serving.oip.rest_messages import (
    InferRequestDocument,
    InferResponseDocument,
    ModelMetadataDocument,
)
from kingpost.serving.oip.tf_documents import (
    ColumnsDocument,
    PredictDocument,
    PredictionsDocument,
    SignatureMetadataDocument,
    VersionsDocument,
)
from kingpost.serving.problems import PROBLEMS

__all__ = ["inference_documents", "inference_paths"]

Json = dict[str, object]

_KEY = (
    "api_key_missing",
    "api_key_refused",
    "token_refused",
    "token_keys_missing",
    "rate_limited",
    "key_store_failed",
    "internal_error",
)
_MODEL = (*_KEY, "model_not_found", "model_version_not_found")
_ASK = (
    *_MODEL,
    "missing_scope",
    "bad_header",
    "bad_inference",
    "bad_tensor",
    "too_many_rows",
    "contract_violation",
    "event_conflict",
    "idempotency_key_reused",
    "decision_failed",
    "model_failed",
    "request_too_late",
    "overloaded",
    "body_timeout",
    "body_too_large",
    "unsupported_media_type",
    "journal_failed",
    "journal_full",
    "journal_read_only",
    "journal_closed",
    "engine_stopped",
)
_TAG, _TF_TAG = "open inference protocol", "tensorflow serving"
_BYTES = "application/octet-stream"


def inference_documents() -> Sequence[type[msgspec.Struct]]:
    """Return the documents that the paths refer to."""
    return (
        ErrorDocument,
        LiveDocument,
        ReadyDocument,
        ServerDocument,
        ModelReadyDocument,
        ModelMetadataDocument,
        InferRequestDocument,
        InferResponseDocument,
        PredictDocument,
        PredictionsDocument,
        ColumnsDocument,
        VersionsDocument,
        SignatureMetadataDocument,
    )


def inference_paths(served: Mapping[str, ServedDecision]) -> Mapping[str, Json]:
    """Return every path with what it takes and gives."""
    ready = _get("Whether the server takes requests", "ReadyDocument", _TAG)
    ready["responses"] = _answered("ReadyDocument") | {"503": _body("not_ready", "ReadyDocument")}
    paths: dict[str, Json] = {
        "/v2": {"get": _get("What this server is", "ServerDocument", _TAG)},
        "/v2/health/live": {"get": _get("Whether the server lives", "LiveDocument", _TAG)},
        "/v2/health/ready": {"get": ready},
    }
    if not served:
        return paths
    name = _name(served)
    for part, parameters in (("", [name]), ("/versions/{version}", [name, _version(served)])):
        described = {"parameters": parameters}
        at, model = f"/v2/models/{{model}}{part}", f"/v1/models/{{model}}{part}"
        told = _get("What a model takes and gives", "ModelMetadataDocument", _TAG, _MODEL)
        is_ready = _get("Whether a model takes requests", "ModelReadyDocument", _TAG, _MODEL)
        is_ready["responses"] = {
            **_answered("ModelReadyDocument"),
            **_errors(code for code in _MODEL if PROBLEMS[code].status != 503),
            "503": _body("not_ready", "ModelReadyDocument", "ErrorDocument"),
        }
        state = _get("The state of a model's version", "VersionsDocument", _TF_TAG, _MODEL)
        signature = _get("A model's signature", "SignatureMetadataDocument", _TF_TAG, _MODEL)
        paths |= {
            at: {**described, "get": told},
            f"{at}/ready": {**described, "get": is_ready},
            f"{at}/infer": {**described, "post": _infer()},
            model: {**described, "get": state},
            f"{model}/metadata": {**described, "get": signature},
            f"{model}:predict": {**described, "post": _predict()},
        }
    return paths


def _infer() -> Json:
    operation = _get("Ask a model", "InferResponseDocument", _TAG, _ASK)
    raw: Json = {"schema": {"type": "string", "format": "binary"}}
    content: Json = {"application/json": _schema("InferRequestDocument"), _BYTES: raw}
    operation["requestBody"] = {"required": True, "content": content}
    told = _body("Done", "InferResponseDocument")
    answered: Json = {"application/json": _schema("InferResponseDocument"), _BYTES: raw}
    operation["responses"] = {**_errors(_ASK), "200": {**told, "content": answered}}
    operation["parameters"] = [
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "required": False,
            "description": "How many bytes of the body are JSON; the rest is binary data",
            "schema": {"type": "integer", "minimum": 0},
        }
    ]
    return operation


def _predict() -> Json:
    operation = _get("Ask a model for predictions", "PredictionsDocument", _TF_TAG, _ASK)
    content: Json = {"application/json": _schema("PredictDocument")}
    operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {
        **_errors(_ASK),
        "200": _body("Done", "PredictionsDocument", "ColumnsDocument"),
    }
    return operation


def _get(summary: str, document: str, tag: str, codes: Sequence[str] = ()) -> Json:
    return {
        "summary": summary,
        "tags": [tag],
        "security": [{"api_key": []}] if codes else [],
        "responses": {**_answered(document), **_errors(codes)},
    }


def _answered(document: str) -> Json:
    return {"200": _body("Done", document)}


def _errors(codes: Iterable[str]) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(status_of(PROBLEMS[code].status), []).append(code)
    return {
        str(status): _body(", ".join(sorted(found)), "ErrorDocument")
        for status, found in sorted(by_status.items())
    }


def _body(description: str, *documents: str) -> Json:
    schemas = [_schema(one)["schema"] for one in documents]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schema(document: str) -> Json:
    return {"schema": {"$ref": f"#/components/schemas/{document}"}}


def _name(served: Mapping[str, ServedDecision]) -> Json:
    names = [name + suffix for name in served for suffix in ("", SUFFIX)]
    return _path("model", "A decision, or the model behind it", names)


def _version(served: Mapping[str, ServedDecision]) -> Json:
    versions = sorted({one.bundle.hex() for one in served.values()})
    return _path("version", "The digest of the bundle that runs", versions)


def _path(name: str, description: str, values: Sequence[str]) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "enum": values},
    }
