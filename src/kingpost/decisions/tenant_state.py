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
"""Per tenant: a retry is recognised among at least half as many of the latest requests."""

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

    Kept in two generations, so that forgetting the older one costs nothing: each entry
    takes about 210 bytes.

    Args:
        limit: How many keys are kept; at least half as many of the latest.
    """

    def __init__(self, limit: int = RETRIES_REMEMBERED) -> None:
        self._generation = limit // 2
        self._young: dict[str, bytes] = {}
        self._old: dict[str, bytes] = {}

    def find(self, key: str) -> Before | None:
        """Return what is known of a key that `of_event` or `of_retry` made."""
        found = self._young.get(key) or self._old.get(key)
        return None if found is None else Before(found[:32], int.from_bytes(found[32:]))

    def remember(self, keys: Iterable[str], digest: bytes, offset: int) -> None:
        """Note a request under its keys; offset 0 when it may be asked again."""
        if len(self._young) >= self._generation:
            self._old, self._young = self._young, {}
        packed = digest + offset.to_bytes(8)
        for key in keys:
            self._young[key] = packed

    @staticmethod
    def of(columns: Mapping[str, memoryview]) -> "Answered":
        """Make what `columns` gave again."""
        answered = Answered()
        for name, generation in (("young", answered._young), ("old", answered._old)):
            keys = msgspec.msgpack.decode(columns[name], type=list[str])
            packed = bytes(columns[f"{name}_requests"])
            places = range(0, len(packed), _PACKED_BYTES)
            generation.update(
                zip(keys, [packed[at : at + _PACKED_BYTES] for at in places], strict=True)
            )
        return answered

    def columns(self) -> Mapping[str, memoryview]:
        """Return the keys as MessagePack and beside them 40 bytes each, per generation."""
        found: dict[str, memoryview] = {}
        for name, generation in (("young", self._young), ("old", self._old)):
            found[name] = memoryview(msgspec.msgpack.encode(list(generation)))
            found[f"{name}_requests"] = memoryview(b"".join(generation.values()))
        return found

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
