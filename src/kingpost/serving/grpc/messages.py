"""The message of a call, as it lies in the data of its stream: a flag, a length, the bytes.

Source: gRPC over HTTP2, "Length-Prefixed-Message".
"""

import zlib
from typing import NamedTuple

from kingpost.serving.grpc.status import Status

__all__ = ["PREFIX_BYTES", "Unread", "read_message", "written"]

PREFIX_BYTES = 5
WORTH_GZIP = 1024
"""Answers below that many bytes are sent as they are."""
_GZIP_BITS = 31
_LEVEL = 1


class Unread(NamedTuple):
    """Why a message was not read."""

    status: Status
    message: str


def read_message(data: bytes, *, is_gzip: bool, max_bytes: int) -> bytes | Unread:
    """Return the one message that some data hold."""
    if len(data) < PREFIX_BYTES:
        return Unread(Status.UNIMPLEMENTED, "a call of this method has one message; found none")
    flag, length = data[0], int.from_bytes(data[1:PREFIX_BYTES], "big")
    if length > max_bytes:
        return Unread(
            Status.RESOURCE_EXHAUSTED, f"a message of {length:,} bytes; {max_bytes:,} are taken"
        )
    if len(data) != PREFIX_BYTES + length:
        if len(data) < PREFIX_BYTES + length:
            return Unread(Status.INTERNAL, "the message ends before its length says so")
        return Unread(Status.UNIMPLEMENTED, "a call of this method has one message; found more")
    message = data[PREFIX_BYTES:]
    if flag == 0:
        return message
    if flag != 1 or not is_gzip:
        return Unread(Status.INTERNAL, "the message is compressed, but no head says how")
    return _unzipped(message, max_bytes)


def written(message: bytes, *, takes_gzip: bool) -> tuple[bytes, bytes]:
    """Return the prefix of a message, and the message as it is sent."""
    flag = b"\0"
    if takes_gzip and len(message) >= WORTH_GZIP:
        packing = zlib.compressobj(_LEVEL, wbits=_GZIP_BITS)
        flag, message = b"\1", packing.compress(message) + packing.flush()
    return flag + len(message).to_bytes(4, "big"), message


def _unzipped(message: bytes, max_bytes: int) -> bytes | Unread:
    unpacking = zlib.decompressobj(wbits=_GZIP_BITS)
    try:
        found = unpacking.decompress(message, max_bytes + 1)
    except zlib.error:
        return Unread(Status.INTERNAL, "the message is not compressed by gzip")
    if len(found) > max_bytes:
        said = f"a message of more than {max_bytes:,} bytes, compressed"
        return Unread(Status.RESOURCE_EXHAUSTED, said)
    if not unpacking.eof or unpacking.unused_data:
        return Unread(Status.INTERNAL, "the compressed message is cut off, or more than one")
    return found
