"""Errors of feature declarations, of their parity and of the stores they are read from."""

from kingpost.core import KingpostError, Place

__all__ = [
    "BadPartitions",
    "ConsentNotShared",
    "FeaturesForgotten",
    "LeakingLabel",
    "SpillDamaged",
    "StoreAhead",
    "StoreBehind",
    "StoreFull",
    "StoreNotResumed",
    "StoreUnfit",
    "StoreUnreachable",
    "UnfitTable",
    "UnlistedPartition",
    "WrongFeature",
]


class WrongFeature(KingpostError):
    """A feature declaration that cannot work; it names the line and the mend."""

    code = "wrong_feature"

    def __init__(self, problem: str, mend: str, place: Place) -> None:
        super().__init__(problem, mend, place)
        self.problem, self.mend, self.place = problem, mend, place

    def __str__(self) -> str:
        return f"{self.place}\n  {self.problem}; {self.mend}"


class LeakingLabel(WrongFeature):
    """A declaration through which training would see what was not yet known."""

    code = "leaking_label"


class ConsentNotShared(KingpostError):
    """Features that need consent, read where nobody follows who consents."""

    code = "consent_not_shared"

    def __init__(self, purpose: str) -> None:
        super().__init__(purpose)
        self.purpose = purpose

    def __str__(self) -> str:
        return (
            f"a store by itself does not know who consents to {self.purpose!r}: that is in the "
            "journal of the partition that a request comes to; read such features through "
            "`kingpost run`, or in process with `OnlineFeatures`"
        )


class UnfitTable(KingpostError):
    """Tables that cannot be joined as of a time; it names the table and the mend."""

    code = "unfit_table"

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem, self.mend = problem, mend

    def __str__(self) -> str:
        return f"{self.problem}; {self.mend}"


class SpillDamaged(KingpostError):
    """Events that were moved out of memory and cannot be read back as they were."""

    code = "spill_damaged"

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return (
            f"the file that holds windows outside memory is damaged at byte {self.place}; it is "
            "made anew at a start, from the journal: check the disk, then start again"
        )


class BadPartitions(KingpostError):
    """A list of partitions that cannot number events."""

    code = "bad_partitions"

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names)
        self.names = names

    def __str__(self) -> str:
        return (
            f"the partitions {', '.join(self.names[:5]) or '(none)'} cannot number events: "
            "list each partition once, at least one and at most 16,384"
        )


class UnlistedPartition(KingpostError):
    """A partition that is not in the list that numbers events."""

    code = "unlisted_partition"

    def __init__(self, partition: str, names: tuple[str, ...]) -> None:
        super().__init__(partition, names)
        self.partition, self.names = partition, names

    def __str__(self) -> str:
        return (
            f"partition {self.partition!r} is not listed ({', '.join(self.names)}): "
            "add it at the end of the list, in every process"
        )


class StoreUnreachable(KingpostError):
    """The online store did not answer, or not in time.

    Safe to retry: each change is applied once, whether or not the first try arrived.
    """

    code = "online_store_unreachable"
    retry_safe = True

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where, self.problem = where, problem

    def __str__(self) -> str:
        return (
            f"the online store at {self.where} does not answer ({self.problem}); nothing is lost, "
            "the events are in the journal: check the server and the network, then try again"
        )


class StoreFull(KingpostError):
    """The online store has no memory left for new events.

    Safe to retry: nothing was applied.
    """

    code = "online_store_full"
    retry_safe = True

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return (
            f"the online store at {self.where} is out of memory and took nothing; nothing is lost, "
            "the events are in the journal: raise `maxmemory`, or clear layouts no longer used"
        )


class StoreBehind(KingpostError):
    """The online store holds less of a partition than it was given: it has lost events."""

    code = "online_store_behind"

    def __init__(self, partition: str, found: int, expected: int) -> None:
        super().__init__(partition, found, expected)
        self.partition, self.found, self.expected = partition, found, expected

    def __str__(self) -> str:
        found = "nothing" if self.found < 0 else f"nothing after offset {self.found}"
        return (
            f"the online store holds {found} of partition {self.partition!r}, which had been "
            f"applied up to {self.expected}: it was emptied, or fell back to an older copy; "
            "`catch_up` with the partition's journal brings it up to date again"
        )


class StoreAhead(KingpostError):
    """The online store holds more of a partition than its journal: not the same events."""

    code = "online_store_ahead"

    def __init__(self, partition: str, found: int, ends_at: int) -> None:
        super().__init__(partition, found, ends_at)
        self.partition, self.found, self.ends_at = partition, found, ends_at

    def __str__(self) -> str:
        return (
            f"the online store holds partition {self.partition!r} up to offset {self.found}, and "
            f"its journal here ends at {self.ends_at}: the journal is an older copy, or another "
            "server writes under that name; give each server a partition of its own, or empty the "
            "store's database, which every server then fills again from its journal"
        )


class StoreNotResumed(KingpostError):
    """Changes of a partition came before anybody asked how far the store has come."""

    code = "online_store_not_resumed"

    def __init__(self, partition: str) -> None:
        super().__init__(partition)
        self.partition = partition

    def __str__(self) -> str:
        return (
            f"changes of partition {self.partition!r} cannot be applied yet: call `catch_up` "
            "with its journal first, so that none is left out"
        )


class StoreUnfit(KingpostError):
    """The server cannot keep features as they must be kept, or refuses to."""

    code = "online_store_unfit"

    def __init__(self, where: str, problem: str, mend: str) -> None:
        super().__init__(where, problem, mend)
        self.where, self.problem, self.mend = where, problem, mend

    def __str__(self) -> str:
        return f"the online store at {self.where} {self.problem}; {self.mend}"


class FeaturesForgotten(KingpostError):
    """A read looks back to where events may have been let go."""

    code = "features_forgotten"

    def __init__(self, stream: str, key: str, late_s: float) -> None:
        super().__init__(stream, key, late_s)
        self.stream, self.key, self.late_s = stream, key, late_s

    def __str__(self) -> str:
        return (
            f"windows over {self.stream!r} by {self.key!r} are no longer held for a request "
            f"{self.late_s:.0f} s behind: compute it offline from the journal, "
            "or hold events longer, with the stream's `retention` or the store's `grace`"
        )
