"""Bodies within bounds, media types, trace ids."""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest

from kingpost.serving.errors import BodyTimeout, BodyTooLarge, UnsupportedMediaType
from kingpost.serving.http import BodyReader, Disconnected, check_media_type, trace_id_of
from tests.tiny_app import FakeClock

TRACE = "0af7651916cd43dd8448eb211c80319c"
Message = MutableMapping[str, Any]


class Caller:
    """Sends parts of a body, then nothing more, or hangs up."""

    def __init__(self, parts: Iterable[bytes], *, ends: bool = True, hangs_up: bool = False):
        parts = list(parts)
        self.messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": at < len(parts) or not ends}
            for at, part in enumerate(parts, 1)
        ]
        if hangs_up:
            self.messages.append({"type": "http.disconnect"})

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)


def read(caller: Caller, limit: int = 10, length: int | None = None) -> bytes:
    headers = {} if length is None else {b"content-length": b"%d" % length}

    async def reading() -> bytes:
        return await BodyReader(FakeClock(), 1).read(headers, caller.receive, limit)

    return asyncio.run(reading())


@pytest.mark.parametrize("parts", [[b""], [b"0123456789"], [b"01234", b"", b"56789"]])
def test_a_body_comes_whole_in_one_part_or_many(parts: list[bytes]) -> None:
    assert read(Caller(parts)) == b"".join(parts)


@pytest.mark.parametrize("parts", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"x"] * 11])
def test_a_body_over_the_limit_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(BodyTooLarge):
        read(Caller(parts))


def test_a_body_that_never_ends_is_refused_at_the_limit() -> None:
    with pytest.raises(BodyTooLarge):
        read(Caller([b"x" * 6] * 2, ends=False))


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    caller = Caller([b"x" * 11])

    with pytest.raises(BodyTooLarge):
        read(caller, length=11)

    assert len(caller.messages) == 1


@pytest.mark.parametrize("parts", [[], [b"123"]])
def test_a_caller_who_hangs_up_is_told_nothing(parts: list[bytes]) -> None:
    with pytest.raises(Disconnected):
        read(Caller(parts, ends=False, hangs_up=True))


@pytest.mark.parametrize("parts", [[], [b"123"]])
def test_a_body_that_does_not_come_is_given_up(parts: list[bytes]) -> None:
    clock = FakeClock()

    async def reading() -> None:
        reader = BodyReader(clock, 10, sweep_s=0.001)
        slow = asyncio.ensure_future(reader.read({}, Caller(parts, ends=False).receive, 10))
        await asyncio.sleep(0)
        clock.advance(5)
        quick = asyncio.ensure_future(reader.read({}, Caller([], ends=False).receive, 10))
        await asyncio.sleep(0)
        clock.advance(6)
        with pytest.raises(BodyTimeout):
            await slow
        assert not quick.done()
        quick.cancel()
        with pytest.raises(asyncio.CancelledError):
            await quick

    asyncio.run(reading())


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {b"content-type": b"application/json"},
        {b"content-type": b"Application/JSON; charset=utf-8"},
        {b"content-encoding": b"identity"},
    ],
)
def test_a_body_of_the_right_type_or_of_none_is_taken(sent: dict[bytes, bytes]) -> None:
    check_media_type(sent, b"application/json")


@pytest.mark.parametrize(
    "sent",
    [
        {b"content-type": b"text/plain"},
        {b"content-type": b"application/jsonl"},
        {b"content-type": b"application/json", b"content-encoding": b"gzip"},
        {b"content-encoding": b"br"},
    ],
)
def test_a_body_of_another_type_is_refused(sent: dict[bytes, bytes]) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        check_media_type(sent, b"application/json")


@pytest.mark.parametrize(
    "tail", ["-b7ad6b7169203331-01", "-b7ad6b7169203331-00-of-a-later-version"]
)
def test_the_trace_id_of_the_caller_is_kept(tail: str) -> None:
    assert trace_id_of(f"00-{TRACE}{tail}".encode()) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01".encode(),
        f"ff-{TRACE}-b7ad6b7169203331-01".encode(),
        f"00-{'0' * 32}-b7ad6b7169203331-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE}-b7ad6b7169203331-0".encode(),
        f"00-{TRACE}".encode(),
    ],
)
def test_without_a_valid_one_each_request_gets_a_fresh_trace_id(header: bytes | None) -> None:
    one, other = trace_id_of(header), trace_id_of(header)

    assert one != other
    assert len(bytes.fromhex(one)) == 16
