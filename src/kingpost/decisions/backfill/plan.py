"""What a backfill in parts computes: written down before the first part, kept to the end.

The rule: parts of one directory come of one definition over one state of the journal. A
plan that was begun is continued as of its own position, whatever was journalled since, and
not at all when what is asked for now would give other values.
"""

from pathlib import Path

import msgspec

from kingpost.core import KingpostError

__all__ = ["BackfillChanged", "BackfillOfPartitions", "BackfillPlan"]

FORMAT = 1
_NAMES = {
    "format": "the format",
    "decision": "the decision",
    "tenant": "the tenant",
    "features": "the definition of the features",
    "sources": "the application's source",
    "version": "the version of Kingpost",
    "stop": "the end of the journal",
    "requests": "the number of requests in the journal",
    "erasures": "the number of entities erased",
    "rows_per_part": "--rows-per-part",
}


class BackfillChanged(KingpostError):
    """A backfill was begun with another definition, or with other options."""

    code = "backfill_changed"

    def __init__(self, directory: Path, differences: tuple[str, ...]) -> None:
        super().__init__(directory, differences)
        self.directory, self.differences = directory, differences

    def __str__(self) -> str:
        return (
            f"{self.directory} holds parts of another backfill: {'; '.join(self.differences)}. "
            "Undo the change to continue it, or name another directory with --out"
        )


class BackfillOfPartitions(KingpostError):
    """A backfill in parts where several partitions hold the events."""

    code = "backfill_of_partitions"

    def __str__(self) -> str:
        return (
            "a backfill in parts reads one partition, and the settings list several; compute it in "
            "one go: leave out --workers, --rows-per-part and --on"
        )


class BackfillPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parts of a directory are.

    Attributes:
        features: Digest of the feature set.
        sources: Digest of the application's source: what a feature's function calls is in no
            other digest.
        version: Version of Kingpost.
        stop: The data partition is read up to this offset.
        requests: Requests of the decision before `stop`: the rows of all parts together.
        erasures: Entities of the tenant that were erased, also after `stop`: a part that was
            made before one still knows of it.
        rows_per_part: Rows of every part but the last.
    """

    format: int = FORMAT
    decision: str
    tenant: str
    features: str
    sources: str
    version: str
    stop: int
    requests: int
    erasures: int = 0
    rows_per_part: int

    @property
    def parts(self) -> int:
        """How many parts there are: one at least, so that the columns are known."""
        return max(1, -(-self.requests // self.rows_per_part))

    def rows_of(self, part: int) -> tuple[int, int]:
        """Return the first row of a part, and the first one after it."""
        first = part * self.rows_per_part
        return first, min(first + self.rows_per_part, self.requests)

    def over(self, stop: int, requests: int, erasures: int = 0) -> "BackfillPlan":
        """Return the same plan over another state of the journal."""
        return msgspec.structs.replace(self, stop=stop, requests=requests, erasures=erasures)

    def check_same(self, asked: "BackfillPlan", directory: Path) -> None:
        """Refuse to continue with what is asked for now, if it differs.

        That the journal has grown does not count.

        Raises:
            BackfillChanged: It says what differs.
        """
        self.check_journal(asked.over(self.stop, self.requests, self.erasures), directory)

    def check_journal(self, found: "BackfillPlan", directory: Path) -> None:
        """Refuse to continue with what was found, if it differs in anything.

        Raises:
            BackfillChanged: It says what differs.
        """
        differences = tuple(
            f"{_NAMES[name]} was {_shown(was)}, is {_shown(now)}"
            for name in self.__struct_fields__
            for was, now in [(getattr(self, name), getattr(found, name))]
            if was != now
        )
        if differences:
            raise BackfillChanged(directory, differences)


def _shown(value: object) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) > 32 else text
