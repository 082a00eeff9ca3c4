"""The gRPC checks, over a server that answers everything with an empty message."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import httpx
import pytest

from kingpost.serving.conformance import (
    GrpcTarget,
    Target,
    TargetUnreachable,
    grpc_checks,
    run_checks,
)

grpc: Any = import_module("grpc")  # it has no types
METADATA = {
    "name": "m",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
}


class _Yes:
    """Answers every call with a message that says nothing."""

    def service(self, _: object) -> Any:
        return grpc.unary_unary_rpc_method_handler(_nothing)


def _nothing(_request: bytes, _context: object) -> bytes:
    return b""


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=(_Yes(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def target() -> Target:
    rest = httpx.MockTransport(lambda _: httpx.Response(200, json=METADATA))
    return Target("http://test", model="m", transport=rest)


def test_a_server_that_says_yes_to_everything_fails_most_checks(address: str) -> None:
    asked, over = target(), GrpcTarget(address)

    results = {one.name: one.verdict for one in run_checks(grpc_checks(over), asked)}

    over.close()
    asked.close()
    assert len(results) == 20
    passed = {name for name, verdict in results.items() if verdict == "pass"}
    assert passed <= {"grpc-infer-typed"}


def test_nobody_there_is_an_error() -> None:
    asked, over = target(), GrpcTarget("127.0.0.1:9")
    (first, *_) = grpc_checks(over)

    with pytest.raises(TargetUnreachable):
        list(run_checks([first], asked))

    over.close()
    asked.close()
