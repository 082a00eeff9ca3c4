"""Where each event of a stream lies, by its key, in columns that are read where they lie.

The rule: the answer is exact; a hash only says where to look. A table is never changed:
what comes later is kept beside it (`Versions`), and `merged` makes the next table of both.

Whole numbers are sorted, 16 bytes a key. Texts are sorted by a hash of 64 bits, 28 bytes a
key and its own length in UTF-8. Nothing is read at a start: finding a key touches some
pages of the file, which the system keeps or drops as it has room.
"""

from bisect import bisect_left
from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import EventKey

__all__ = ["KeyKind", "KeyTable"]

KeyKind = Literal["text", "integer"]

_TEXT = ("hashes", "starts", "lengths", "positions", "texts")
_INTEGER = ("keys", "positions")


class KeyTable:
    """Positions by key, made by `of` or from columns that `columns` gave.

    Args:
        kind: Of the keys, as their field's.
    """

    def __init__(self, kind: KeyKind, columns: Mapping[str, memoryview]) -> None:
        self.kind: KeyKind = kind
        names = _TEXT if kind == "text" else _INTEGER
        self.columns: Mapping[str, memoryview] = {name: columns[name].cast("B") for name in names}
        self._positions = self.columns["positions"].cast("q")
        if kind == "text":
            self._order = self.columns["hashes"].cast("Q")
            self._starts = self.columns["starts"].cast("q")
            self._lengths = self.columns["lengths"].cast("i")
        else:
            self._order = self.columns["keys"].cast("q")

    @staticmethod
    def of(kind: KeyKind, positions: Mapping[EventKey, int]) -> "KeyTable":
        """Make a table of a dictionary."""
        empty = {name: memoryview(b"") for name in (*_TEXT, *_INTEGER)}
        return KeyTable(kind, empty).merged(positions)

    def __len__(self) -> int:
        return len(self._positions)

    def find(self, key: EventKey) -> int | None:
        """Return the position of a key; None when it is not there."""
        row = self._row(key)
        return None if row is None else self._positions[row]

    def holds(self, position: int) -> bool:
        """Say whether some key has a position."""
        return bool((np.frombuffer(self._positions, np.int64) == position).any())

    def merged(self, positions: Mapping[EventKey, int]) -> "KeyTable":
        """Make a table of this one and of later positions, which count instead."""
        rows = {key: self._row(key) for key in positions} if len(self) else {}
        changed = {row: positions[key] for key, row in rows.items() if row is not None}
        added = {key: at for key, at in positions.items() if rows.get(key) is None}
        held = np.array(self._positions, np.int64)
        held[list(changed)] = list(changed.values())
        both = np.concatenate([held, np.fromiter(added.values(), np.int64, len(added))])
        if self.kind == "integer":
            keys = np.concatenate(
                [
                    _column(self._order, np.int64),
                    np.fromiter(cast("Mapping[int, int]", added), np.int64, len(added)),
                ]
            )
            order = np.argsort(keys, kind="stable")
            return KeyTable(
                "integer", {"keys": _view(keys[order]), "positions": _view(both[order])}
            )
        return self._merged_texts(list(cast("Mapping[str, int]", added)), both)

    def _merged_texts(self, added: list[str], positions: NDArray[np.int64]) -> "KeyTable":
        texts = [key.encode() for key in added]
        sizes = np.fromiter(map(len, texts), np.int32, len(texts))
        before = self.columns["texts"]
        starts = before.nbytes + np.cumsum(sizes, dtype=np.int64) - sizes
        hashes = np.frombuffer(b"".join(map(_digest, texts)), "<u8")
        every = np.concatenate([_column(self._order, np.uint64), hashes])
        order = np.argsort(every, kind="stable")
        columns = {
            "hashes": every[order],
            "starts": np.concatenate([_column(self._starts, np.int64), starts])[order],
            "lengths": np.concatenate([_column(self._lengths, np.int32), sizes])[order],
            "positions": positions[order],
        }
        return KeyTable(
            "text",
            {
                **{name: _view(column) for name, column in columns.items()},
                "texts": memoryview(b"".join([before, *texts])),
            },
        )

    def _row(self, key: EventKey) -> int | None:
        order = self._order
        if isinstance(key, int):
            row = bisect_left(order, key)
            return row if row < len(order) and order[row] == key else None
        if not len(order):
            return None
        text = key.encode()
        wanted = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
        row = bisect_left(order, wanted)
        while row < len(order) and order[row] == wanted:
            start = self._starts[row]
            if self.columns["texts"][start : start + self._lengths[row]].tobytes() == text:
                return row
            row += 1
        return None


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=8).digest()


def _column(view: memoryview, dtype: type[np.generic]) -> NDArray[np.generic]:
    return np.frombuffer(view, dtype) if len(view) else np.empty(0, dtype)


def _view(array: NDArray[np.generic]) -> memoryview:
    return memoryview(np.ascontiguousarray(array).data).cast("B")
