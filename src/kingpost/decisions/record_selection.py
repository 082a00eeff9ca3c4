"""Which records are exported, or decided again."""

import msgspec

from kingpost.contracts import split_body
from kingpost.journal import Entry
from kingpost.records import DecisionRecord

__all__ = ["RecordSelection"]


class RecordSelection(msgspec.Struct, frozen=True, kw_only=True):
    """What a record must meet.

    Attributes:
        since_us: Decided at this time or later, microseconds UTC.
        until_us: Decided before this time.
        version: The digest of its bundle, or how it begins.
        subject: A field of the request and its value, as text: `("customer", "C42")`.
        tenant: None for the records of all.
    """

    since_us: int | None = None
    until_us: int | None = None
    decision: str | None = None
    version: str | None = None
    subject: tuple[str, str] | None = None
    tenant: str | None = None

    def takes(self, record: DecisionRecord, asked: Entry | None) -> bool:
        """Say whether a record is wanted.

        Args:
            asked: The entry of the request that it answers; None where there is none.
        """
        if not self._takes_record(record):
            return False
        if self.subject is None:
            return True
        return asked is not None and self._takes_request(split_body(asked.body)[0])

    def _takes_record(self, record: DecisionRecord) -> bool:
        return (
            (self.since_us is None or record.at_us >= self.since_us)
            and (self.until_us is None or record.at_us < self.until_us)
            and self.decision in (None, record.decision)
            and self.tenant in (None, record.tenant)
            and (self.version is None or record.bundle.hex().startswith(self.version))
        )

    def _takes_request(self, clear: bytes) -> bool:
        """Say whether a request, without its personal fields, is of the subject."""
        assert self.subject is not None  # there is nothing to ask else
        entity, name = self.subject
        found = msgspec.json.decode(clear, type=dict[str, object]).get(entity)
        return found is not None and str(found) == name

    def facts(self) -> dict[str, str | int | None]:
        """Return what was asked for, for the manifest."""
        subject = None if self.subject is None else "=".join(self.subject)
        return {
            "since_us": self.since_us,
            "until_us": self.until_us,
            "decision": self.decision,
            "version": self.version,
            "subject": subject,
            "tenant": self.tenant,
        }
