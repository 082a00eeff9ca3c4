"""Frames that nobody should send: the connection ends or goes on, and nothing else happens."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from kingpost.serving.grpc.frames import FrameType, frame, settings, window_update
from tests.http2_house import ECHO, SLOW, Wire, data, head, message, request

good = st.sampled_from(
    [
        *(request(b"x" * size, stream=stream) for stream in (1, 3, 5, 7) for size in (0, 9, 40_000)),
        *(head(path, stream=stream) for path in (ECHO, SLOW, b"/none") for stream in (1, 3, 9)),
        *(data(message(b"abc"), stream=stream, ends=end) for stream in (1, 9) for end in (True, False)),
        settings({}),
        window_update(0, 1000),
    ]
)  # fmt: skip
wild = st.builds(
    frame,
    st.integers(0, 12),  # pyright: ignore[reportArgumentType]  types that nobody knows, too
    st.integers(0, 255),
    st.integers(0, 9) | st.integers(0, (1 << 32) - 1),
    st.binary(max_size=40),
)


@given(st.lists(good | wild | st.binary(max_size=30), max_size=20), st.integers(0, 2000))
def test_no_frames_make_more_than_an_answer_or_an_end(sent: Sequence[bytes], cut: int) -> None:
    wire = Wire()
    whole = b"".join(sent)

    wire.send_bytes(whole[:cut])
    wire.send_bytes(whole[cut:])
    for call in wire.slow:
        call.answer(b"done")
    frames = wire.got()
    wire.loop.move(60)
    wire.got()

    for one in frames:
        assert one.kind in FrameType
    if frames and frames[-1].kind == FrameType.GOAWAY:
        assert wire.transport.is_closed
    elif not wire.transport.is_closed:
        assert wire.acknowledges()
    if not wire.is_lost:
        wire.lose()
    assert wire.house.held == 0
