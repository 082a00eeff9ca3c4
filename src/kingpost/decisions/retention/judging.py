"""Which commits may be kept no longer.

The rule: a commit goes as a whole, when the time of everything in it is over. What somebody
holds before the law, what waits for a person, and all that says how the rest is to be read
(contracts, erasures, holds, consents) stays.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress

import msgspec

from kingpost.contracts import decode_batch, split_body
from kingpost.core import id_text
from kingpost.decisions.application import Application
from kingpost.decisions.retention.policy import RetentionPolicy
from kingpost.features import Hold, entity_field
from kingpost.journal import REMOVED, Commit, Entry
from kingpost.records import decode_record, decode_review, decode_usage

__all__ = ["Judge", "standing_holds"]

_OF_STREAM = frozenset(["event", "events", "request", "quarantine", "replayed"])
_CHANGES = frozenset(["correction", "retraction"])
_OF_DECISION = frozenset(["record", "shadow", "review", "suspicion", "usage"])
_NAMES_SOMEBODY = frozenset(["event", "events", "request", "correction"])

_OF_MODEL = ".model"
"""How the name of a decision's model ends, as it is asked for itself."""

Entities = Mapping[str, Collection[tuple[str, str]]]
"""By tenant, fields and the values that they name somebody by."""


class Judge:
    """Says of commits, in their order, whether they may be kept.

    Args:
        now_us: Ages are counted up to it, from when a commit was appended.
        held: Entities that legal holds stand on.
        reviewed: Ids of records whose review is open, as text.

    Attributes:
        kept: How many commits stay though their time is over, by the reason.
        gone: How many entries of each kind go.
    """

    def __init__(
        self,
        policy: RetentionPolicy,
        application: Application,
        now_us: int,
        *,
        held: Entities,
        reviewed: Collection[str],
    ) -> None:
        self.kept: Counter[str] = Counter()
        self.gone: Counter[str] = Counter()
        self._policy, self._streams, self._now_us = policy, application.streams, now_us
        self._held, self._reviewed = held, reviewed
        self._needed: set[bytes] = set()

    def is_kept(self, commit: Commit) -> bool:
        """Say whether a commit stays; those before it were asked about before."""
        age_us = self._now_us - commit.time_us
        if not all(self._is_over(entry, age_us) for entry in commit.entries):
            return True
        reason = self._exception(commit)
        if reason:
            self.kept[reason] += 1
            return True
        self.gone.update(entry.kind for entry in commit.entries)
        return False

    def _is_over(self, entry: Entry, age_us: int) -> bool:
        """Say whether the time of an entry is over; that of what no policy knows never is."""
        if entry.kind == REMOVED:
            return False
        if entry.kind in _OF_STREAM or entry.kind in _CHANGES:
            kept = self._policy.streams.get(entry.topic)
        elif entry.kind in _OF_DECISION:
            kept = self._policy.decisions.get(entry.topic)
        elif entry.kind == "inference":
            kept = self._policy.decisions.get(entry.topic.removesuffix(_OF_MODEL))
        else:
            kept = None
        return kept is not None and kept.for_us is not None and age_us >= kept.for_us

    def _exception(self, commit: Commit) -> str:
        """Say why a commit stays whose time is over; nothing where it goes."""
        reason = ""
        for entry in commit.entries:
            if self._names_held(entry):
                reason = reason or "legal hold"
            elif entry.kind == "review":
                if decode_review(entry.body).record in self._needed:
                    reason = reason or "its record is kept"
            elif entry.kind == "usage":
                if decode_usage(entry.body).record in self._needed:
                    reason = reason or "its record is kept"
            elif entry.kind in ("record", "shadow"):
                identifier = decode_record(entry.body).id
                if identifier in self._needed or id_text(identifier) in self._reviewed:
                    reason = reason or "open review"
            elif entry.kind in _CHANGES and (self._held.get(entry.tenant) or self._reviewed):
                # an event that it changes may be kept, and must not come back as it was
                reason = reason or "an event that it changes may be kept"
        if reason:
            self._needed.update(
                decode_record(one.body).id for one in commit.entries if one.kind == "record"
            )
        return reason

    def _names_held(self, entry: Entry) -> bool:
        held = self._held.get(entry.tenant)
        contract = self._streams.get(entry.topic)
        if not held or contract is None or entry.kind not in _NAMES_SOMEBODY:
            return False
        fields = {name for name, _ in held if entity_field(contract, name) is not None}
        if not fields:
            return False
        if entry.kind == "events":
            batch = decode_batch(entry.body, contract)
            return any((name, str(one)) in held for name in fields for one in batch.values(name))
        found: dict[str, object] = {}
        with suppress(msgspec.MsgspecError):
            found = msgspec.json.decode(split_body(entry.body)[0], type=dict[str, object])
        return any((name, str(found[name])) in held for name in fields if name in found)


def standing_holds(holds: Mapping[str, Collection[Hold]]) -> Entities:
    """Return whom holds stand on now, by tenant, from all holds and their ends in order."""
    found: dict[str, set[tuple[str, str]]] = {}
    for tenant, every in holds.items():
        standing = found.setdefault(tenant, set())
        for one in every:
            change = standing.discard if one.is_released else standing.add
            change((one.entity, one.key))
    return found
