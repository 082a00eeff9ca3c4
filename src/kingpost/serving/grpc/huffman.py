"""The Huffman code of HPACK, decoded four bits at a time.

The code is canonical: of the same length, codes grow with their symbols. Its lengths alone
say all of it.

Source: RFC 7541, section 5.2 and appendix B.
"""

from functools import cache
from typing import NamedTuple

from kingpost.serving.grpc.errors import BrokenConnection, Http2Error

__all__ = ["LENGTHS", "decoded"]

LENGTHS = bytes(
    (
        13, 23, *[28] * 7, 24, 30, 28, 28, 30, *[28] * 8, 30, *[28] * 9,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, *[6] * 7, 7, 8, 15, 6, 12, 10,
        13, 6, *[7] * 22, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23,
        21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21,
        22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26,
        27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21,
        22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, *[27] * 5, 28, *[27] * 5, 26, 30,
    )
)  # fmt: skip
"""How many bits the code of each byte has; the last is of the end of a text."""

_END = 256
_MOST_PADDING = 7
_NOTHING, _WRONG = -1, -1


class _Machine(NamedTuple):
    """States between bits; the first is between symbols.

    Attributes:
        goes: The next state by state and nibble, `_WRONG` where there is none.
        emits: The symbol that ends within the nibble.
        may_end: Whether what came since the last symbol is padding.
    """

    goes: list[int]
    emits: list[int]
    may_end: list[bool]


def decoded(text: bytes) -> bytes:
    """Decode a text.

    Raises:
        BrokenConnection: It is no text of this code.
    """
    goes, emits, may_end = _machine()
    found = bytearray()
    state = 0
    for byte in text:
        for nibble in (byte >> 4, byte & 15):
            at = state << 4 | nibble
            state = goes[at]
            if state == _WRONG:
                raise BrokenConnection(Http2Error.COMPRESSION_ERROR, "no Huffman code")
            if emits[at] != _NOTHING:
                found.append(emits[at])
    if not may_end[state]:
        raise BrokenConnection(Http2Error.COMPRESSION_ERROR, "a Huffman code is cut off")
    return bytes(found)


@cache
def _machine() -> _Machine:
    children, symbols = _tree()
    states = [node for node in range(len(children)) if symbols[node] == _NOTHING]
    number = {node: place for place, node in enumerate(states)}
    goes: list[int] = []
    emits: list[int] = []
    for node in states:
        for nibble in range(16):
            at, emitted = node, _NOTHING
            for shift in (3, 2, 1, 0):
                at = children[at][nibble >> shift & 1]
                if symbols[at] == _END:
                    break
                if symbols[at] != _NOTHING:
                    at, emitted = 0, symbols[at]
            goes.append(_WRONG if symbols[at] == _END else number[at])
            emits.append(emitted)
    padding, at = {0}, 0
    for _ in range(_MOST_PADDING):
        at = children[at][1]
        padding.add(at)
    return _Machine(goes, emits, [node in padding for node in states])


def _tree() -> tuple[list[list[int]], list[int]]:
    """Return the children of each node, and the symbol where it is a leaf."""
    children, symbols = [[0, 0]], [_NOTHING]
    code = before = 0
    for symbol in sorted(range(len(LENGTHS)), key=lambda one: (LENGTHS[one], one)):
        code <<= LENGTHS[symbol] - before
        before = LENGTHS[symbol]
        at = 0
        for shift in range(before - 1, -1, -1):
            bit = code >> shift & 1
            if not children[at][bit]:
                children[at][bit] = len(children)
                children.append([0, 0])
                symbols.append(_NOTHING)
            at = children[at][bit]
        symbols[at] = symbol
        code += 1
    return children, symbols
