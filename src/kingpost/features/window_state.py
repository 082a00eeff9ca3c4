"""The events behind windows, held once for all windows over them, and who consents to that."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Event
from kingpost.features.consent import Consent
from kingpost.features.filters import mask, matcher
from kingpost.features.history import History
from kingpost.features.intake import intake
from kingpost.features.kernel import State
from kingpost.features.kernel_plan import (
    KernelPlan,
    Source,
)
from kingpost.features.key_columns import numbered_keys
from kingpost.features.spill import BoundedState, MemoryRoom

__all__ = ["ConsentState", "WindowState", "Withdrawn"]

_AFTER_ALL_US: Final = 2**61
_ALL_HELD: Final = 2**63 - 1

KEYS_AT_ONCE = 1024
"""How many keys are looked through for old events with each event that comes."""

KEYS_AT_ONCE_OF_FILE = 64
"""The same where some of them may lie in a file."""

PLACES_AT_ONCE = 64
"""How many places of the file are written over with each event that comes."""


class WindowState:
    """The events of one source, held once for all windows over them.

    Attributes:
        insert: Adds an event, unless a filter or its entity's consent leaves it out.
        codes: The number of each key in `state`.
        consents: Who consents to being held here; None where nobody has to.
    """

    def __init__(self, source: Source, plan: KernelPlan, room: MemoryRoom | None) -> None:
        self.width = len(plan.outputs)
        state = State(plan.scales, plan.outputs)
        self.state = state if room is None else BoundedState(state, len(plan.columns), room)
        self.codes: dict[object, int] = {}
        self.key = attrgetter(*source.keys)
        self.source = source
        self.consents: ConsentState | None = None
        self._plan, self._room = plan, room
        self._free: list[int] = []
        self._keys: list[object] | None = None if plan.retention_us is None else []
        """By code, where keys are looked through for old events."""
        self._at_once = KEYS_AT_ONCE if room is None else KEYS_AT_ONCE_OF_FILE
        self._matches = matcher(source.filters)
        self._time = attrgetter(f"{plan.contract.event_time.name}.us")
        self.insert = self._inserter()

    def _inserter(self) -> Callable[[Event, int], None]:
        time = self._plan.contract.event_time.name
        take = intake(
            self.state, self.codes, self._new_code, self.source.keys, time, self._plan.columns
        )

        def take_some(event: Event, position: int) -> None:
            if self._takes(event):
                take(event, position)

        takes_all = self._matches is None and self.source.consent is None
        return take if takes_all else take_some

    def _takes(self, event: Event) -> bool:
        if self._matches is not None and not self._matches(event):
            return False
        return self.consents is None or self.consents.is_given_by(event)

    def retract(self, event: Event, position: int) -> None:
        """Take an event out again; one that is not held is passed over."""
        if self._matches is not None and not self._matches(event):
            return
        code = self.codes.get(self.key(event))
        if code is not None:
            self.state.retract(code, self._time(event), position)

    def forget(self, entity: str, value: object, within: range | None = None) -> int:
        """Drop every key that has a value in a field; return how many there were.

        Args:
            within: Only what came in at these positions; everything when None.
        """
        keys = self._keys_with(entity, value)
        for key in keys:
            taken = self.state.take(self.codes[key])
            if within is None or not self._put_back(self.codes[key], taken, within):
                self._give_up(key)
        if keys and self._room is not None:
            self._room.scrub()
        return len(keys)

    def _keys_with(self, entity: str, value: object) -> list[object]:
        if self.source.keys == (entity,):
            return [value] if value in self.codes else []
        at = self.source.keys.index(entity)
        return [key for key in self.codes if cast("tuple[object, ...]", key)[at] == value]

    def _put_back(self, code: int, taken: tuple[bytes, bytes, list[bytes]], without: range) -> bool:
        """Hold again what was taken of a key, but for some positions; say whether it is any."""
        positions = np.frombuffer(taken[1], np.int64)
        stay = (positions < without.start) | (positions >= without.stop)
        times, kept, *values = (
            np.frombuffer(column, np.int64)[stay] for column in (taken[0], taken[1], *taken[2])
        )
        self.state.load(np.full(len(kept), code, np.int32), times, kept, values)
        return bool(len(kept))

    def drop(self, low_us: int, first: int) -> int | None:
        """Drop old events of some keys, from a code on; keys with nothing left are given up."""
        keys = self._keys
        assert keys is not None  # events of a stream without retention are not dropped
        end = min(first + self._at_once, len(keys))
        for code in array("i", self.state.drop(low_us, first, end)):
            if keys[code] is not None:
                self._give_up(keys[code])
        return end if end < len(keys) else None

    def scrub(self) -> bool:
        """Write over some free places of the file; False when some are left."""
        return self._room is None or self._room.scrub(PLACES_AT_ONCE)

    def load(self, histories: Sequence[History]) -> None:
        """Add events of which all count; those without consent are left out already."""
        parts = [self._rows_of(history) for history in histories]
        if not parts:
            return
        # all at once: the kernel then goes from key to key, not to and fro in memory
        codes, *columns = (
            parts[0]
            if len(parts) == 1
            else [np.concatenate(each) for each in zip(*parts, strict=True)]
        )
        times, positions, *values = columns
        self.state.load(codes, times, positions, values)

    def _rows_of(self, history: History) -> list[NDArray[np.generic]]:
        """Return code, time and position of each event that passes, then the value columns."""
        batch, positions = history.events, history.positions
        passes = mask(self.source.filters, batch)
        if passes is not None:
            batch, positions = batch.take(passes), positions[passes]
        found, keys = numbered_keys(batch, self.source.keys)
        codes = np.full(len(keys), -1, np.int32)
        # a batch may name keys of which it has no row: they are nobody's business here
        named = np.flatnonzero(np.bincount(found, minlength=len(keys)))
        get = self.codes.get
        codes[named] = [
            self._new_code(key) if (code := get(key)) is None else code
            for key in map(keys.__getitem__, named.tolist())
        ]
        times = batch.numbers(self._plan.contract.event_time.name).astype(np.int64, copy=False)
        values = [column.encode(batch) for column in self._plan.columns]
        return [np.ascontiguousarray(codes[found], np.int32), times, positions, *values]

    def dump(self) -> Mapping[str, memoryview]:
        """Return all events by the column, as `OnlineFeatures.dump` says."""
        codes, times, positions, values = self.state.dump()
        if self._free:  # codes that no key has: number the others anew, in their order
            places = np.full(len(self.codes) + len(self._free), -1, np.int32)
            held = sorted(self.codes.values())
            places[held] = np.arange(len(held), dtype=np.int32)
            codes = places[np.frombuffer(codes, np.int32)].tobytes()
        columns = {
            "keys": memoryview(
                msgspec.msgpack.encode(sorted(self.codes, key=self.codes.__getitem__))
            ),
            "codes": memoryview(codes),
            "times": memoryview(times),
            "positions": memoryview(positions),
        }
        return columns | {f"value_{at}": memoryview(one) for at, one in enumerate(values)}

    def restore(self, columns: Mapping[str, memoryview]) -> None:
        """Take what `dump` gave into a state that has no events yet."""
        keys = msgspec.msgpack.decode(columns["keys"], type=list[_StoredKey])
        self.codes.update(zip(map(_key_of, keys), range(len(keys)), strict=True))
        if self._keys is not None:
            self._keys.extend(self.codes)
        self.state.load(
            columns["codes"].cast("i"),
            columns["times"].cast("q"),
            columns["positions"].cast("q"),
            [columns[f"value_{at}"].cast("q") for at in range(len(self._plan.columns))],
        )

    def _new_code(self, key: object) -> int:
        code = self._free.pop() if self._free else len(self.codes)
        self.codes[key] = code
        if self._keys is not None:
            self._keys[code : code + 1] = [key]
        return code

    def _give_up(self, key: object) -> int:
        """Take a key out of the table; return the code that is free then."""
        code = self.codes.pop(key)
        self._free.append(code)
        if self._keys is not None:
            self._keys[code] = None
        return code


class ConsentState:
    """What each entity consents to now, and the windows that depend on it."""

    def __init__(self, consent: Consent, state: WindowState, output: int) -> None:
        self.consent, self._state, self._output = consent, state, output
        self._entity_of = attrgetter(consent.entity)
        self._values = array("d", bytes(8 * state.width))
        self.windows: list[WindowState] = []

    def is_given_by(self, event: Event) -> bool:
        """Say whether the entity that an event or a request names consents."""
        return self.is_given(self._entity_of(event))

    def is_given(self, entity: object) -> bool:
        """Say whether an entity consents."""
        code = self._state.codes.get(entity)
        if code is None:
            return False
        self._state.state.read(code, _AFTER_ALL_US, _ALL_HELD, self._values, 0)
        return self._values[self._output] != 0.0

    def allowed(self, history: History) -> History:
        """Leave out the events of those who do not consent now."""
        codes, keys = numbered_keys(history.events, (self.consent.entity,))
        given = np.array([self.is_given(key) for key in keys], np.bool_)
        return history.only(given[codes] if len(keys) else np.zeros(0, np.bool_))

    def entities(self, events: Iterable[Event]) -> list[object]:
        """Return those that some events of its own stream name and that consent now."""
        named = dict.fromkeys(self._entity_of(event) for event in events)
        return [entity for entity in named if self.is_given(entity)]

    def drop_without(self, entities: Iterable[object]) -> list["Withdrawn"]:
        """Drop what the windows hold of those that do not consent any more; say whose it is."""
        ended = [entity for entity in entities if not self.is_given(entity)]
        for entity in ended:
            for state in self.windows:
                state.forget(self.consent.entity, entity)
        return [Withdrawn(self.consent, entity) for entity in ended]


class Withdrawn(NamedTuple):
    """A consent that has just ended, and the entity that does not give it any more."""

    consent: Consent
    entity: object


_StoredKey = str | int | list[str | int]


def _key_of(stored: _StoredKey) -> object:
    return tuple(stored) if isinstance(stored, list) else stored
