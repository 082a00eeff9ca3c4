"""Over real connections a call ends in time, and says whether it can have been done."""

import asyncio
import socket
import time
from typing import Any

import pytest

from kingpost.calls import (
    AnswerTooLarge,
    AsyncServiceClient,
    Call,
    CallFailed,
    DeadlineExceeded,
    OutcomeUnknown,
    Retries,
    Service,
    ServiceClient,
)
from tests.local_server import Serve, local_server, read_request

ONE = Retries(attempts=1)


def service(port: int, **changes: Any) -> Service:
    given: dict[str, Any] = {"retries": ONE, "deadline": "300ms", "at_most_once": True, **changes}
    return Service("local", f"http://127.0.0.1:{port}", **given)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        _, body = await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX-Kind: Echo\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nx-long: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


def test_an_answer_comes_over_a_connection_that_is_kept() -> None:
    with local_server(answer) as port, ServiceClient(service(port, deadline="5s")) as client:
        first = client.call(Call("POST", "/a", body=b"one"))
        second = client.call(Call("POST", "/a", body=b"two"))

    assert (first.body, second.body, first.headers["x-kind"]) == (b"one", b"two", "Echo")


@pytest.mark.parametrize("serve", [drip, drip_head])
def test_a_server_that_drips_is_left_at_the_deadline(serve: Serve) -> None:
    with local_server(serve) as port, ServiceClient(service(port)) as client:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.get()
        took = time.monotonic() - start

    assert 0.25 < took < 0.6


def test_tasks_keep_the_deadline_too() -> None:
    async def call(port: int) -> float:
        start = time.monotonic()
        async with AsyncServiceClient(service(port)) as client:
            with pytest.raises(OutcomeUnknown):
                await client.post()
        return time.monotonic() - start

    with local_server(drip) as port:
        assert 0.25 < asyncio.run(call(port)) < 0.6


def test_an_answer_that_does_not_end_is_cut_off() -> None:
    with (
        local_server(flood) as port,
        ServiceClient(service(port, deadline="5s", max_answer_bytes=10_000)) as client,
        pytest.raises(AnswerTooLarge),
    ):
        client.get()


def test_an_answer_that_is_lost_leaves_a_post_unknown() -> None:
    with (
        local_server(close) as port,
        ServiceClient(service(port)) as client,
        pytest.raises(OutcomeUnknown),
    ):
        client.post()


def test_where_nobody_listens_a_post_was_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            ServiceClient(service(port)) as client,
            pytest.raises(CallFailed, match="ConnectError") as caught,
        ):
            client.post()

    assert caught.value.retry_safe


def test_a_connection_that_is_not_accepted_in_time_was_not_sent() -> None:
    # nobody answers in 192.0.2.0/24; where the network refuses at once, that is told instead
    unanswered = Service(
        "far", "http://192.0.2.1:9", deadline="200ms", retries=ONE, at_most_once=True
    )
    with ServiceClient(unanswered) as client, pytest.raises((DeadlineExceeded, CallFailed)):
        client.post()
