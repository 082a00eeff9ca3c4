"""`kingpost run --grpc-port`: the port, the health of the server, and its end."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol, cast

import grpc
import pytest

from tests.cli_app import PreparedShop
from tests.served_shop import ServedShop

HEALTH = "/grpc.health.v1.Health/Check"


class Asks(Protocol):
    """A method, as a client has it."""

    def __call__(self, request: bytes, *, timeout: float) -> bytes: ...


def unary(channel: grpc.Channel, path: str) -> Asks:
    return cast("Asks", channel.unary_unary(path))  # pyright: ignore[reportUnknownMemberType]  its stubs say little


def test_a_server_takes_grpc_where_it_is_told_to_and_ends_in_order(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    secret = prepared_shop.copied(tmp_path)

    with ServedShop(tmp_path, secret, "--grpc-port", "0") as server:
        with grpc.insecure_channel(server.grpc) as channel:
            assert unary(channel, HEALTH)(b"", timeout=10) == b"\x08\x01"
            with pytest.raises(grpc.RpcError) as caught:
                unary(channel, "/some.Other/Method")(b"", timeout=10)
            assert isinstance(caught.value, grpc.Call)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert server.is_ready()
        assert server.end(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_port_that_somebody_has_is_told(prepared_shop: PreparedShop, tmp_path: Path) -> None:
    secret = prepared_shop.copied(tmp_path)

    with ServedShop(tmp_path, secret, "--grpc-port", "0") as server:
        port = server.grpc.rpartition(":")[2]
        other = tmp_path / "other"
        prepared_shop.copied(other)
        arguments = ("--data-dir", "data", "run", "shop_app.py", "--port", "0", "--grpc-port", port)
        refused = subprocess.run(
            [sys.executable, "-m", "kingpost.cli", *arguments],
            cwd=other,
            capture_output=True,
            text=True,
            check=False,
        )

    assert refused.returncode == 1
    assert port in refused.stderr
    assert "Traceback" not in refused.stderr
