"""`kingpost conformance` passes a server that keeps to the protocol, and finds one that does not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from kingpost.serving.conformance import (
    ERROR_CHECKS,
    INFER_CHECKS,
    SERVER_CHECKS,
    CheckResult,
    Target,
    run_checks,
)
from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import ServedShop, order

CHECKS = (*SERVER_CHECKS, *INFER_CHECKS, *ERROR_CHECKS)
Change = Callable[[httpx.Request, httpx.Response], httpx.Response]


@pytest.fixture(scope="module")
def shop(
    prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedShop]:
    directory = tmp_path_factory.mktemp("shop")
    secret = prepared_shop.copied(directory)
    with ServedShop(directory, secret, "--no-watch", "--grpc-port", "0") as server:
        yield server
    assert "Traceback" not in server.log.read_text()


def secret_of(shop: ServedShop) -> str:
    return shop.headers["authorization"].removeprefix("Bearer ")


def asked(shop: ServedShop, *arguments: str, code: int = 0) -> dict[str, object]:
    """Run the command on the shop."""
    return kingpost(
        shop.directory, "conformance", shop.url, *arguments, "--json",
        code=code, KINGPOST_API_KEY=secret_of(shop),
    )  # fmt: skip


def test_the_model_behind_a_decision_is_conform(shop: ServedShop) -> None:
    told = asked(shop)

    assert told["model"] == "risk.model"
    assert (told["fail"], len(CHECKS)) == (0, 62)
    assert told["pass"] == len(CHECKS)


def test_its_grpc_side_is_conform_too(shop: ServedShop) -> None:
    told = asked(shop, "--grpc", shop.grpc)

    assert told["fail"] == 0
    assert told["pass"] == len(CHECKS) + 20


def test_a_decision_is_conform(shop: ServedShop, tmp_path: Path) -> None:
    row: dict[str, object] = json.loads(order("conform", 7))
    inputs = [
        {"name": name, "datatype": "FP64" if name == "amount" else "BYTES", "shape": [1],
         "data": [value]}
        for name, value in row.items()
    ]  # fmt: skip
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"inputs": inputs}))

    told = asked(shop, "--model", "risk", "--request", str(request))

    checks = cast("list[dict[str, str]]", told["checks"])
    others = {one["name"]: one["verdict"] for one in checks if one["verdict"] != "pass"}
    assert others == {"infer-nested": "skip"}


def test_without_a_key_that_is_let_in_there_is_nothing_to_ask(shop: ServedShop) -> None:
    with pytest.raises(AssertionError, match="conformance_no_model"):
        asked(shop, "--key", "kp_0_0")


class Changed(httpx.BaseTransport):
    """A server that answers as the shop does, but for one thing."""

    def __init__(self, change: Change) -> None:
        self._real, self._change = httpx.HTTPTransport(), change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._real.handle_request(request)
        answer.read()
        return self._change(request, answer)

    def close(self) -> None:
        self._real.close()


def rewritten(answer: httpx.Response, **fields: object) -> httpx.Response:
    """Put other fields into a JSON answer; None takes one away."""
    try:
        document: dict[str, object] = json.loads(answer.content)
    except ValueError:
        return answer
    changed = {name: one for name, one in (document | fields).items() if one is not None}
    return httpx.Response(answer.status_code, json=changed)


def without_ids(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    return rewritten(answer, id=None)


def same_id(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    is_answer = b'"id"' in answer.content
    return rewritten(answer, id="n0") if is_answer else answer


def without_words(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    return rewritten(answer, error=None) if answer.status_code >= 400 else answer


def always_fine(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    return httpx.Response(200, json={"error": "x"}) if answer.status_code >= 400 else answer


def crashes(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    return httpx.Response(500, json={"error": "x"}) if answer.status_code >= 400 else answer


def ignores_outputs(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    if b'"outputs"' not in request.content or answer.status_code != 200:
        return answer
    two = {"name": "more", "datatype": "FP32", "shape": [1], "data": [0]}
    return rewritten(answer, outputs=[two])


def knows_no_binary(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    is_binary = "inference-header-content-length" in request.headers
    return httpx.Response(400, json={"error": "what?"}) if is_binary else answer


def loses_a_byte(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    length = answer.headers.get("inference-header-content-length")
    if length is None:
        return answer
    return httpx.Response(200, content=answer.content[:-1],
                          headers={"inference-header-content-length": length})  # fmt: skip


def not_ready(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    return httpx.Response(503) if request.url.path.endswith("/ready") else answer


def other_scores(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    if "/versions/" not in request.url.path or answer.status_code != 200:
        return answer
    return httpx.Response(200, content=answer.content.replace(b'"data":[0.', b'"data":[1.'))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (without_ids, {"infer-id", "infer-own-ids"}),
        (same_id, {"infer-id", "infer-own-ids"}),
        (without_words, {"unknown-model", "error-no-json", "error-datatype"}),
        (always_fine, {"unknown-model", "error-empty", "error-nan", "error-method"}),
        (crashes, {"unknown-version", "error-deep", "binary-short"}),
        (ignores_outputs, {"infer-asked-outputs"}),
        (knows_no_binary, {"binary-inputs", "binary-no-data"}),
        (loses_a_byte, {"binary-outputs", "binary-asked"}),
        (not_ready, {"server-ready", "model-ready", "version-ready", "still-answers"}),
        (other_scores, {"infer-version"}),
    ],
)
def test_a_server_that_does_otherwise_is_found(
    shop: ServedShop, change: Change, found: set[str]
) -> None:
    target = Target(shop.url, key=secret_of(shop), model="risk.model", transport=Changed(change))

    results: list[CheckResult] = list(run_checks(CHECKS, target))

    target.close()
    assert found <= {one.name for one in results if one.verdict == "fail"}


def test_nobody_there_is_one_error(shop: ServedShop) -> None:
    with pytest.raises(AssertionError, match="conformance_unreachable"):
        kingpost(shop.directory, "conformance", "http://127.0.0.1:9", "--json")
