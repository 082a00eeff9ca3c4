"""The gRPC server beside the clients that people have: what they send, and how they end."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import grpc
import grpc.aio
import pytest

from kingpost.serving.grpc import Call, GrpcLimits, GrpcServer, Method, Status, health_methods
from tests.made_certificates import make_certificates

ECHO, SLOW, KEPT, TOLD = "/t.Test/Echo", "/t.Test/Slow", "/t.Test/Kept", "/t.Test/Told"
HEALTH = "/grpc.health.v1.Health/Check"
SLOW_S = 0.3
LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Asked(Protocol):
    """A call that was sent."""

    def result(self) -> bytes: ...

    def cancel(self) -> bool: ...


class Asks(Protocol):
    """A method, as a client has it."""

    def __call__(self, request: bytes, **options: object) -> bytes: ...

    def future(self, request: bytes, **options: object) -> Asked: ...


class AsksLater(Protocol):
    """A method, as an asynchronous client has it."""

    def __call__(self, request: bytes, **options: object) -> Awaitable[bytes]: ...


def unary(channel: grpc.Channel, path: str) -> Asks:
    return cast("Asks", channel.unary_unary(path))  # pyright: ignore[reportUnknownMemberType]  its stubs say little


class Running(NamedTuple):
    """A server in a thread of its own.

    Attributes:
        kept: Calls of `KEPT`, which nobody answers.
        drain: Drains it within so many seconds.
    """

    port: int
    server: GrpcServer
    kept: list[Call]
    drain: Callable[[float], None]


@contextmanager
def running(
    tls: ssl.SSLContext | None = None, limits: GrpcLimits | None = None
) -> Generator[Running]:
    kept: list[Call] = []
    methods: dict[bytes, Method] = {
        ECHO.encode(): lambda call: partial(_echo, call),
        SLOW.encode(): lambda call: partial(_slow, call),
        KEPT.encode(): lambda call: lambda _: kept.append(call),
        TOLD.encode(): lambda call: partial(_told, call),
        **health_methods(lambda: True, ["t.Test"]),
    }
    loop = asyncio.new_event_loop()
    server = GrpcServer(methods, limits)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def drain(timeout_s: float) -> None:
        asyncio.run_coroutine_threadsafe(server.drain(timeout_s), loop).result(20)

    listener = socket.create_server(("127.0.0.1", 0))
    asyncio.run_coroutine_threadsafe(server.start(listener, tls), loop).result(5)
    try:
        yield Running(listener.getsockname()[1], server, kept, drain)
    finally:
        drain(0.1)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _echo(call: Call, message: bytes) -> None:
    call.answer(message)


def _slow(call: Call, message: bytes) -> None:
    asyncio.get_running_loop().call_later(SLOW_S, call.answer, message)


def _told(call: Call, _message: bytes) -> None:
    call.fail(Status.FAILED_PRECONDITION, f"50 % of é, {call.metadata[b'who'].decode()}\n")


@pytest.fixture(scope="module")
def server() -> Generator[Running]:
    with running() as one:
        yield one


@pytest.fixture
def channel(server: Running) -> Generator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", LARGE) as one:
        yield one


def failed(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Return how a call failed."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert isinstance(caught.value, grpc.Call)
    return caught.value.code(), caught.value.details() or ""


def waits_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_thousands_of_calls_on_one_connection_get_each_its_own_answer(
    channel: grpc.Channel,
) -> None:
    echo = unary(channel, ECHO)
    sent = [b"%d" % number * (number % 50) for number in range(3000)]

    calls = [echo.future(one, timeout=60) for one in sent]

    assert [call.result() for call in calls] == sent


@pytest.mark.parametrize("compression", list(grpc.Compression))
@pytest.mark.parametrize("size", [0, 1, 16_384, 65_531, 1_000_000, 8 * 1024 * 1024])
def test_messages_of_all_sizes_come_back(
    channel: grpc.Channel, size: int, compression: grpc.Compression
) -> None:
    if compression is grpc.Compression.Deflate:
        pytest.skip("not taken; see the next test")
    content = os.urandom(size // 2) + bytes(size - size // 2)

    assert unary(channel, ECHO)(content, compression=compression, timeout=30) == content


def test_an_encoding_that_is_not_taken_is_told(channel: grpc.Channel) -> None:
    echo = unary(channel, ECHO)
    deflate = grpc.Compression.Deflate

    code, said = failed(lambda: echo(bytes(5000), compression=deflate))

    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert "gzip" in said
    assert echo(b"next") == b"next"


def test_a_status_carries_its_message_whole(channel: grpc.Channel) -> None:
    told = failed(lambda: unary(channel, TOLD)(b"", metadata=[("who", "me")]))

    assert told == (grpc.StatusCode.FAILED_PRECONDITION, "50 % of é, me\n")


def test_what_is_too_large_or_unknown_is_refused_and_the_connection_goes_on(
    channel: grpc.Channel,
) -> None:
    echo, none = unary(channel, ECHO), unary(channel, "/t.Test/None")

    assert failed(lambda: echo(bytes(9_000_000)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert failed(lambda: none(bytes(100_000)))[0] is grpc.StatusCode.UNIMPLEMENTED
    assert failed(lambda: echo(b"", metadata=[("long", "x" * 17_000)]))[0] in (
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL
    )  # fmt: skip
    assert echo(b"next") == b"next"


def test_a_deadline_ends_a_call_and_no_other(channel: grpc.Channel) -> None:
    slow = unary(channel, SLOW)
    patient = [slow.future(b"%d" % number, timeout=10) for number in range(20)]

    assert failed(lambda: slow(b"", timeout=0.05))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert [call.result() for call in patient] == [b"%d" % number for number in range(20)]


def test_cancelled_calls_take_nobody_s_answer(channel: grpc.Channel) -> None:
    slow, echo = unary(channel, SLOW), unary(channel, ECHO)
    calls = [slow.future(b"%d" % number) for number in range(100)]

    for call in calls[::2]:
        call.cancel()
    answers = [call.result() for call in calls[1::2]]

    assert answers == [b"%d" % number for number in range(1, 100, 2)]
    assert echo(b"next") == b"next"


def test_the_health_service_answers(channel: grpc.Channel) -> None:
    check = unary(channel, HEALTH)

    assert check(b"") == check(b"\x0a\x06t.Test") == b"\x08\x01"
    assert failed(lambda: check(b"\x0a\x05other"))[0] is grpc.StatusCode.NOT_FOUND
    assert failed(lambda: check(b"\xff"))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_asynchronous_callers_on_many_connections_are_served(server: Running) -> None:
    async def ask(number: int) -> list[bytes]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", LARGE) as channel:
            echo = cast("AsksLater", channel.unary_unary(ECHO))  # pyright: ignore[reportUnknownMemberType]  its stubs say little
            sent = [b"%d-%d" % (number, each) for each in range(100)]
            return list(await asyncio.gather(*(echo(one, timeout=60) for one in sent)))

    async def ask_all() -> list[list[bytes]]:
        return await asyncio.gather(*(ask(number) for number in range(10)))

    answers = asyncio.run(ask_all())

    assert answers == [[b"%d-%d" % (number, each) for each in range(100)] for number in range(10)]


def test_calls_by_tls_are_answered(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, server_names=["localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.server)
    trusts = grpc.ssl_channel_credentials(files.authority.read_bytes())

    with running(context) as server:
        with grpc.secure_channel(f"localhost:{server.port}", trusts, LARGE) as channel:
            echo = unary(channel, ECHO)
            calls = [echo.future(b"%d" % number, timeout=30) for number in range(200)]
            answers = [call.result() for call in calls]
            large = echo(bytes(3_000_000), timeout=30)
        plain = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        with plain, pytest.raises(grpc.RpcError):
            unary(plain, ECHO)(b"", timeout=5)

    assert answers == [b"%d" % number for number in range(200)]
    assert large == bytes(3_000_000)


CLIENT = """
import sys, grpc
channel = grpc.insecure_channel("127.0.0.1:" + sys.argv[1])
kept = [channel.unary_unary("/t.Test/Kept").future(b"x" * 100_000) for _ in range(20)]
print("sent", flush=True)
kept[0].result()
"""


def test_a_client_that_is_killed_takes_nothing_along() -> None:
    with running() as server:
        command = [sys.executable, "-c", CLIENT, str(server.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            waits_for(lambda: len(server.kept) == 20)
            client.send_signal(signal.SIGKILL)
        waits_for(lambda: all(call.is_over for call in server.kept))
        for call in server.kept:
            call.answer(b"nobody is there")
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            assert unary(channel, ECHO)(b"next") == b"next"
        assert server.server.held_bytes == 0


def test_a_server_that_drains_answers_what_is_in_flight() -> None:
    with running() as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            slow = unary(channel, SLOW)
            calls = [slow.future(b"%d" % number, timeout=10) for number in range(50)]
            time.sleep(SLOW_S / 3)
            server.drain(10)
            assert [call.result() for call in calls] == [b"%d" % number for number in range(50)]
            code, _ = failed(lambda: slow(b"", timeout=5))
        assert code is grpc.StatusCode.UNAVAILABLE


def test_a_drain_ends_in_time_though_a_method_never_does() -> None:
    with running() as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = unary(channel, KEPT).future(b"")
        waits_for(lambda: len(server.kept) == 1)
        begun = time.monotonic()

        server.drain(0.5)

        assert time.monotonic() - begun < 5
        assert failed(call.result)[0] is grpc.StatusCode.UNAVAILABLE


def test_connections_beyond_the_limit_are_closed_and_taken_again_later() -> None:
    with running(limits=GrpcLimits(max_connections=2)) as server:
        at = ("127.0.0.1", server.port)
        with socket.create_connection(at) as first, socket.create_connection(at) as second:
            assert first.recv(9)
            assert second.recv(9)
            with socket.create_connection(at) as third:
                assert third.recv(1) == b""
            second.close()
            with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                assert unary(channel, ECHO)(b"next", wait_for_ready=True) == b"next"
