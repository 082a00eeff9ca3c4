"""The head of a call: what its header fields say, read and checked once.

Heads are kept by the bytes they came in, so nothing here belongs to one call alone.

Source: RFC 9113, section 8; gRPC over HTTP2, "Requests".
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kingpost.serving.grpc.errors import BrokenStream, Http2Error
from kingpost.serving.grpc.hpack import Field, write_headers
from kingpost.serving.grpc.status import Status, status_fields

__all__ = ["ACCEPTED_ENCODINGS", "CONTENT_TYPE", "Head", "only_trailers", "read_head"]

CONTENT_TYPE = (b"content-type", b"application/grpc")
ACCEPTED_ENCODINGS = (b"grpc-accept-encoding", b"identity,gzip")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\x00\r\n]|^[ \t]|[ \t]$")
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_OF_CONNECTIONS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)


class Head(NamedTuple):
    """What the head of a call says.

    Attributes:
        path: `/package.Service/Method`.
        metadata: By their names in lower case; a name that came twice has both values.
        timeout_s: How long the caller waits; None for as long as it takes.
        is_gzip: Whether a message that is compressed is so by gzip.
        takes_gzip: Whether the answer may be.
        refusal: The block that answers a call that is none that can be taken.
    """

    path: bytes
    metadata: Mapping[bytes, bytes]
    timeout_s: float | None
    is_gzip: bool
    takes_gzip: bool
    length: int | None
    refusal: bytes | None


def only_trailers(status: Status, message: str, *others: Field, http_status: int = 200) -> bytes:
    """Write the block that is a whole answer: a call without a message."""
    fields = [(b":status", b"%d" % http_status), CONTENT_TYPE]
    return write_headers([*fields, *others, *status_fields(status, message)])


def read_head(stream: int, fields: Sequence[Field]) -> Head:
    """Read the head of a call.

    Raises:
        BrokenStream: It is none.
    """
    pseudo, metadata = _sorted(stream, fields)
    if b":method" not in pseudo or b":scheme" not in pseudo or not pseudo.get(b":path"):
        raise _malformed(stream, "a pseudo-header is missing")
    if metadata.get(b"te", b"trailers") != b"trailers":
        raise _malformed(stream, "`te` is not `trailers`")
    length = metadata.get(b"content-length")
    if length is not None and (not length.isdigit() or len(length) > 12):
        raise _malformed(stream, "`content-length` is no number")
    timeout = metadata.get(b"grpc-timeout")
    encoding = metadata.get(b"grpc-encoding", b"identity")
    return Head(
        pseudo[b":path"],
        metadata,
        None if timeout is None else _seconds(stream, timeout),
        encoding == b"gzip",
        b"gzip" in metadata.get(b"grpc-accept-encoding", b"").replace(b" ", b"").split(b","),
        None if length is None else int(length),
        _refusal(pseudo[b":method"], metadata.get(b"content-type", b""), encoding),
    )


def _sorted(stream: int, fields: Sequence[Field]) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    pseudo: dict[bytes, bytes] = {}
    metadata: dict[bytes, bytes] = {}
    for name, value in fields:
        if name[:1] == b":":
            if name not in _PSEUDO or name in pseudo or metadata:
                raise _malformed(stream, "a pseudo-header out of place")
            pseudo[name] = value
        elif _NAME.fullmatch(name) is None or name in _OF_CONNECTIONS:
            raise _malformed(stream, "a header field that HTTP/2 does not have")
        elif name in metadata:
            metadata[name] += (b"; " if name == b"cookie" else b",") + value
        else:
            metadata[name] = value
        if _BAD_VALUE.search(value) is not None:
            raise _malformed(stream, "a value that no header field has")
    return pseudo, metadata


def _refusal(method: bytes, content_type: bytes, encoding: bytes) -> bytes | None:
    if method != b"POST":
        said = "a call is a POST"
        return only_trailers(Status.UNIMPLEMENTED, said, (b"allow", b"POST"), http_status=405)
    if content_type.partition(b";")[0] not in (b"application/grpc", b"application/grpc+proto"):
        said = "the content type of a call is application/grpc"
        return only_trailers(Status.UNKNOWN, said, http_status=415)
    if encoding not in (b"identity", b"gzip"):
        said = "messages are taken as they are or compressed by gzip"
        return only_trailers(Status.UNIMPLEMENTED, said, ACCEPTED_ENCODINGS)
    return None


def _seconds(stream: int, timeout: bytes) -> float:
    found = _TIMEOUT.fullmatch(timeout)
    if found is None:
        raise _malformed(stream, "`grpc-timeout` is no time")
    return int(found[1]) * _UNIT_S[found[2]]


def _malformed(stream: int, problem: str) -> BrokenStream:
    return BrokenStream(stream, Http2Error.PROTOCOL_ERROR, problem)
