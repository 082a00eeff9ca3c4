"""Tensors of the Open Inference Protocol: read from JSON or bytes, checked, written again.

The rule: a tensor that exists fits itself. Its datatype is known, its data are of that type
and exactly as many as its shape says, whatever door they came through, and nothing is read
beyond what was sent. Numbers are held as numpy holds them, texts (BYTES) as a list.

Raw data are row-major and little-endian; an element of BYTES is a length of 4 bytes and so
many bytes. Source: Open Inference Protocol v2, tensor data; Triton's binary tensor extension.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.serving.oip.errors import BadTensor

__all__ = [
    "DATATYPES",
    "FLOATS",
    "INTEGERS",
    "MOST_DIMENSIONS",
    "MOST_ELEMENTS",
    "MOST_TEXTS",
    "MOST_TEXTS_TOGETHER",
    "Tensor",
    "numbers",
    "taken_together",
    "tensor_from_json",
    "tensor_from_raw",
    "tensor_from_values",
    "texts",
]

DATATYPES: Mapping[str, str] = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""The datatypes of numbers, as numpy writes them. BYTES and BF16 have no such form."""

INTEGERS = frozenset(name for name in DATATYPES if "INT" in name)
FLOATS = frozenset(("FP16", "FP32", "FP64", "BF16"))
MOST_DIMENSIONS = 8
MOST_ELEMENTS = 1 << 22
"""No tensor is larger: its data would not fit a body."""

MOST_TEXTS = 1 << 13
"""No tensor of BYTES has more: they are taken one by one, and others wait meanwhile."""
MOST_TEXTS_TOGETHER = 1 << 18
"""The tensors of one request have no more together."""

_LENGTH = struct.Struct("<I")
_SPACE = b" \t\r\n"


class Tensor(NamedTuple):
    """Named data of one type; `values` are flat, row by row."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: "NDArray[np.generic] | list[bytes]"

    def tolist(self) -> list[object]:
        """Return the values as Python has them; texts that are no UTF-8 are refused.

        Raises:
            BadTensor: A text is not UTF-8.
        """
        if isinstance(self.values, list):
            return list[object](self.texts())
        return self.values.tolist()

    def texts(self) -> list[str]:
        """Return the texts of a tensor of BYTES.

        Raises:
            BadTensor: It holds numbers, or one of them is not UTF-8.
        """
        if not isinstance(self.values, list):
            raise BadTensor(self.name, f"expected datatype BYTES, found {self.datatype}")
        try:
            return [value.decode() for value in self.values]
        except UnicodeDecodeError:
            raise BadTensor(self.name, "expected texts in UTF-8, found other bytes") from None

    def numbers(self) -> "NDArray[np.generic]":
        """Return the numbers of a tensor.

        Raises:
            BadTensor: It holds texts.
        """
        if isinstance(self.values, list):
            raise BadTensor(self.name, "expected numbers, found datatype BYTES")
        return self.values

    def raw(self) -> bytes:
        """Return the data as the binary forms of the protocol have them."""
        if not isinstance(self.values, list):
            return self.values.tobytes()
        parts: list[bytes] = []
        for value in self.values:
            parts += (_LENGTH.pack(len(value)), value)
        return b"".join(parts)


def numbers(name: str, datatype: str, values: Sequence[object]) -> Tensor:
    """Make a tensor of one dimension from numbers that fit their datatype."""
    return Tensor(name, datatype, (len(values),), np.array(values, DATATYPES[datatype]))


def texts(name: str, values: Sequence[str]) -> Tensor:
    """Make a tensor of one dimension from texts."""
    return Tensor(name, "BYTES", (len(values),), [value.encode() for value in values])


def taken_together(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Take the tensors of a request as they are read, and stop at too many texts.

    Raises:
        BadTensor: One does not fit itself, or they hold more texts than are taken together.
    """
    taken: list[Tensor] = []
    held = 0
    for one in tensors:
        held += len(one.values) if isinstance(one.values, list) else 0
        if held > MOST_TEXTS_TOGETHER:
            raise BadTensor(
                one.name,
                f"the request holds more than {MOST_TEXTS_TOGETHER:,} elements of BYTES; "
                "send fewer rows",
            )
        taken.append(one)
    return taken


def tensor_from_raw(name: str, datatype: str, shape: Sequence[int], raw: memoryview) -> Tensor:
    """Read a tensor from its bytes.

    Raises:
        BadTensor: They are not what datatype and shape say.
    """
    number = _elements(name, datatype, shape)
    if datatype == "BYTES":
        return Tensor(name, datatype, tuple(shape), _split(name, raw, number))
    dtype = "<u2" if datatype == "BF16" else DATATYPES[datatype]
    size = number * np.dtype(dtype).itemsize
    if len(raw) != size:
        raise BadTensor(
            name, f"shape {list(shape)} of {datatype} takes {size} bytes, found {len(raw)}"
        )
    values: NDArray[np.generic]
    if datatype == "BOOL":
        bits = np.frombuffer(raw, np.uint8)
        if bits.size and int(bits.max()) > 1:
            raise BadTensor(name, "a BOOL is a byte 0 or 1, found another one")
        values = bits.astype(np.bool_)
    elif datatype == "BF16":  # the upper half of a float32
        values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
    else:
        values = np.frombuffer(raw, dtype)
    return Tensor(name, datatype, tuple(shape), values)


def tensor_from_json(name: str, datatype: str, shape: Sequence[int], data: bytes) -> Tensor:
    """Read a tensor from JSON: a flat list, or lists nested as its shape says.

    Raises:
        BadTensor: The data are not what datatype and shape say.
    """
    number = _elements(name, datatype, shape)
    if datatype == "BF16":
        raise BadTensor(name, "BF16 has no form in JSON; send it as binary data")
    depth = _depth(data)
    if depth not in (1, max(1, len(shape))):
        raise BadTensor(name, f"expected a list, flat or nested as {list(shape)}")
    if datatype != "BYTES" and number and data.count(b",") != number - 1:
        # before they are read: so many lists and numbers are never made for nothing
        raise BadTensor(
            name, f"shape {list(shape)} holds {number} elements, found {data.count(b',') + 1}"
        )
    try:
        read: list[object] = _decoder(datatype, depth).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        kind = _JSON_WORDS[_kind(datatype)]
        raise BadTensor(name, f"expected {kind} as {datatype} takes them") from None
    flat = read if depth == 1 else _flattened(name, read, shape)
    return _held(name, datatype, shape, flat, number)


def tensor_from_values(
    name: str, datatype: str, shape: Sequence[int], values: Sequence[object]
) -> Tensor:
    """Make a tensor from flat values: bool, int, float, or str and bytes for BYTES.

    Raises:
        BadTensor: They are too many or too few, or outside what the datatype holds.
    """
    return _held(name, datatype, shape, values, _elements(name, datatype, shape))


def _held(
    name: str, datatype: str, shape: Sequence[int], values: Sequence[object], number: int
) -> Tensor:
    if len(values) != number:
        raise BadTensor(name, f"shape {list(shape)} holds {number} elements, found {len(values)}")
    if datatype == "BYTES":
        return Tensor(name, datatype, tuple(shape), [_as_bytes(name, one) for one in values])
    if datatype == "BF16":
        raise BadTensor(name, "BF16 is sent as raw data only")
    try:
        if datatype in ("FP16", "FP32"):
            held = _narrowed(values, DATATYPES[datatype])
        else:
            held = np.array(values, DATATYPES[datatype])
    except (OverflowError, ValueError, TypeError):
        raise BadTensor(name, f"a value is outside what {datatype} holds") from None
    return Tensor(name, datatype, tuple(shape), held)


def _narrowed(values: Sequence[object], form: str) -> "NDArray[np.generic]":
    """Round numbers to a smaller type; one that becomes infinite by that is refused."""
    whole = np.array(values, np.float64)
    with np.errstate(over="ignore"):
        held = whole.astype(form)
    if np.isinf(held).any() and not np.array_equal(np.isinf(held), np.isinf(whole)):
        raise OverflowError
    return held


def _elements(name: str, datatype: str, shape: Sequence[int]) -> int:
    """Check what a tensor says of itself; return how many elements that are."""
    if datatype not in DATATYPES and datatype not in ("BYTES", "BF16"):
        raise BadTensor(name, "its datatype is none of the protocol's")
    if len(shape) > MOST_DIMENSIONS:
        raise BadTensor(name, f"{len(shape)} dimensions; {MOST_DIMENSIONS} are taken at most")
    if shape and min(shape) < 0:
        raise BadTensor(name, "a dimension is less than 0; a request names how many there are")
    number = math.prod(shape)
    if number > MOST_ELEMENTS:
        raise BadTensor(name, f"more than {MOST_ELEMENTS:,} elements; send fewer rows")
    if datatype == "BYTES" and number > MOST_TEXTS:
        raise BadTensor(name, f"more than {MOST_TEXTS:,} elements of BYTES; send fewer rows")
    return number


def _split(name: str, raw: memoryview, number: int) -> list[bytes]:
    found: list[bytes] = []
    at, end = 0, len(raw)
    if number * _LENGTH.size > end:
        raise BadTensor(name, f"{number} elements of BYTES take more than {end} bytes")
    for _ in range(number):
        if at + _LENGTH.size > end:
            raise BadTensor(name, "its bytes end before its last element")
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        if length > end - at:
            raise BadTensor(name, "an element says that it is longer than what is left")
        found.append(bytes(raw[at : at + length]))
        at += length
    if at != end:
        raise BadTensor(name, f"{end - at} bytes are left behind its last element")
    return found


def _depth(data: bytes) -> int:
    """Count the brackets that JSON lists begin with, as far as any tensor needs them."""
    depth = 0
    for one in data:
        if one == 0x5B:
            depth += 1
            if depth > MOST_DIMENSIONS:
                break
        elif one not in _SPACE:
            break
    return depth


_JSON_WORDS = {"BOOL": "booleans", "INT": "whole numbers", "FP": "numbers", "BYTES": "texts"}


def _kind(datatype: str) -> str:
    if datatype in INTEGERS:
        return "INT"
    return "FP" if datatype in FLOATS else datatype


@cache
def _decoder(datatype: str, depth: int) -> "msgspec.json.Decoder[list[object]]":
    """Return what reads lists of so many levels; made once for each of few pairs."""
    kind: type = {"BOOL": bool, "INT": int, "FP": float, "BYTES": str}[_kind(datatype)]
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def _flattened(name: str, nested: list[object], shape: Sequence[int]) -> list[object]:
    level = nested
    if len(level) != shape[0]:
        raise BadTensor(name, f"its lists are not nested as shape {list(shape)} says")
    for size in shape[1:]:
        flat: list[object] = []
        for part in level:
            if not isinstance(part, list) or len(part) != size:  # pyright: ignore[reportUnknownArgumentType]  read as a list of something
                raise BadTensor(name, f"its lists are not nested as shape {list(shape)} says")
            flat += part
        level = flat
    return level


def _as_bytes(name: str, value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            pass
    raise BadTensor(name, "expected texts or bytes as BYTES takes them")
