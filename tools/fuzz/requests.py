"""Requests as bytes: heads, methods, paths and lengths that are not what they should be."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from tools.fuzz.bodies import bad_body, flipped

__all__ = ["Sent", "bad_request", "post"]

_METHODS = (
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND",
    "get", "G\0T", "GET POST", "", "A" * 5000, "PRI",
)  # fmt: skip
_PATHS = (
    "/../../etc/passwd", "/static/../../kingpost.toml", "/static/%2e%2e/%2e%2e/access.sqlite",
    "/docs/..%2f..%2fetc/passwd", "/%00", "/v1/records/%00", "/v1/records/%ff%fe", "/%", "/%zz", "/%c0%af..",
    "//etc/passwd", "/v1//decisions", "/v1/records/" + "a" * 20_000, "/" + "a/" * 5000, "*", "http://x/v1/decisions",
    "x:80", "/?" + "a=b&" * 5000, "/v1/decisions?%ff=%00", "/v1/records/00000000-0000-0000-0000-000000000000",
    "/v1/records/..", "/v1/records/%2e%2e", "/v1/events/%2f", "/\u00e9", "/ /", "/#x", "/\\..\\..\\x", "/.git/config",
)  # fmt: skip
_HEADERS = (
    "Content-Length: -1", "Content-Length: 99999999999999999999999", "Content-Length: 5, 5", "Content-Length: +5",
    "Content-Length: 0x10", "Content-Length: ", "Content-Length: 1\r\nContent-Length: 2", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3", "Transfer-Encoding: x",
    "Transfer-Encoding : chunked", "Host: a\r\nHost: b", "Host:", "no colon", ": empty", "X: a\0b", "X:\x01\x7f",
    " folded", "X: a\r\n b", "Content-Encoding: gzip", "Content-Encoding: identity", "Content-Type: text/plain",
    "Content-Type: multipart/form-data", "Content-Type: application/json; charset=utf-16", "Content-Type: \xff",
    "Content-Type: application/x-www-form-urlencoded", "Expect: 100-continue", "Expect: nonsense",
    "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
    "Upgrade: h2c\r\nHTTP2-Settings: x", "Connection: close, keep-alive", "Authorization: Bearer", "Authorization: \xff",
    "Authorization: Basic eA==", "Authorization: Bearer kp__", "Authorization: Bearer kp_" + "a" * 9000,
    "Idempotency-Key: \xe9", "Idempotency-Key: " + "k" * 300, "Idempotency-Key:", "Kingpost-Session: a b",
    "Traceparent: 00-0-0-0", "Traceparent: " + "f" * 9000, "Range: bytes=0-", "If-None-Match: *", "Cookie: " + "a=b; " * 900,
    "Cookie: kingpost=\xff", "HX-Request: true", "Origin: null", "Sec-Fetch-Site: cross-site", "X-Forwarded-Proto: https",
    "Accept-Encoding: \0", "Accept: " + "*/*," * 2000, "X: " + "y" * 70_000,
)  # fmt: skip
_QUERIES = (
    "limit=-1", "limit=99999999999999999999", "limit=x", "before=%00", "since=NaN", "until=1e999", "decision=%ff",
    "outcome=x", "state='OR 1=1--", "q=%F0%9F%92%A9", "next=//evil.example", "queue=" + "q" * 3000, "a&b&&=&=c", "%",
    "cursor=" + "A" * 2000, "limit=1&limit=2", "tenant=other",
)  # fmt: skip
_CHUNKS = (
    b"zz\r\n", b"-1\r\nx\r\n", b"ffffffffffffffffff\r\n", b"5\r\nab", b"0\r\nX: y\r\n\r\n", b"5;" + b"e" * 9000 + b"\r\nhello\r\n0\r\n\r\n",
    b"1\nx\n0\n\n", b"3\r\nabcXX0\r\n\r\n", b"0", b"\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
)  # fmt: skip


class Sent(NamedTuple):
    """A request as it goes over the wire.

    Attributes:
        kind: What is wrong with it.
        ends_early: Whether the sender closes its half before it waits.
    """

    kind: str
    data: bytes
    ends_early: bool = False


def post(path: str, body: bytes, key: str, *headers: str, method: str = "POST") -> bytes:
    """Write a request that is well-formed, whatever its body is."""
    lines = [
        f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *headers,
        *([] if any(h.lower().startswith("content-type") for h in headers) else ["Content-Type: application/json"]),
        f"Content-Length: {len(body)}",
    ]  # fmt: skip
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def bad_request(random: Random, identifier: str, paths: Sequence[str], key: str) -> Sent:
    """Return a request that is wrong in one way, as a rule."""
    path = random.choice(paths)
    posts = [each for each in paths if "/decisions/" in each or "/events/" in each]
    target = random.choice(posts)
    body = bad_body(random, identifier)
    match random.choices(range(10), weights=[28, 8, 12, 12, 8, 6, 6, 4, 12, 4])[0]:
        case 0:
            return Sent("body", post(target, body, key))
        case 1:
            return Sent("path", _plain(random.choice(_METHODS[:8]), random.choice(_PATHS), key))
        case 2:
            method = random.choice(_METHODS)
            return Sent("method", post(path, body, key, method=method), ends_early=True)
        case 3:
            header = random.choice(_HEADERS)
            return Sent(
                "header",
                post(random.choice([path, target]), body[:4000], key, header),
                ends_early=True,
            )
        case 4:
            head = post(target, b"", key).replace(
                b"Content-Length: 0", b"Transfer-Encoding: chunked"
            )
            return Sent("chunks", head + random.choice(_CHUNKS), ends_early=True)
        case 5:
            many = [f"X-{at}: y" for at in range(random.choice([50, 500, 5000]))]
            return Sent("many headers", post(path, b"", key, *many), ends_early=True)
        case 6:
            return Sent("short", post(target, body, key)[: random.randrange(400)], ends_early=True)
        case 7:
            lines = b"\n".join(bad_body(random, f"{identifier}-{at}")[:5000] for at in range(20))
            return Sent("lines", post(target, lines, key, "Content-Type: application/x-ndjson"))
        case 8:
            return Sent("flipped", flipped(random, post(target, body[:3000], key)), ends_early=True)
        case _:
            form = b"&".join(
                random.choice([b"a=b", b"key=%00", b"csrf=", b"=%", b"reason=" + b"x" * 9000])
                for _ in range(9)
            )
            kind = random.choice(
                [
                    "application/x-www-form-urlencoded",
                    "multipart/form-data; boundary=x",
                    "multipart/form-data",
                ]
            )
            return Sent("form", post(path, form, key, f"Content-Type: {kind}"), ends_early=True)


def with_query(random: Random, path: str) -> str:
    """Put a query that nobody expects behind a path."""
    return f"{path}?{random.choice(_QUERIES)}"


def _plain(method: str, path: str, key: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", "", ""]
    return "\r\n".join(lines).encode("utf-8")
