"""A connection of the gRPC server: calls answered, and callers that break the protocol."""

import gzip

import pytest

from kingpost.serving.grpc import GrpcLimits, Http2Error, Status
from kingpost.serving.grpc.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PADDED,
    PREFACE,
    PRIORITY_SENT,
    FrameType,
    Setting,
    frame,
    reset,
    settings,
    window_update,
)
from kingpost.serving.grpc.hpack import write_headers
from tests.http2_house import (
    ECHO,
    SLOW,
    SMALL,
    WRONG,
    Wire,
    data,
    head,
    message,
    payloads,
    request,
)


def test_a_call_is_answered_with_its_message_and_a_status() -> None:
    wire = Wire()

    wire.send(request(b"hello"))

    opening, carried, ending = wire.got()
    assert wire.fields(opening) == {":status": "200", "content-type": "application/grpc"}
    assert carried.payload == message(b"hello")
    assert wire.fields(ending) == {"grpc-status": "0"}
    assert [one.flags for one in (opening, carried, ending)] == [4, 0, 5]


def test_a_call_that_comes_byte_by_byte_is_answered_all_the_same() -> None:
    wire = Wire(greets=False)

    for byte in PREFACE + settings({}) + request(b"slowly"):
        wire.send_bytes(bytes((byte,)))

    assert payloads(wire.got()) == message(b"slowly")


def test_padding_priority_and_continuation_change_nothing() -> None:
    wire = Wire()
    block = head()[9:]
    padded = bytes((3,)) + b"\0\0\0\0\x10" + block[:10] + b"\0\0\0"

    wire.send(
        frame(FrameType.HEADERS, PADDED | PRIORITY_SENT, 1, padded),
        frame(FrameType.CONTINUATION, 0, 1, block[10:20]),
        frame(FrameType.CONTINUATION, END_HEADERS, 1, block[20:]),
        frame(FrameType.PRIORITY, 0, 1, b"\0\0\0\0\x10"),
        frame(FrameType.DATA, PADDED | END_STREAM, 1, b"\x04" + message(b"padded") + b"\0" * 4),
    )

    assert payloads(wire.got()) == message(b"padded")


def test_answers_leave_in_the_order_in_which_methods_give_them() -> None:
    wire = Wire()
    wire.send(request(b"a", SLOW), request(b"b", SLOW, stream=3))

    wire.slow[1].answer(b"second")
    wire.slow[0].answer(b"first")

    assert [one.stream for one in wire.got() if one.kind == FrameType.DATA] == [3, 1]


def test_an_answer_waits_for_room_and_takes_turns() -> None:
    wire = Wire()
    long = b"x" * 60_000
    wire.send(settings({Setting.INITIAL_WINDOW_SIZE: 20_000}))
    wire.send(request(long), request(long, stream=3))
    first = wire.got()
    wire.send(window_update(0, 100_000), window_update(1, 50_000))
    second = wire.got()
    wire.send(settings({Setting.INITIAL_WINDOW_SIZE: 90_000}))
    third = wire.got()

    assert len(payloads(first)) == len(payloads(first, 3)) == 20_000
    assert payloads([*first, *second]) == message(long)
    assert payloads([*first, *second, *third], 3) == message(long)
    assert all(len(one.payload) <= 16384 for one in [*first, *second, *third])


def test_an_answer_that_nobody_makes_room_for_is_given_up() -> None:
    wire = Wire()
    wire.send(settings({Setting.INITIAL_WINDOW_SIZE: 10}), request(b"x" * 100))
    wire.loop.move(9)
    wire.send(window_update(1, 10))
    wire.loop.move(9)
    assert wire.acknowledges()

    wire.loop.move(12)

    assert wire.was_reset() == Http2Error.CANCEL


def test_windows_are_given_back_as_data_come() -> None:
    wire = Wire(GrpcLimits())
    size = 0

    for stream in range(1, 41, 2):
        wire.send(request(b"x" * 1_000_000, SLOW, stream=stream))
        for one in wire.got():
            if one.kind == FrameType.WINDOW_UPDATE:
                size += int.from_bytes(one.payload, "big")

    assert size > 10_000_000
    assert wire.house.held == 0
    assert len(wire.slow) == 20


def test_data_beyond_the_window_end_the_connection() -> None:
    wire = Wire(GrpcLimits(max_message_bytes=1 << 26, max_held_bytes=1 << 28))
    wire.connection._window = 20_000  # pyright: ignore[reportPrivateUsage]  as after 16 MiB

    wire.send(head(), data(b"\0" + (1 << 20).to_bytes(4, "big") + b"x" * 30_000))

    assert wire.went_away() == Http2Error.FLOW_CONTROL_ERROR
    assert wire.house.held == 0


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (request(b"x", b"/t.Test/None"), "12"),
        (head() + data(b""), "12"),
        (head(flags=END_HEADERS | END_STREAM), "12"),
        (head() + data(message(b"a") + message(b"b")), "12"),
        (head() + data(message(b"abc")[:-1]), "13"),
        (head() + data(b"\0\0"), "12"),
        (head() + data(message(b"x", flag=1)), "13"),
        (head() + data(message(b"x", flag=2)), "13"),
        (head(ECHO, (b"grpc-encoding", b"gzip")) + data(message(b"x", flag=1)), "13"),
        (head(ECHO, (b"grpc-encoding", b"br")) + data(message(b"x", flag=1)), "12"),
        (head() + data(message(b"x" * 100_001)), "8"),
        (head() + data(b"\0\xff\xff\xff\xff", ends=False), "8"),
        (head(ECHO, (b"long", b"x" * 2000)) + data(message(b"")), "8"),
        (request(b"x", WRONG), "13"),
    ],
)
def test_a_call_that_cannot_be_answered_ends_with_its_status(ask: bytes, status: str) -> None:
    wire = Wire()

    wire.send(ask)

    assert wire.status() == status
    assert wire.acknowledges()
    assert wire.house.held == 0


def test_what_comes_behind_a_refusal_is_let_go() -> None:
    wire = Wire()

    wire.send(head(b"/none"))
    wire.send(data(message(b"x" * 50_000), ends=False))
    wire.send(data(b""))

    kinds = [one.kind for one in wire.got()]
    assert kinds == [FrameType.HEADERS, FrameType.RST_STREAM]
    assert wire.acknowledges()


def test_gzip_is_read_and_answered_where_the_caller_takes_it() -> None:
    wire = Wire()
    content = b"again and again " * 500
    packed = message(gzip.compress(content), flag=1)
    says, takes = (b"grpc-encoding", b"gzip"), (b"grpc-accept-encoding", b"identity, gzip")

    wire.send(head(ECHO, says, takes), data(packed))
    answered = wire.got()
    wire.send(head(ECHO, says, stream=3), data(packed, stream=3))
    plain = wire.got()

    assert wire.fields(answered[0])["grpc-encoding"] == "gzip"
    sent = payloads(answered)
    assert sent[0] == 1
    assert gzip.decompress(sent[5:]) == content
    assert payloads(plain, 3) == message(content)


def test_a_small_message_that_unpacks_to_a_large_one_is_refused() -> None:
    wire = Wire()
    bomb = gzip.compress(b"\0" * 50_000_000)

    wire.send(head(ECHO, (b"grpc-encoding", b"gzip")), data(message(bomb, flag=1)))

    assert wire.status() == "8"


def test_a_call_that_takes_longer_than_its_caller_waits_ends_and_counts_until_it_is_done() -> None:
    wire = Wire()
    asks = [
        request(b"x", SLOW, (b"grpc-timeout", b"500m"), stream=number * 2 + 1)
        for number in range(SMALL.max_streams)
    ]
    wire.send(*asks)

    wire.loop.move(0.4)
    assert wire.got() == []
    wire.loop.move(0.2)
    ended = [one for one in wire.got() if one.kind == FrameType.HEADERS]
    assert {wire.fields(one)["grpc-status"] for one in ended} == {"4"}
    wire.send(request(stream=101))
    assert wire.was_reset(101) == Http2Error.REFUSED_STREAM
    for call in wire.slow:
        call.answer(b"too late")
        call.answer(b"and again")
    wire.send(request(stream=103))

    assert payloads(wire.got(), 103) == message(b"hello")


def test_a_message_that_does_not_come_in_time_ends_its_call() -> None:
    wire = Wire()
    wire.send(head(), data(message(b"abc")[:-1], ends=False))

    wire.loop.move(10)

    assert wire.status() == "4"
    assert wire.house.held == 0
    assert wire.acknowledges()


def test_parts_of_messages_are_held_up_to_a_limit() -> None:
    wire = Wire()
    part = message(b"x" * 99_000)[:80_000]

    wire.send(head(), data(part, ends=False))
    wire.send(head(stream=3), data(part, stream=3, ends=False))

    assert wire.status(3) == "8"
    assert wire.house.held == 80_000
    wire.lose()
    assert wire.house.held == 0


def test_a_cancelled_call_counts_until_its_method_is_done() -> None:
    wire = Wire()
    for number in range(SMALL.max_streams):
        stream = number * 2 + 1
        wire.send(request(b"x", SLOW, stream=stream), reset(stream, Http2Error.CANCEL))

    wire.send(request(stream=99))
    assert wire.was_reset(99) == Http2Error.REFUSED_STREAM
    wire.slow[0].fail(Status.INTERNAL, "")
    wire.send(request(stream=101))

    assert payloads(wire.got(), 101) == message(b"hello")


@pytest.mark.parametrize(
    "nothing",
    [
        frame(FrameType.PING, 0, 0, b"12345678"),
        settings({Setting.INITIAL_WINDOW_SIZE: 65535}),
        frame(FrameType.PRIORITY, 0, 1, b"\0\0\0\x03\x10"),
        frame(FrameType.DATA, 0, 1, b""),
        frame(200, 0, 0, b""),  # pyright: ignore[reportArgumentType]  of no known type
        frame(FrameType.WINDOW_UPDATE, 0, 1, b"\0\0\0\0"),
    ],
)
def test_floods_of_frames_that_ask_for_nothing_end_the_connection(nothing: bytes) -> None:
    wire = Wire()
    wire.send(head(SLOW))

    for _ in range(11):
        wire.send(nothing * 100)

    assert wire.went_away() == Http2Error.ENHANCE_YOUR_CALM


def test_a_flood_of_cancelled_calls_ends_the_connection() -> None:
    wire = Wire()

    for stream in range(1, 2 * 1100, 2):
        wire.send(head(stream=stream), reset(stream, Http2Error.CANCEL))

    assert wire.went_away() == Http2Error.ENHANCE_YOUR_CALM


def test_who_cancels_now_and_then_is_served_for_ever() -> None:
    wire = Wire()

    for stream in range(1, 2 * 3000, 2):
        wire.send(head(stream=stream), reset(stream, Http2Error.CANCEL))
        wire.loop.move(0.01)

    assert wire.acknowledges()


def test_a_header_block_without_end_ends_the_connection() -> None:
    wire = Wire()
    wire.send(frame(FrameType.HEADERS, 0, 1, head()[9:]))

    wire.send(frame(FrameType.CONTINUATION, 0, 1, b"\0" * 10_000))

    assert wire.went_away() == Http2Error.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (data(b"x"), Http2Error.PROTOCOL_ERROR),
        (data(b"x", stream=2), Http2Error.PROTOCOL_ERROR),
        (data(b"x", stream=0), Http2Error.PROTOCOL_ERROR),
        (head(stream=2), Http2Error.PROTOCOL_ERROR),
        (head(stream=0), Http2Error.PROTOCOL_ERROR),
        (request(stream=5) + data(b"x", stream=5), Http2Error.STREAM_CLOSED),
        (request(stream=5) + head(stream=3), Http2Error.STREAM_CLOSED),
        (reset(1, Http2Error.CANCEL), Http2Error.PROTOCOL_ERROR),
        (window_update(1, 5), Http2Error.PROTOCOL_ERROR),
        (window_update(0, 0), Http2Error.PROTOCOL_ERROR),
        (window_update(0, (1 << 31) - 1), Http2Error.FLOW_CONTROL_ERROR),
        (settings({Setting.INITIAL_WINDOW_SIZE: 1 << 31}), Http2Error.FLOW_CONTROL_ERROR),
        (settings({Setting.MAX_FRAME_SIZE: 5}), Http2Error.PROTOCOL_ERROR),
        (settings({Setting.ENABLE_PUSH: 2}), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.SETTINGS, 0, 0, b"12345"), Http2Error.FRAME_SIZE_ERROR),
        (frame(FrameType.SETTINGS, ACK, 0, b"123456"), Http2Error.FRAME_SIZE_ERROR),
        (frame(FrameType.SETTINGS, 0, 1), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.PING, 0, 0, b"1"), Http2Error.FRAME_SIZE_ERROR),
        (frame(FrameType.PING, 0, 1, b"12345678"), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.WINDOW_UPDATE, 0, 0, b"1"), Http2Error.FRAME_SIZE_ERROR),
        (frame(FrameType.RST_STREAM, 0, 1, b"1"), Http2Error.FRAME_SIZE_ERROR),
        (frame(FrameType.GOAWAY, 0, 0, b"1"), Http2Error.FRAME_SIZE_ERROR),
        (frame(FrameType.GOAWAY, 0, 1, b"12345678"), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.PRIORITY, 0, 0, b"12345"), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.PUSH_PROMISE, 4, 1, b"1234"), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.CONTINUATION, 4, 1, b""), Http2Error.PROTOCOL_ERROR),
        (head(flags=0) + frame(FrameType.PING, 0, 0, b"12345678"), Http2Error.PROTOCOL_ERROR),
        (head(flags=0) + frame(FrameType.CONTINUATION, 4, 3), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, 4 | PADDED, 1, b"\x05abc"), Http2Error.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, 4 | PRIORITY_SENT, 1, b"abc"), Http2Error.FRAME_SIZE_ERROR),
        (frame(FrameType.HEADERS, 4, 1, b"\xff\xff\xff\xff\xff"), Http2Error.COMPRESSION_ERROR),
        (frame(FrameType.HEADERS, 4, 1, b"\xbe"), Http2Error.COMPRESSION_ERROR),
        (b"\0\x40\x01\0\0\0\0\0\x01", Http2Error.FRAME_SIZE_ERROR),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(sent: bytes, reason: Http2Error) -> None:
    wire = Wire()

    wire.send(sent)

    assert wire.went_away() == reason


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (head(SLOW) + head(SLOW), Http2Error.PROTOCOL_ERROR),
        (request(b"", SLOW) + data(b"x"), Http2Error.STREAM_CLOSED),
        (head(SLOW) + window_update(1, 0), Http2Error.PROTOCOL_ERROR),
        (head(SLOW) + window_update(1, (1 << 31) - 1), Http2Error.FLOW_CONTROL_ERROR),
        (head(SLOW) + frame(FrameType.PRIORITY, 0, 1, b"1"), Http2Error.FRAME_SIZE_ERROR),
        (head(ECHO, (b"te", b"x")), Http2Error.PROTOCOL_ERROR),
        (head(ECHO, (b"Upper", b"x")), Http2Error.PROTOCOL_ERROR),
        (head(ECHO, (b"connection", b"close")), Http2Error.PROTOCOL_ERROR),
        (head(ECHO, (b"x", b"a\r\nb")), Http2Error.PROTOCOL_ERROR),
        (head(ECHO, (b":path", b"/x")), Http2Error.PROTOCOL_ERROR),
        (head(b""), Http2Error.PROTOCOL_ERROR),
        (head(ECHO, (b"grpc-timeout", b"1x")), Http2Error.PROTOCOL_ERROR),
        (request(b"", ECHO, (b"content-length", b"9")), Http2Error.PROTOCOL_ERROR),
        (request(b"", ECHO, (b"content-length", b"x")), Http2Error.PROTOCOL_ERROR),
    ],
)
def test_what_breaks_a_stream_ends_no_other(sent: bytes, reason: Http2Error) -> None:
    wire = Wire()

    wire.send(sent)

    assert wire.was_reset() == reason
    wire.send(request(b"next", stream=7))
    assert payloads(wire.got(), 7) == message(b"next")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")], "405"),
        ([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/")], "415"),
    ],
)
def test_what_is_no_call_of_grpc_is_answered_as_http_says(
    fields: list[tuple[bytes, bytes]], status: str
) -> None:
    wire = Wire()

    wire.send(frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 1, write_headers(fields)))

    assert wire.fields(wire.got()[0])[":status"] == status


def test_trailers_of_a_caller_end_its_message() -> None:
    wire = Wire()
    block = write_headers([(b"checksum", b"x")])

    wire.send(head(), data(message(b"hello"), ends=False))
    wire.send(frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 1, block))

    assert payloads(wire.got()) == message(b"hello")


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", PREFACE + head()])
def test_another_protocol_is_turned_away(start: bytes) -> None:
    wire = Wire(greets=False)

    wire.send(start)

    assert wire.went_away() == Http2Error.PROTOCOL_ERROR


@pytest.mark.parametrize("start", [b"", PREFACE[:5], PREFACE, PREFACE + settings({}) + b"\0"])
def test_who_begins_and_says_no_more_is_closed(start: bytes) -> None:
    wire = Wire(greets=False)
    wire.send_bytes(start)

    wire.loop.move(10)

    assert wire.transport.is_closed
    wire.loop.move(1)
    assert wire.transport.is_aborted


def test_a_caller_that_reads_nothing_is_not_read_and_then_closed() -> None:
    wire = Wire()

    wire.connection.pause_writing()
    assert wire.transport.is_reading_paused
    wire.connection.resume_writing()
    assert not wire.transport.is_reading_paused
    wire.loop.move(30)
    assert wire.acknowledges()
    wire.connection.pause_writing()
    wire.loop.move(10)

    assert wire.transport.is_closed


def test_a_connection_that_drains_answers_what_was_on_its_way() -> None:
    wire = Wire()
    wire.send(request(b"a", SLOW))

    wire.connection.begin_drain()
    first = wire.got()
    assert first[0].payload[:4] == b"\x7f\xff\xff\xff"
    wire.send(request(b"on its way", stream=3))
    assert payloads(wire.got(), 3) == message(b"on its way")
    wire.send(frame(FrameType.PING, ACK, 0, first[1].payload))
    assert int.from_bytes(wire.got()[0].payload[:4], "big") == 3
    wire.send(request(b"too late", stream=5))
    assert wire.got() == []
    assert not wire.transport.is_closed
    wire.slow[0].answer(b"done")

    assert payloads(wire.got()) == message(b"done")
    assert wire.transport.is_closed


def test_a_caller_that_goes_away_is_answered_before_it_is_closed() -> None:
    wire = Wire()
    wire.send(request(b"a", SLOW), frame(FrameType.GOAWAY, 0, 0, b"\0" * 8))

    assert not wire.transport.is_closed
    wire.slow[0].answer(b"done")

    assert payloads(wire.got()) == message(b"done")
    assert wire.transport.is_closed


def test_a_method_that_answers_a_lost_connection_harms_nobody() -> None:
    wire = Wire()
    wire.send(request(b"a", SLOW))

    wire.lose()
    wire.slow[0].answer(b"x")

    assert wire.got() == []
