"""A load client sends each call once and has an answer for each, whatever the server does."""

import asyncio
import contextlib
import math
import pickle
from collections.abc import Awaitable, Callable

import pytest

from kingpost.calls import Answer, LoadClient, LoadReport, ServerUnreachable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in head.splitlines() if line.startswith("content-length:"))
    return head, await reader.readexactly(int(length.partition(":")[2]))


def response(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        _, body = await read_request(reader)
        writer.write(response(body))


def load(
    serve: Serve, bodies: list[bytes], *, connections: int = 4, silence_s: float = 5.0
) -> LoadReport:
    """Run the calls against a server in the same event loop."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.close()

    async def both() -> LoadReport:
        server = await asyncio.start_server(closing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = LoadClient(
            "127.0.0.1", port, {"authorization": "Bearer k"}, connections, silence_s
        )
        async with server:
            return await client.drive(client.post("/x", body) for body in bodies)

    return asyncio.run(both())


def test_every_call_is_answered_with_its_own_body() -> None:
    bodies = [str(n).encode() for n in range(100)]

    report = load(echo, bodies)

    assert report.complete
    assert {answer.call: answer.body for answer in report.answers} == dict(enumerate(bodies))
    assert report.statuses() == {200: 100}


def test_calls_are_sent_in_the_order_given_by_one_connection() -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            seen.append((await read_request(reader))[1])
            writer.write(response(b""))

    load(note, [b"a", b"b", b"c"], connections=1)

    assert seen == [b"a", b"b", b"c"]


def test_headers_and_length_are_sent() -> None:
    heads: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(response(b"", "201 Created"))

    report = load(note, ["é".encode()], connections=1)

    assert heads[0].startswith("post /x http/1.1\r\n")
    assert "authorization: bearer k" in heads[0]
    assert "content-length: 2" in heads[0]
    assert report.statuses() == {201: 1}


def test_an_answer_may_come_in_pieces() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for byte in response(b"whole"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    report = load(trickle, [b"x"], connections=1)

    assert [answer.body for answer in report.answers] == [b"whole"]


def test_an_answer_may_come_in_chunks_and_these_in_pieces() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    written = head + b"4\r\nabcd\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n"

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for cut in (0, 1, len(head), len(head) + 5, len(written) - 3):
            await read_request(reader)
            writer.write(written[:cut])
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(written[cut:])

    report = load(drip, [b"x"] * 5, connections=1)

    assert [answer.body for answer in report.answers] == [b"abcd0123456789"] * 5


def test_a_broken_connection_leaves_a_broken_answer_and_sends_nothing_again() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_request(reader)
        writer.write(response(body))
        await read_request(reader)

    report = load(once, [b"0", b"1", b"2"], connections=1)

    assert [(a.call, a.status) for a in report.answers] == [(0, 200), (1, 0)]
    assert not report.complete


def test_a_server_that_closes_after_an_answer_gets_no_further_call() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(response(b"bye", more="Connection: close\r\n"))

    report = load(closing, [b"0", b"1", b"2"], connections=2)

    assert report.statuses() == {200: 2}
    assert not report.complete


def test_a_server_that_falls_silent_ends_the_run() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()

    report = load(silent, [b"0", b"1"], connections=1, silence_s=0.01)

    assert [(a.status, a.body) for a in report.answers] == [(0, b"no answer for 0.01 s")]


def test_a_response_without_a_length_is_broken() -> None:
    async def vague(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read()

    report = load(vague, [b"0"], connections=1)

    assert [(a.status, a.body) for a in report.answers] == [
        (0, b"the response has neither Content-Length nor chunks")
    ]


def test_where_nothing_listens_is_said_before_anything_is_sent() -> None:
    client = LoadClient("127.0.0.1", 1, {})
    sent: list[bytes] = []

    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1 .*is the server running") as said:
        client.run(sent.append(b"") or b"" for _ in range(2))

    assert sent == []
    assert str(pickle.loads(pickle.dumps(said.value))) == str(said.value)


def test_percentiles_are_nearest_ranks_of_whole_answers() -> None:
    times_ms = [4, 1, 3, 2]
    answers = [Answer(n, 200, b"", 0, ms * 1_000_000) for n, ms in enumerate(times_ms)]
    report = LoadReport([*answers, Answer(4, 0, b"", 0, 9_000_000)], complete=True, wall_s=2.0)

    assert [report.latency_ms(p) for p in (0, 50, 75, 99, 100)] == [1, 2, 3, 4, 4]
    assert report.per_second() == 2.0
    assert math.isnan(LoadReport([], complete=True, wall_s=0.0).latency_ms(50))
