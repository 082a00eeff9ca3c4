"""Checks of what a server and a model say of themselves."""

from kingpost.serving.conformance.asserted import answered, expect, need_model, refused
from kingpost.serving.conformance.suite import Check, LeftOut
from kingpost.serving.conformance.target import Document, Target, tensors

__all__ = ["SERVER_CHECKS"]

_DATATYPES = {
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BF16", "BYTES",
}  # fmt: skip
_NOBODY = "/v2/models/no-such-model-is-served-here"


def _live(target: Target) -> None:
    found = target.get("/v2/health/live")
    expect(found.status == 200, f"status {found.status}")


def _live_says_so(target: Target) -> None:
    found = answered(target.get("/v2/health/live"))
    if not found:
        raise LeftOut("the answer has no body, as the OpenAPI file of the protocol allows")
    expect(found.get("live") is True, found)


def _ready(target: Target) -> None:
    found = target.get("/v2/health/ready")
    expect(found.status == 200, f"status {found.status}")


def _metadata(target: Target) -> None:
    found = answered(target.get("/v2"))
    expect(isinstance(found.get("name"), str), f"name: {found.get('name')!r}")
    expect(isinstance(found.get("version"), str), f"version: {found.get('version')!r}")


def _extensions(target: Target) -> None:
    found = answered(target.get("/v2")).get("extensions")
    expect(isinstance(found, list), f"extensions: {found!r}")


def _model_name(target: Target) -> None:
    need_model(target)
    found = answered(target.get(target.path))
    expect(found.get("name") == target.model, f"name: {found.get('name')!r}")


def _model_platform(target: Target) -> None:
    need_model(target)
    expect(isinstance(target.metadata.get("platform"), str), target.metadata.get("platform"))


def _model_versions(target: Target) -> None:
    for version in _versions(target):
        expect(isinstance(version, str), f"a version is {version!r}")


def _model_inputs(target: Target) -> None:
    _check_tensors(target, "inputs")


def _model_outputs(target: Target) -> None:
    _check_tensors(target, "outputs")


def _check_tensors(target: Target, which: str) -> None:
    need_model(target)
    some = tensors(target.metadata, which)
    expect(bool(some), f"no {which}")
    for one in some:
        expect(isinstance(one.get("name"), str), one)
        expect(one.get("datatype") in _DATATYPES, one)
        shape = one.get("shape")
        sizes: list[object] = list(shape) if isinstance(shape, list) else [None]  # pyright: ignore[reportUnknownArgumentType]  a list of whatever
        expect(all(isinstance(size, int) and size >= -1 for size in sizes), one)


def _version_metadata(target: Target) -> None:
    version = _a_version(target)
    found = answered(target.get(f"{target.path}/versions/{version}"))
    expect(found.get("name") == target.model, found)
    expect(found.get("inputs") == target.metadata.get("inputs"), "other inputs than without it")


def _model_ready(target: Target) -> None:
    need_model(target)
    found = target.get(f"{target.path}/ready")
    expect(found.status == 200, f"status {found.status}")


def _model_ready_says_so(target: Target) -> None:
    need_model(target)
    found = answered(target.get(f"{target.path}/ready"))
    if not found:
        raise LeftOut("the answer has no body, as the OpenAPI file of the protocol allows")
    expect(found.get("ready") is True, found)
    expect(found.get("name") == target.model, found)


def _version_ready(target: Target) -> None:
    found = target.get(f"{target.path}/versions/{_a_version(target)}/ready")
    expect(found.status == 200, f"status {found.status}")


def _unknown_model(target: Target) -> None:
    refused(target.get(_NOBODY))


def _unknown_model_ready(target: Target) -> None:
    found = target.get(f"{_NOBODY}/ready")
    expect(found.status != 200, f"status {found.status}")


def _unknown_version(target: Target) -> None:
    need_model(target)
    refused(target.get(f"{target.path}/versions/987654321"))


def _unknown_model_infer(target: Target) -> None:
    tensor: Document = {"name": "x", "datatype": "FP32", "shape": [1], "data": [0]}
    refused(target.post(f"{_NOBODY}/infer", {"inputs": [tensor]}))


def _versions(target: Target) -> list[object]:
    need_model(target)
    found = target.metadata.get("versions")
    if not isinstance(found, list):
        raise LeftOut("the model has no versions")
    return list(found)  # pyright: ignore[reportUnknownArgumentType]  a list of whatever


def _a_version(target: Target) -> str:
    found = _versions(target)
    if not found:
        raise LeftOut("the model has no versions")
    return str(found[0])


SERVER_CHECKS = (
    Check("server-live", "GET /v2/health/live is 200 while the server lives", _live),
    Check("server-live-body", 'GET /v2/health/live answers {"live": true}', _live_says_so),
    Check("server-ready", "GET /v2/health/ready is 200 when models can be asked", _ready),
    Check("server-metadata", "GET /v2 names the server and its version", _metadata),
    Check("server-extensions", "GET /v2 lists the extensions", _extensions),
    Check("model-name", "A model's metadata have its name", _model_name),
    Check("model-platform", "A model's metadata name its platform", _model_platform),
    Check("model-versions", "Versions are texts", _model_versions),
    Check("model-inputs", "Inputs have name, datatype and shape", _model_inputs),
    Check("model-outputs", "Outputs have name, datatype and shape", _model_outputs),
    Check("version-metadata", "A version's metadata are the model's", _version_metadata),
    Check("model-ready", "GET …/ready is 200 for a model that can be asked", _model_ready),
    Check("model-ready-body", "GET …/ready answers name and ready", _model_ready_says_so),
    Check("version-ready", "GET …/versions/{version}/ready is 200", _version_ready),
    Check("unknown-model", "Metadata of an unknown model are an error", _unknown_model),
    Check("unknown-model-ready", "An unknown model is not ready", _unknown_model_ready),
    Check("unknown-model-infer", "An unknown model cannot be asked", _unknown_model_infer),
    Check("unknown-version", "Metadata of an unknown version are an error", _unknown_version),
)
