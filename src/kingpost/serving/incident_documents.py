"""What was done about incidents, as JSON, and what asks for it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from kingpost.core import id_text
from kingpost.monitoring import TimelineLine
from kingpost.serving.incident_desk import IncidentReport, SentToReview
from kingpost.serving.incident_report import markdown_of
from kingpost.serving.review_documents import IncidentDocument, incident_document, moment

__all__ = [
    "AffectedQuery",
    "IncidentNoteDocument",
    "IncidentReportDocument",
    "IncidentReviewDocument",
    "SentToReviewDocument",
    "TimelineDocument",
    "report_document",
    "sent_document",
    "timeline_document",
]


class AffectedQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which of the decisions that an incident affected.

    Attributes:
        before: `next` of the page before.
    """

    before: Annotated[str, Meta(pattern=r"^(-?[0-9]{1,18}:[0-9]{1,18})?$")] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class IncidentNoteDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What a person has to say of an incident."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class IncidentReviewDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Has the decisions that an incident affected reviewed again.

    Attributes:
        queue: Whose people; by default those whom the decision asks.
        limit: So many of the newest are looked at.
    """

    queue: Annotated[str, Meta(pattern=r"^([a-z][a-z0-9_-]{0,63})?$")] = ""
    reason: Annotated[str, Meta(max_length=2000)] = ""
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1_000


class SentToReviewDocument(msgspec.Struct):
    """What came of it; `passed_over` were reviewed or wait, `is_all` says that none is left."""

    queue: str
    sent: int
    passed_over: int
    is_all: bool


class TimelineDocument(msgspec.Struct):
    """One thing that happened; `by` is a person, a channel or `monitors`."""

    at: str
    kind: str
    by: str
    text: str


class IncidentReportDocument(msgspec.Struct):
    """All there is to say of an incident; `records` are the newest that it affected.

    Attributes:
        affected: How many, of the newest 10,000; `is_all` is false when there are more.
        reviewed, overridden: How many of them people looked at, and answered otherwise.
        markdown: The same for people.
    """

    incident: IncidentDocument
    timeline: list[TimelineDocument]
    affected: int
    is_all: bool
    reviewed: int
    overridden: int
    records: list[str]
    markdown: str


def sent_document(sent: SentToReview) -> SentToReviewDocument:
    """Render what came of sending decisions to review."""
    return SentToReviewDocument(*sent)


def timeline_document(line: TimelineLine) -> TimelineDocument:
    """Render one thing that happened."""
    return TimelineDocument(moment(line.at_us), line.kind, line.by, line.text)


def report_document(report: IncidentReport) -> IncidentReportDocument:
    """Render a report."""
    return IncidentReportDocument(
        incident=incident_document(report.incident),
        timeline=[timeline_document(line) for line in report.timeline],
        affected=report.affected,
        is_all=report.is_all,
        reviewed=report.reviewed,
        overridden=report.overridden,
        records=[id_text(line.id) for line in report.newest],
        markdown=markdown_of(report),
    )
