"""What the changes of one partition do to windows that need consent, in a store of several.

The rule: consents count in the partition that they came to. Whether there is one when an
event comes is known from the journal of its own partition, before it; when one ends, what
this partition has brought is forgotten. So each partition alone says what a store holds of
it, and in which order the store got it from several makes no difference.
"""

from collections.abc import Sequence

from kingpost.features.online import OnlineFeatures
from kingpost.features.store import Change, Forgetting
from kingpost.features.window_state import Withdrawn

__all__ = ["ConsentGate"]


class ConsentGate:
    """Follows the consents of one tenant in one partition.

    Args:
        online: Holds the consents, as of the partition's last change.
    """

    def __init__(self, online: OnlineFeatures) -> None:
        self._online = online

    def pass_on(self, *changes: Change) -> list[Change | Forgetting]:
        """Take in what happens at one offset; return what a store is to do.

        Args:
            changes: One, or of a correction both: what goes out, and what comes in.
        """
        told: list[Change | Forgetting] = [
            change._replace(consents=self._online.given(change.event)) for change in changes
        ]
        told += [
            Forgetting(changes[0].offset, consent.entity, str(entity), consent)
            for consent, entity in self._take_in(*changes)
        ]
        return told

    def forget(self, entity: str, key: str) -> int:
        """Take in that an entity is erased; return how many consents it had said anything of."""
        return self._online.forget(entity, key)

    def _take_in(self, first: Change, second: Change | None = None) -> Sequence[Withdrawn]:
        stream, event, offset = first.stream, first.event, first.offset
        if first.came_at is None:
            return self._online.apply(stream, event, offset, erased=first.erased)
        if second is None:
            return self._online.retract(stream, event, first.came_at)
        return self._online.correct(
            stream, event, first.came_at, second.event, offset, erased=second.erased
        )
