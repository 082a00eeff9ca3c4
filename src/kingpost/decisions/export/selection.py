"""Which records are exported."""

from dataclasses import dataclass

import msgspec

from kingpost.records import DecisionRecord

__all__ = ["ExportSelection"]


@dataclass(frozen=True, kw_only=True)
class ExportSelection:
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

    def takes(self, record: DecisionRecord) -> bool:
        """Say whether a record is wanted, but for its subject."""
        return (
            (self.since_us is None or record.at_us >= self.since_us)
            and (self.until_us is None or record.at_us < self.until_us)
            and self.decision in (None, record.decision)
            and self.tenant in (None, record.tenant)
            and (self.version is None or record.bundle.hex().startswith(self.version))
        )

    def takes_request(self, clear: bytes) -> bool:
        """Say whether a request, without its personal fields, is of the subject."""
        if self.subject is None:
            return True
        entity, name = self.subject
        found = msgspec.json.decode(clear, type=dict[str, object]).get(entity)
        return found is not None and str(found) == name

    def facts(self) -> dict[str, object]:
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
