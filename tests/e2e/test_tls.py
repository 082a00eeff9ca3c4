"""HTTPS and callers' certificates on the real command line, with real clients."""

import os
import socket
import ssl
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cli_app import PreparedShop, kingpost
from tests.made_certificates import Certificates, make_certificates
from tests.served_shop import ServedShop, order, until

PATH = "/v1/decisions/risk"
HEALTH = "/grpc.health.v1.Health/Check"
grpc: Any = import_module("grpc")  # it has no types


def certificates(directory: Path, client: str) -> Certificates:
    directory.mkdir()
    return make_certificates(
        directory, server_names=["localhost", "127.0.0.1"], client_names=[client]
    )


@pytest.fixture(scope="module", params=["0", "2"], ids=["alone", "http workers"])
def house(
    request: pytest.FixtureRequest,
    prepared_shop: PreparedShop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServedShop, Certificates]]:
    directory = tmp_path_factory.mktemp("tls")
    secret = prepared_shop.copied(directory)
    made = certificates(directory / "tls", "scorer.internal")
    (directory / "kingpost.toml").write_text(
        f'tls_certificate = "{made.server}"\ntls_client_ca = "{made.authority}"\n'
        'tls_clients = "optional"\ntls_principals = "scorer.internal=decide:risk"\n'
    )
    arguments = ("--no-watch", "--grpc-port", "0", "--http-workers", request.param)
    with ServedShop(directory, secret, *arguments) as server:
        yield server, made
        assert server.end() == 0
        log = server.log.read_text()
    assert "Traceback" not in log
    assert "Kingpost-Caller" not in log


def client_of(
    server: ServedShop,
    made: Certificates,
    *,
    brings: Path | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Client:
    context = ssl.create_default_context(cafile=made.authority)
    if brings is not None:
        context.load_cert_chain(brings)
    return httpx.Client(base_url=server.url, verify=context, headers=headers, timeout=30)


def test_grpc_is_spoken_over_the_same_certificate_and_not_in_clear(
    house: tuple[ServedShop, Certificates],
) -> None:
    server, made = house
    port = server.grpc.rpartition(":")[2]
    trusted = grpc.ssl_channel_credentials(made.authority.read_bytes())

    with grpc.secure_channel(f"localhost:{port}", trusted) as channel:
        assert channel.unary_unary(HEALTH)(b"", timeout=20) == b"\x08\x01"
    with grpc.insecure_channel(f"localhost:{port}") as channel, pytest.raises(grpc.RpcError) as met:
        channel.unary_unary(HEALTH)(b"", timeout=20)
    assert met.value.code() is grpc.StatusCode.UNAVAILABLE


def body(number: int) -> bytes:
    return order(f"tls-{time.monotonic_ns()}", number)


def test_the_server_speaks_https_and_nothing_else(house: tuple[ServedShop, Certificates]) -> None:
    server, made = house
    assert server.url.startswith("https://")
    with client_of(server, made, headers=server.headers) as client:
        answers = [client.post(PATH, content=body(number)) for number in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
    with pytest.raises(httpx.HTTPError):
        httpx.get(server.url.replace("https", "http") + "/health/live")


def test_a_certificate_lets_its_caller_in_and_nobody_else(
    house: tuple[ServedShop, Certificates], tmp_path: Path
) -> None:
    server, made = house
    with client_of(server, made, brings=made.client) as scorer:
        decided = scorer.post(PATH, content=body(1))
        record = f"/v1/records/{decided.json()['id']}"
        assert decided.status_code == 200
        assert scorer.get(record).json()["code"] == "missing_scope"
        assert (
            scorer.get(record, headers=server.headers).json()["principal"] == "tls:scorer.internal"
        )
        wrong = {"authorization": "Bearer kp_x_y"}
        assert scorer.post(PATH, content=body(2), headers=wrong).status_code == 401
    with client_of(server, made) as nobody:
        assert nobody.post(PATH, content=body(3)).json()["code"] == "api_key_missing"
    stranger = certificates(tmp_path / "stranger", "scorer.internal")
    with client_of(server, made, brings=stranger.client) as client, pytest.raises(httpx.HTTPError):
        client.post(PATH, content=body(4))


def test_a_head_of_a_caller_with_a_certificate_lets_no_other_connection_in(
    house: tuple[ServedShop, Certificates],
) -> None:
    server, made = house
    where = urlsplit(server.url)

    def say(brings: Path | None, times: int) -> list[bytes]:
        context = ssl.create_default_context(cafile=made.authority)
        if brings is not None:
            context.load_cert_chain(brings)
        address = (where.hostname or "", where.port or 0)
        with (
            socket.create_connection(address, timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as line,
        ):
            found: list[bytes] = []
            for number in range(times):
                sent = order(f"head-{time.monotonic_ns() % 10**12:012d}", number)
                head = b"POST %b HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % (
                    PATH.encode(), len(sent),
                )  # fmt: skip
                line.sendall(head + sent)
                found.append(line.recv(65536)[:12])
            return found

    assert set(say(made.client, 4)) == {b"HTTP/1.1 200"}
    assert set(say(None, 4)) == {b"HTTP/1.1 401"}
    assert set(say(made.client, 2)) == {b"HTTP/1.1 200"}


def test_a_certificate_is_renewed_under_the_running_server(
    house: tuple[ServedShop, Certificates], tmp_path: Path
) -> None:
    server, made = house
    renewed = certificates(tmp_path / "renewed", "scorer.internal")
    with client_of(server, made, headers=server.headers) as standing:
        assert standing.get("/health/ready").status_code == 200
        before = made.server.read_bytes()
        os.replace(renewed.server, made.server)

        def is_renewed() -> bool:
            with client_of(server, renewed) as client:
                try:
                    return client.get("/health/live").status_code == 200
                except httpx.HTTPError:
                    return False

        until(is_renewed, "the new certificate is used")
        assert standing.post(PATH, content=body(5)).status_code == 200, "it goes on as it stands"
    (tmp_path / "before.pem").write_bytes(before)
    os.replace(tmp_path / "before.pem", made.server)
    until(lambda: _answers(server, made), "the old one is used again")


def _answers(server: ServedShop, made: Certificates) -> bool:
    with client_of(server, made) as client:
        try:
            return client.get("/health/live").status_code == 200
        except httpx.HTTPError:
            return False


def test_settings_of_tls_that_do_not_fit_are_named(tmp_path: Path) -> None:
    (tmp_path / "kingpost.toml").write_text(
        'tls_key = "k.pem"\ntls_clients = "perhaps"\ntls_principals = "a=b"\n'
    )

    problems = str(kingpost(tmp_path, "config", "check", "--json", code=1)["problems"])

    assert "needs tls_certificate" in problems
    assert "needs tls_client_ca" in problems
    assert "required or optional" in problems
    assert "no scope is called 'b'" in problems
