"""HPACK: the header compression of HTTP/2.

Reading has the whole of it, the dynamic table too. Writing has no table: what this server
sends is the same few fields, written once.

Source: RFC 7541.
"""

from collections.abc import Iterable

from kingpost.serving.grpc.errors import BrokenConnection, Http2Error, TooManyHeaders
from kingpost.serving.grpc.huffman import decoded

__all__ = ["TABLE_BYTES", "Field", "HeaderReader", "write_headers"]

Field = tuple[bytes, bytes]

TABLE_BYTES = 4096
"""The size of a dynamic table where nobody asked for another."""
_FIELD_BYTES = 32
_LARGEST = 1 << 28

_STATIC: tuple[Field, ...] = (
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"),
    (b":path", b"/index.html"), (b":scheme", b"http"), (b":scheme", b"https"),
    (b":status", b"200"), (b":status", b"204"), (b":status", b"206"), (b":status", b"304"),
    (b":status", b"400"), (b":status", b"404"), (b":status", b"500"), (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    *((name, b"") for name in (
        b"accept-language", b"accept-ranges", b"accept", b"access-control-allow-origin", b"age",
        b"allow", b"authorization", b"cache-control", b"content-disposition",
        b"content-encoding", b"content-language", b"content-length", b"content-location",
        b"content-range", b"content-type", b"cookie", b"date", b"etag", b"expect", b"expires",
        b"from", b"host", b"if-match", b"if-modified-since", b"if-none-match", b"if-range",
        b"if-unmodified-since", b"last-modified", b"link", b"location", b"max-forwards",
        b"proxy-authenticate", b"proxy-authorization", b"range", b"referer", b"refresh",
        b"retry-after", b"server", b"set-cookie", b"strict-transport-security",
        b"transfer-encoding", b"user-agent", b"vary", b"via", b"www-authenticate",
    )),
)  # fmt: skip
_PLACES: dict[Field, int] = {one: place for place, one in enumerate(_STATIC, 1)}


class HeaderReader:
    """Reads the header blocks of one connection, in the order in which they came.

    Args:
        max_bytes: Fields larger than that together are read, but not returned.

    Attributes:
        has_changed: Whether the last block changed what later ones mean.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._table: list[Field] = []  # the newest last
        self._room, self._taken = TABLE_BYTES, 0
        self.has_changed = False

    def read(self, block: bytes) -> list[Field]:
        """Return the fields of a block.

        Raises:
            BrokenConnection: It cannot be read; nothing that follows can.
            TooManyHeaders: They are too large together.
        """
        self.has_changed = False
        fields: list[Field] = []
        at, size, end = 0, 0, len(block)
        try:
            while at < end:
                first = block[at]
                if first & 0x80:
                    place, at = _integer(block, at, 0x7F)
                    field = self._field(place)
                elif first & 0xE0 == 0x20:
                    if fields or size:
                        raise _broken("the table is resized within a block")
                    room, at = _integer(block, at, 0x1F)
                    self._resize(room)
                    continue
                else:
                    is_kept = first & 0x40
                    place, at = _integer(block, at, 0x3F if is_kept else 0x0F)
                    if place:
                        name = self._field(place)[0]
                    else:
                        name, at = _text(block, at)
                    value, at = _text(block, at)
                    field = (name, value)
                    if is_kept:
                        self._keep(field)
                size += len(field[0]) + len(field[1]) + _FIELD_BYTES
                if size <= self._max_bytes:
                    fields.append(field)
        except IndexError:
            raise _broken("a header block is cut off") from None
        if size > self._max_bytes:
            raise TooManyHeaders(size, self._max_bytes)
        return fields

    def _field(self, place: int) -> Field:
        if 0 < place <= len(_STATIC):
            return _STATIC[place - 1]
        behind = place - len(_STATIC)
        if not 0 < behind <= len(self._table):
            raise _broken("a header field that is in no table")
        return self._table[-behind]

    def _keep(self, field: Field) -> None:
        self.has_changed = True
        self._table.append(field)
        self._taken += len(field[0]) + len(field[1]) + _FIELD_BYTES
        self._evict()

    def _resize(self, room: int) -> None:
        if room > TABLE_BYTES:
            raise _broken("a larger table than was allowed")
        self.has_changed = True
        self._room = room
        self._evict()

    def _evict(self) -> None:
        gone = 0
        while self._taken > self._room:
            name, value = self._table[gone]
            self._taken -= len(name) + len(value) + _FIELD_BYTES
            gone += 1
        if gone:
            del self._table[:gone]


def write_headers(fields: Iterable[Field]) -> bytes:
    """Write a block that changes no table and can be sent on any connection at any time."""
    parts: list[bytes] = []
    for name, value in fields:
        place = _PLACES.get((name, value))
        if place is not None:
            parts.append(_written(place, 0x80, 0x7F))
            continue
        place = _PLACES.get((name, b""), 0)
        parts.append(_written(place, 0x00, 0x0F))
        for text in (value,) if place else (name, value):
            parts += (_written(len(text), 0x00, 0x7F), text)
    return b"".join(parts)


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Read a number and return it with the place behind it."""
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if number > _LARGEST or shift > 28:
            raise _broken("a number is too large")
        if byte < 0x80:
            return number, at
        shift += 7


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    is_coded = block[at] & 0x80
    length, at = _integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise _broken("a text is longer than its block")
    text = block[at:end]
    return (decoded(text) if is_coded else text), end


def _written(number: int, pattern: int, mask: int) -> bytes:
    if number < mask:
        return bytes((pattern | number,))
    written = bytearray((pattern | mask,))
    number -= mask
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _broken(problem: str) -> BrokenConnection:
    return BrokenConnection(Http2Error.COMPRESSION_ERROR, problem)
