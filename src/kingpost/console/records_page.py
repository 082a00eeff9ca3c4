"""Searching the records: by decision, key, outcome, model, principal, review, mistake and time.

The rule: a page begins where the one before ended, by place and not by number, so that the
thousandth page costs what the first does.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.errors import BadField
from kingpost.console.running import decision_names, label_of
from kingpost.console.visit import Console, Visit
from kingpost.core import id_text
from kingpost.records import Outcome, RecordLine, RecordQuery

__all__ = ["records_routes"]

_PAGE = 50
_LONGEST_TEXT = 255
_LARGEST = 1 << 62
_Review = Literal["approved", "overridden", "none"]
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = (
    "decision",
    "text",
    "outcome",
    "review",
    "model",
    "principal",
    "mistaken",
    "since",
    "until",
)


class _Found(NamedTuple):
    id: str
    line: RecordLine


@dataclass(frozen=True)
class _Search:
    decisions: Sequence[str]
    asked: Mapping[str, str]
    outcomes: Sequence[str]
    label: str
    total: int
    found: Sequence[_Found]
    older: str
    first: str
    is_narrowed: bool
    problem: str


def records_routes(console: Console) -> Sequence[Route]:
    """Return the search."""

    def records(request: Request) -> Response:
        visit = console.visit(request)
        view = _view(visit)
        status = 422 if view.problem else 200
        return visit.page("records.html", view, title="Records", section="records", status=status)

    return [Route("/records", records)]


def _view(visit: Visit) -> _Search:
    names = decision_names(visit)
    asked = {name: visit.asked(name) for name in _FIELDS}
    if asked["decision"] not in names:
        asked["decision"] = names[0] if names else ""
    lines: list[RecordLine] = []
    problem = ""
    if asked["decision"]:
        try:
            lines = list(visit.records.find(_query(visit, asked)))
        except BadField as error:
            problem = str(error)
    kept = {name: value for name, value in asked.items() if value}
    older = ""
    if len(lines) > _PAGE:
        event_time_us, offset = lines[_PAGE - 1].place
        older = f"/records?{urlencode({**kept, 'before': f'{event_time_us}:{offset}'})}"
    return _Search(
        decisions=names,
        asked=asked,
        outcomes=[one.value for one in Outcome],
        label=label_of(visit, asked["decision"]),
        total=visit.records.count(visit.tenant, asked["decision"]) if names else 0,
        found=[_Found(id_text(line.id), line) for line in lines[:_PAGE]],
        older=older,
        first=f"/records?{urlencode(kept)}" if visit.asked("before") else "",
        is_narrowed=len(kept) > 1,
        problem=problem,
    )


def _query(visit: Visit, asked: Mapping[str, str]) -> RecordQuery:
    """Read what the address asks for.

    Raises:
        BadField: It cannot be asked.
    """
    outcome, review = asked["outcome"], asked["review"]
    if outcome and outcome not in [one.value for one in Outcome]:
        raise BadField("Outcome", "choose one of the list")
    for name, shown in (("text", "Key or id"), ("principal", "Asked by")):
        if len(asked[name]) > _LONGEST_TEXT:
            raise BadField(shown, f"{_LONGEST_TEXT} characters at most")
    since_us, until_us = _moment("From", asked["since"]), _moment("Until", asked["until"])
    if until_us is not None and len(asked["until"]) == len("2018-09-12"):
        until_us += int(timedelta(days=1).total_seconds() * 1e6)
    if asked["model"] and not _DIGEST.fullmatch(asked["model"]):
        raise BadField("Bundle or model", "write its digest, 64 hex digits")
    return RecordQuery(
        tenant=visit.tenant,
        decision=asked["decision"],
        text=asked["text"],
        outcome=Outcome(outcome) if outcome else None,
        review=_review(review),
        model=bytes.fromhex(asked["model"]),
        principal=asked["principal"],
        mistaken=asked["mistaken"] == "yes",
        since_us=since_us,
        until_us=until_us,
        before=_place(visit.asked("before")),
        limit=_PAGE + 1,
    )


def _review(text: str) -> _Review | None:
    for known in get_args(_Review):
        if text == known:
            return known
    if text:
        raise BadField("Review", "choose one of the list")
    return None


def _moment(field: str, text: str) -> int | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadField(field, "write a day as 2018-09-12, or a time as 2018-09-12T14:00") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _place(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    event_time_us, _, offset = text.partition(":")
    try:
        place = int(event_time_us), int(offset)
    except ValueError:
        raise BadField("Page", "this is no page; begin anew") from None
    if max(map(abs, place)) > _LARGEST:
        raise BadField("Page", "this is no page; begin anew")
    return place
