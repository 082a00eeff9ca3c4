"""Protocol Buffers on the wire: fields read and written by their numbers, no code generated.

The rule: nothing is read beyond what was sent, and what cannot be read is
`BadInference`.
Fields of unknown numbers are skipped, as the format asks.

Source: https://protobuf.dev/programming-guides/encoding/
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.serving.oip.errors import BadInference

__all__ = [
    "Budget",
    "Part",
    "bytes_field",
    "number_field",
    "parts_of",
    "read_numbers",
    "signed",
    "text_field",
    "texts_field",
    "write_numbers",
]

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
_FIXED_BYTES = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
_LONGEST_VARINT = 10
MOST_PARTS = 1 << 18
_SIXTY_FOUR = (1 << 64) - 1


class Budget:
    """How many fields a message may still hold: those of one byte each cost most to read."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_PARTS


class Part(NamedTuple):
    """A field as it lies in a message.

    Attributes:
        wire: How it is written; `value` is a number for `VARINT`, else its bytes.
    """

    field: int
    wire: int
    number: int
    data: memoryview

    def text(self) -> str:
        """Return the text that a field holds."""
        try:
            return str(self.bytes(), "utf-8")
        except UnicodeDecodeError:
            raise _unreadable(f"field {self.field} is not UTF-8") from None

    def bytes(self) -> memoryview:
        """Return the bytes that a field holds."""
        if self.wire != BYTES:
            raise self._wrong()
        return self.data

    def varint(self) -> int:
        """Return the number that a field holds, without a sign."""
        if self.wire != VARINT:
            raise self._wrong()
        return self.number

    def double(self) -> float:
        """Return the number of eight bytes that a field holds."""
        if self.wire != EIGHT_BYTES:
            raise self._wrong()
        found: float = struct.unpack("<d", self.data)[0]
        return found

    def _wrong(self) -> BadInference:
        return _unreadable(f"field {self.field} is written as another type")


_NO_DATA = memoryview(b"")


def parts_of(message: memoryview, budget: Budget) -> Iterator[Part]:
    """Yield the fields of a message in their order.

    Raises:
        BadInference: It is none, or holds too many fields; found when its turn comes.
    """
    at, end = 0, len(message)
    while at < end:
        budget.left -= 1
        if budget.left < 0:
            raise _unreadable(f"it has more than {MOST_PARTS:,} fields; send raw contents")
        key = message[at]
        at += 1
        if key >= 0x80:
            key, at = _varint(message, at - 1)
        field, wire = key >> 3, key & 7
        if not field:
            raise _unreadable("a field has the number 0")
        if wire == BYTES:
            size, at = _varint(message, at)
            behind = at + size
            if behind > end:
                raise _unreadable(f"field {field} is longer than its message")
            yield Part(field, wire, 0, message[at:behind])
            at = behind
        elif wire == VARINT:
            number, at = _varint(message, at)
            yield Part(field, wire, number, _NO_DATA)
        elif wire in _FIXED_BYTES:
            behind = at + _FIXED_BYTES[wire]
            if behind > end:
                raise _unreadable(f"field {field} is cut off")
            yield Part(field, wire, 0, message[at:behind])
            at = behind
        else:
            raise _unreadable(f"field {field} is of no known kind")


def signed(number: int) -> int:
    """Read a number without a sign as one of 64 bits with a sign."""
    return number - (1 << 64) if number >> 63 else number


def read_numbers(part: Part, form: str) -> "NDArray[np.generic]":
    """Return the numbers of a repeated field: one, or many in one field (packed).

    Args:
        form: As numpy writes the type: `<f4`, `<f8`, or `<i8` and `<u8` of varints.
    """
    if form in ("<f4", "<f8"):
        if part.wire == VARINT or len(part.data) % np.dtype(form).itemsize:
            raise _unreadable(f"field {part.field} is written as another type")
        return np.frombuffer(part.data, form)
    if part.wire == VARINT:
        return np.array([part.number], np.uint64).view(form)
    if part.wire != BYTES:
        raise _unreadable(f"field {part.field} is written as another type")
    return _varints(part.data).view(form)


def write_numbers(field: int, numbers: "NDArray[np.generic]", form: str) -> bytes:
    """Write a repeated field of numbers, packed; see `read_numbers`."""
    if form in ("<f4", "<f8"):
        return bytes_field(field, numbers.astype(form).tobytes())
    varints = b"".join(_written(int(one) & _SIXTY_FOUR) for one in numbers.tolist())
    return bytes_field(field, varints)


def number_field(field: int, number: int) -> bytes:
    """Write a number; 0 is written as nothing."""
    if not number:
        return b""
    return _written(field << 3 | VARINT) + _written(number & _SIXTY_FOUR)


def bytes_field(field: int, data: bytes) -> bytes:
    """Write bytes, or a message that was written."""
    return b"%b%b%b" % (_written(field << 3 | BYTES), _written(len(data)), data)


def text_field(field: int, text: str) -> bytes:
    """Write a text; an empty one is written as nothing."""
    return bytes_field(field, text.encode()) if text else b""


def texts_field(field: int, texts: Iterable[str]) -> bytes:
    """Write a repeated text."""
    return b"".join(bytes_field(field, text.encode()) for text in texts)


def _varints(data: memoryview) -> "NDArray[np.uint64]":
    """Read numbers that lie one behind another, all at once."""
    read = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(read < 0x80)
    if read.size and (not ends.size or ends[-1] != read.size - 1):
        raise _unreadable("a number is cut off")
    starts = np.concatenate((np.zeros(1, np.intp), ends[:-1] + 1))[: ends.size]
    longest = int((ends - starts).max(initial=-1)) + 1
    if longest > _LONGEST_VARINT:
        raise _unreadable("a number is too long")
    numbers = np.zeros(ends.size, np.uint64)
    for place in range(longest):
        at = starts + place
        is_there = at <= ends
        seven = read[np.where(is_there, at, 0)].astype(np.uint64) & np.uint64(0x7F)
        numbers |= np.where(is_there, seven << np.uint64(7 * place), np.uint64(0))
    return numbers


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    try:
        number = data[at]
        at += 1
        if number < 0x80:
            return number, at
        number &= 0x7F
        for shift in range(7, 7 * _LONGEST_VARINT, 7):
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number & _SIXTY_FOUR, at
    except IndexError:
        raise _unreadable("a number is cut off") from None
    raise _unreadable("a number is too long")


def _written(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _unreadable(problem: str) -> BadInference:
    return BadInference(f"the message cannot be read: {problem}")
