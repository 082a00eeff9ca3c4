"""Windows in bounded memory: the keys that were not touched for longest lie in a file.

The rule: an answer has the same bits whether its key was in memory or in the file. A key is
read back whole when it is touched. Which keys go is a matter of cost only: those in memory
wait in a line, and one that was touched since it entered goes to its end once more.

The file lives as long as the process. What it held is in the journal; a file left by an
earlier process is written over. When it cannot be written, keys stay in memory, over the
limit, and that is logged; when it cannot be read, the call fails.
"""

import logging
import struct
import sys
from array import array
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from kingpost.core import Disk, DiskFile
from kingpost.features.errors import SpillDamaged
from kingpost.features.kernel import State

if TYPE_CHECKING:  # declared for type checkers only
    from _typeshed import ReadableBuffer, WriteableBuffer

    _In = ReadableBuffer | NDArray[np.generic]

__all__ = ["BoundedState", "MemoryRoom"]

KEYS_AT_ONCE = 16
"""The most keys that one event may have to wait for."""

LOOKED_AT = 8
"""How many keys are looked at for each one that may go."""

ROWS_AT_ONCE = 250_000
"""How many events are loaded before keys are taken out again."""

SMALLEST_SLOT = 128
_SLOT = struct.Struct("<II")
_TRIES_AFTER = 100_000
_TURNS = 256
_OUT, _HELD, _TOUCHED = 0, 1, 2
_NONE_OUT: Final = 2**63 - 1
_log = logging.getLogger(__name__)


class MemoryRoom:
    """How much memory the windows of all tenants may take, and the file for the rest.

    Args:
        limit_bytes: Of the events in memory; the dictionaries of keys come on top.
        path: The file; made anew when the first key leaves memory.
    """

    def __init__(self, limit_bytes: int, path: Path, *, disk: Disk) -> None:
        self._limit_bytes = limit_bytes
        self._path, self._disk = path, disk
        self._file: DiskFile | None = None
        self._end = 0
        self._free: dict[int, list[int]] = {}
        self._stale: dict[int, int] = {}
        """Free places that still hold what was put there, and how many bytes."""
        self._states: list[BoundedState] = []
        self._used_bytes = 0
        self._waits = 0
        self._victim: BoundedState | None = None
        self._turns = 0

    @property
    def used_bytes(self) -> int:
        """What the windows take in memory now."""
        return self._used_bytes

    @property
    def file_bytes(self) -> int:
        """How large the file is."""
        return self._end

    @property
    def keys_out(self) -> int:
        """How many keys lie in the file."""
        return sum(state.keys_out for state in self._states)

    def enter(self, state: "BoundedState") -> None:
        """Take a state's keys into account."""
        self._states.append(state)

    def clear(self) -> None:
        """Forget every state and all that lies in the file, as before memory is rebuilt."""
        self._states, self._free, self._stale, self._victim = [], {}, {}, None
        self._used_bytes = self._end = self._waits = 0

    def close(self) -> None:
        """Release the file and remove it."""
        if self._file is not None:
            self._file.close()
            self._disk.remove(self._path)
            self._file = None

    def changed(self, more_bytes: int) -> None:
        """Hear that a state takes more memory, or less."""
        self._used_bytes += more_bytes

    def make_room(self) -> None:
        """Take some keys out when there is no room."""
        if self._used_bytes > self._limit_bytes:
            self._shrink(KEYS_AT_ONCE)

    def shrink(self) -> None:
        """Take keys out until what is left fits, or nothing can go."""
        while self._used_bytes > self._limit_bytes and self._shrink(1024):
            pass

    def put(self, payload: bytes) -> int:
        """Store bytes and return their place.

        Raises:
            OSError: The disk refused; nothing is stored.
        """
        size = _slot_size(_SLOT.size + len(payload))
        file = self._file or self._make()
        free = self._free.get(size)
        place = free[-1] if free else self._end
        head = _SLOT.pack(len(payload), crc32(payload))
        file.write_at(place, (head + payload).ljust(size, b"\0"))
        self._stale.pop(place, None)
        if free:
            free.pop()
        else:
            self._end += size
        return place

    def get(self, place: int) -> bytes:
        """Return the bytes at a place.

        Raises:
            SpillDamaged: They are not those that were stored.
            OSError: The disk refused.
        """
        file = self._file
        assert file is not None  # something was put there
        head = file.read_at(place, SMALLEST_SLOT)
        size, check = _SLOT.unpack_from(head) if len(head) >= _SLOT.size else (-1, 0)
        payload = head[_SLOT.size : _SLOT.size + size]
        if len(payload) < size:
            payload = file.read_at(place + _SLOT.size, size)
        if size <= 0 or len(payload) != size or crc32(payload) != check:
            raise SpillDamaged(place)
        return payload

    def free(self, place: int, size_bytes: int) -> None:
        """Let a place be used again."""
        size = _slot_size(_SLOT.size + size_bytes)
        self._free.setdefault(size, []).append(place)
        self._stale[place] = size

    def scrub(self, most: int | None = None) -> bool:
        """Write over whatever lies in places that are free; False when some are left.

        Args:
            most: How many places are written over; all of them when None.

        Raises:
            OSError: The disk refused; the next call tries again.
        """
        if self._file is not None:
            for place, size in list(islice(self._stale.items(), most)):
                self._file.write_at(place, bytes(size))
                del self._stale[place]
        return not self._stale

    def _make(self) -> DiskFile:
        # removed, not cut: a process that still reads the old one keeps it
        if self._path.name in self._disk.list(self._path.parent):
            self._disk.remove(self._path)
        self._file = self._disk.open(self._path, write=True, create=True)
        return self._file

    def _shrink(self, keys: int) -> bool:
        """Take out some keys of one state; False when none can go."""
        if self._waits:
            self._waits -= 1
            return False
        try:
            if self._victim is not None and self._turns:
                self._turns -= 1
                if self._victim.shrink(keys):
                    return True
            self._victim = max(self._states, key=BoundedState.memory, default=None)
            self._turns = _TURNS
            return self._victim is not None and self._victim.shrink(keys)
        except OSError as error:
            self._waits = _TRIES_AFTER
            _log.error("features_over_memory", extra={"reason": str(error)})
            return False


def _slot_size(size_bytes: int) -> int:
    return max(SMALLEST_SLOT, 1 << (size_bytes - 1).bit_length())


class BoundedState:
    """The kernel's `State`, of which some keys lie in a file; the same calls.

    Args:
        columns: How many value columns the state has.
    """

    def __init__(self, state: State, columns: int, room: MemoryRoom) -> None:
        self._state, self._columns, self._room = state, columns, room
        self._out: dict[int, int] = {}
        self._events_out = 0
        self._marks = bytearray()
        self._oldest = array("q")
        """The time of the oldest event of each key in the file."""
        self._line: deque[int] = deque()
        self._moved_in = False
        self._known_bytes = state.memory()
        room.enter(self)
        room.changed(self._known_bytes)

    @property
    def keys_out(self) -> int:
        """How many keys lie in the file."""
        return len(self._out)

    def insert(self, code: int, t: int, s: int, values: tuple[int, ...], /) -> None:
        """Add one event."""
        self._touch(code)
        self._state.insert(code, t, s, values)
        self._settle()

    def retract(self, code: int, t: int, s: int, /) -> bool:
        """Take one event out; False when it is not held."""
        self._touch(code)
        done = self._state.retract(code, t, s)
        self._settle()
        return done

    def read(self, code: int, q: int, tie: int, out: "WriteableBuffer", start: int, /) -> None:
        """Write the outputs of a key at time q to out[start:]."""
        if code >= 0:
            self._touch(code)
        self._state.read(code, q, tie, out, start)
        if self._moved_in:
            self._moved_in = False
            self._settle()

    def load(
        self,
        codes: "_In",
        t: "_In",
        s: "_In",
        values: Sequence["_In"],
    ) -> None:
        """Add many events, some at a time, so that memory stays within the limit."""
        keys = np.frombuffer(cast("memoryview", codes), np.int32)
        rest = [np.frombuffer(cast("memoryview", column), np.int64) for column in (t, s, *values)]
        for start in range(0, len(keys), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            for code in np.unique(keys[part]).tolist():
                self._touch(code)
            time, sequence, *exact = (column[part] for column in rest)
            self._state.load(keys[part], time, sequence, exact)
            self._settle()
            self._room.shrink()

    def events(self) -> int:
        """Return how many events are held, in memory and in the file."""
        return self._state.events() + self._events_out

    def memory(self) -> int:
        """Return how many bytes of memory the events take."""
        return self._state.memory()

    def take(self, code: int, /) -> tuple[bytes, bytes, list[bytes]]:
        """Take a key out for good and return its events."""
        self._touch(code)
        taken = self._state.take(code)
        self._settle()
        return taken

    def drop(self, t: int, first: int, end: int, /) -> bytes:
        """Drop all events up to a time of some keys, also in the file, as the kernel does."""
        for code, time in enumerate(self._oldest[first:end], first):
            if time <= t:
                self._drop_out(code, t)
        empty = array("i", self._state.drop(t, first, end))
        self._settle()
        return array("i", [code for code in empty if code not in self._out]).tobytes()

    def dump(self) -> tuple[bytes, bytes, bytes, list[bytes]]:
        """Return every event, ordered by code, time and sequence."""
        codes, t, s, values = self._state.dump()
        if not self._out:
            return codes, t, s, values
        parts: list[list[NDArray[np.int64]]] = [
            [np.frombuffer(column, np.int64)] for column in (t, s, *values)
        ]
        keys = [np.frombuffer(codes, np.int32)]
        for code, place in self._out.items():
            columns = self._unpacked(self._room.get(place))
            keys.append(np.full(len(columns[0]), code, np.int32))
            for whole, column in zip(parts, columns, strict=True):
                whole.append(column)
        every = np.concatenate(keys)
        order = np.argsort(every, kind="stable")
        time, sequence, *exact = (np.concatenate(whole)[order].tobytes() for whole in parts)
        return every[order].tobytes(), time, sequence, exact

    def shrink(self, keys: int) -> bool:
        """Move keys that were not touched lately to the file; False when none is left.

        Raises:
            OSError: The disk refused; every key is still held.
        """
        line, marks = self._line, self._marks
        is_left = bool(line)
        try:
            for _ in range(min(len(line), LOOKED_AT * keys)):
                code = line[0]
                if marks[code] == _TOUCHED:
                    marks[code] = _HELD
                    line.rotate(-1)
                    continue
                self._move_out(code)
                line.popleft()
                marks[code] = _OUT
                keys -= 1
                if not keys:
                    break
        finally:
            self._measure()
        return is_left

    def _move_out(self, code: int) -> None:
        t, s, values = self._state.take(code)
        if not t:
            return
        payload = b"".join([t, s, *values])
        try:
            self._out[code] = self._room.put(payload)
        except OSError:
            self._put_back(code, payload)
            raise
        self._events_out += len(t) // 8
        self._oldest[code] = int.from_bytes(t[:8], sys.byteorder, signed=True)

    def _drop_out(self, code: int, t: int) -> None:
        """Drop old events of a key in the file."""
        place = self._out[code]
        payload = self._room.get(place)
        columns = self._unpacked(payload)
        del self._out[code]
        self._oldest[code] = _NONE_OUT
        dropped = int(np.searchsorted(columns[0], t, side="right"))
        rest = b"".join([column[dropped:].tobytes() for column in columns])
        self._events_out -= dropped
        if rest:
            try:
                self._out[code] = self._room.put(rest)
                self._oldest[code] = int(columns[0][dropped])
            except OSError:  # there is no room to keep it in but memory
                self._events_out -= self._put_back(code, rest)
                self._line.append(code)
                self._marks[code] = _HELD
        self._room.free(place, len(payload))

    def _touch(self, code: int) -> None:
        marks = self._marks
        if code >= len(marks):
            more = max(1024, code + 1 - len(marks), len(marks) // 2)
            marks.extend(bytes(more))
            self._oldest.extend(array("q", [_NONE_OUT]) * more)
        mark = marks[code]
        if mark == _TOUCHED:
            return
        if mark == _OUT:
            if code in self._out:
                self._move_in(code)
            self._line.append(code)
        marks[code] = _TOUCHED

    def _move_in(self, code: int) -> None:
        place = self._out[code]
        payload = self._room.get(place)
        self._events_out -= self._put_back(code, payload)
        del self._out[code]
        self._oldest[code] = _NONE_OUT
        self._room.free(place, len(payload))
        self._moved_in = True

    def _put_back(self, code: int, payload: bytes) -> int:
        t, s, *values = self._unpacked(payload)
        self._state.load(np.full(len(t), code, np.int32), t, s, values)
        return len(t)

    def _measure(self) -> None:
        held = self._state.memory()
        if held != self._known_bytes:
            self._room.changed(held - self._known_bytes)
            self._known_bytes = held

    def _settle(self) -> None:
        self._measure()
        self._room.make_room()

    def _unpacked(self, payload: bytes) -> list[NDArray[np.int64]]:
        return list(np.frombuffer(payload, np.int64).reshape(2 + self._columns, -1))
