"""Both sides prove who they are, and the host name counts."""

import asyncio
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kingpost.calls import (
    CallFailed,
    PeerUntrusted,
    Retries,
    Service,
    ServiceClient,
    Tls,
)
from kingpost.core import KingpostError
from tests.local_server import local_server, read_request
from tests.made_certificates import Certificates, make_certificates


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    peer = writer.get_extra_info("peercert")
    name = str(peer["subject"][0][0][1]).encode()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(name), name))


@contextmanager
def bank(directory: Path, *names: str) -> Generator[tuple[int, Certificates]]:
    """Serve with a certificate for these names, to clients of the authority alone."""
    files = make_certificates(directory, server_names=list(names))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server)
    context.load_verify_locations(files.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    with local_server(answer, context) as port:
        yield port, files


def call(port: int, tls: Tls) -> bytes:
    service = Service(
        "bank", f"https://127.0.0.1:{port}", tls=tls, deadline="3s", retries=Retries(attempts=1)
    )
    with ServiceClient(service) as client:
        return client.get().body


def test_a_client_with_its_certificate_is_let_in(tmp_path: Path) -> None:
    with bank(tmp_path, "127.0.0.1") as (port, files):
        assert call(port, Tls(files.authority, files.client)) == b"client"


def test_a_client_without_a_certificate_is_not(tmp_path: Path) -> None:
    with bank(tmp_path, "127.0.0.1") as (port, files), pytest.raises(CallFailed):
        call(port, Tls(files.authority))


@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_for_another_host_or_of_an_unknown_authority_is_not_trusted(
    tmp_path: Path, is_known: bool
) -> None:
    names = ["other.example"] if is_known else ["127.0.0.1"]
    with bank(tmp_path, *names) as (port, files), pytest.raises(PeerUntrusted) as caught:
        call(port, Tls(files.authority if is_known else None, files.client))

    error: KingpostError = caught.value
    assert ("mismatch" in str(error)) is is_known
