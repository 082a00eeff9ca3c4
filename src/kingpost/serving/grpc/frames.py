"""Frames of HTTP/2: their types, their flags, and the few that are written.

Source: RFC 9113, sections 4 and 6.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum

from kingpost.serving.grpc.errors import BrokenConnection, Http2Error

__all__ = [
    "ACK",
    "END_HEADERS",
    "END_STREAM",
    "FRAME_BYTES",
    "HEAD",
    "HEAD_BYTES",
    "LARGEST_FRAME",
    "LARGEST_WINDOW",
    "PADDED",
    "PREFACE",
    "PRIORITY_SENT",
    "WINDOW_BYTES",
    "FrameType",
    "Setting",
    "frame",
    "go_away",
    "read_settings",
    "reset",
    "settings",
    "unpadded",
    "window_update",
]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">BHBBI")
"""The head of a frame: its length in two parts, its type, its flags, its stream."""
HEAD_BYTES = HEAD.size
FRAME_BYTES = 1 << 14
"""The largest payload that needs nobody's leave."""
WINDOW_BYTES = (1 << 16) - 1
LARGEST_WINDOW = (1 << 31) - 1
LARGEST_FRAME = (1 << 24) - 1

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_SENT = 0x20

_SETTING = struct.Struct(">HI")


class FrameType(IntEnum):
    """What a frame is."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(IntEnum):
    """What either side may tell of itself."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


def frame(kind: FrameType, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame."""
    length = len(payload)
    return HEAD.pack(length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def settings(values: Mapping[Setting, int]) -> bytes:
    """Write settings."""
    payload = b"".join(_SETTING.pack(key, value) for key, value in values.items())
    return frame(FrameType.SETTINGS, 0, 0, payload)


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Read the payload of settings, whose length is a multiple of theirs."""
    return list(_SETTING.iter_unpack(payload))


def window_update(stream: int, size: int) -> bytes:
    """Allow so many more bytes of data."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def reset(stream: int, reason: Http2Error) -> bytes:
    """End a stream before its end."""
    return frame(FrameType.RST_STREAM, 0, stream, reason.to_bytes(4, "big"))


def go_away(last_stream: int, reason: Http2Error, problem: str = "") -> bytes:
    """Take no streams behind the last one."""
    payload = last_stream.to_bytes(4, "big") + reason.to_bytes(4, "big") + problem.encode()
    return frame(FrameType.GOAWAY, 0, 0, payload)


def unpadded(payload: bytes) -> bytes:
    """Take the padding off.

    Raises:
        BrokenConnection: It is longer than its frame.
    """
    if not payload or payload[0] >= len(payload):
        raise BrokenConnection(Http2Error.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]
