"""What the engine holds of each tenant.

The rule: nothing is shared between tenants.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from kingpost.decisions.application import Application
from kingpost.decisions.declare import Decision
from kingpost.features import (
    Consent,
    FeatureReader,
    MemoryRoom,
    OnlineFeatures,
    Versions,
    WindowFeatures,
)

__all__ = ["RETRIES_REMEMBERED", "Answered", "Before", "TenantState", "consents_of", "empty_state"]

RETRIES_REMEMBERED = 500_000
"""Per tenant: a retry is recognised among so many of the latest keys; a request has one or two."""

_PACKED_BYTES = 40


class Before(NamedTuple):
    """An earlier request under the same key.

    Attributes:
        digest: SHA-256 of its body.
        offset: Where its record lies; 0 when it failed and may be asked again.
    """

    digest: bytes
    offset: int


class Answered:
    """The latest requests of a tenant by event key and by idempotency key.

    Each key that comes takes the place of the oldest, so that memory stays level: an entry takes
    about 220 bytes.

    Args:
        limit: How many keys are kept.
    """

    def __init__(self, limit: int = RETRIES_REMEMBERED) -> None:
        self._limit = limit
        self._requests: dict[str, bytes] = {}
        self._keys: list[str] = []
        self._oldest = 0

    def find(self, key: str) -> Before | None:
        """Return what is known of a key that `of_event` or `of_retry` made."""
        found = self._requests.get(key)
        return None if found is None else Before(found[:32], int.from_bytes(found[32:]))

    def remember(self, keys: Iterable[str], digest: bytes, offset: int) -> None:
        """Note a request under its keys; offset 0 when it may be asked again."""
        packed = digest + offset.to_bytes(8)
        for key in keys:
            self._note(key, packed)

    def _note(self, key: str, packed: bytes) -> None:
        requests, held = self._requests, self._keys
        if key not in requests:
            if len(held) < self._limit:
                held.append(key)
            else:
                oldest = self._oldest
                del requests[held[oldest]]
                held[oldest] = key
                self._oldest = (oldest + 1) % self._limit
        requests[key] = packed

    @staticmethod
    def of(columns: Mapping[str, memoryview]) -> "Answered":
        """Make what `columns` gave again; earlier versions wrote two generations."""
        answered = Answered()
        for name in ("old", "young"):
            keys = msgspec.msgpack.decode(columns[name], type=list[str])
            packed = bytes(columns[f"{name}_requests"])
            for number, key in enumerate(keys):
                at = number * _PACKED_BYTES
                answered._note(key, packed[at : at + _PACKED_BYTES])
        return answered

    def columns(self) -> Mapping[str, memoryview]:
        """Return the keys as MessagePack, the oldest first, and beside them 40 bytes each."""
        keys = self._keys[self._oldest :] + self._keys[: self._oldest]
        packed = b"".join(self._requests[key] for key in keys)
        return {
            "old": memoryview(msgspec.msgpack.encode([])),
            "old_requests": memoryview(b""),
            "young": memoryview(msgspec.msgpack.encode(keys)),
            "young_requests": memoryview(packed),
        }

    @staticmethod
    def of_event(decision: str, event_key: str) -> str:
        """Make the key for a request's event."""
        return f"{decision}\0{event_key}"

    @staticmethod
    def of_retry(decision: str, idempotency_key: str) -> str:
        """Make the key for a request's idempotency key; no event's key is equal to it."""
        return f"{decision}\1{idempotency_key}"


@dataclass
class TenantState:
    """What one tenant's requests can see.

    Attributes:
        readers: A reader of features per decision.
        keys: Per stream, which version of each event counts; a second one is a duplicate.
    """

    online: OnlineFeatures
    readers: Mapping[str, FeatureReader]
    keys: dict[str, Versions]
    answered: Answered


def consents_of(decisions: Mapping[str, Decision]) -> tuple[Consent, ...]:
    """Return the consents that features of some decisions need."""
    return tuple(
        dict.fromkeys(one for each in decisions.values() for one in each.features.consents)
    )


def empty_state(
    application: Application,
    decisions: Mapping[str, Decision],
    room: MemoryRoom | None = None,
    consents: Iterable[Consent] = (),
    now_us: Callable[[], int] | None = None,
) -> TenantState:
    """Make the state of a tenant that has no events yet.

    Args:
        decisions: Those whose windows and consents it holds.
        room, now_us: See `OnlineFeatures`.
        consents: What it holds beside.
    """
    views: list[WindowFeatures] = [view for one in decisions.values() for view in one.views]
    needed = [*consents_of(decisions), *consents]
    online = OnlineFeatures(views, consents=needed, room=room, now_us=now_us)
    return TenantState(
        online,
        {name: online.reader(one.features) for name, one in decisions.items()},
        {name: Versions() for name in application.streams},
        Answered(),
    )
