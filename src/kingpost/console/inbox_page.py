"""The inbox: what waits for people, what they hold, what they have done.

The rule: somebody sees the tasks of the queues that they may answer. What is late comes
first; the store keeps that order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.visit import Console, Visit
from kingpost.serving import queues_for
from kingpost.tasks import Task, TaskKind, TaskQuery

__all__ = ["inbox_routes"]

_PAGE = 25
_TABS = (
    ("reviews", "Reviews"),
    ("approvals", "Approvals"),
    ("incidents", "Incidents"),
    ("mine", "Mine"),
    ("closed", "Closed"),
)
_KINDS: dict[str, TaskKind] = {
    "reviews": "review",
    "approvals": "approval",
    "incidents": "incident",
}
_LONGEST_PLACE = 400


class _Tab(NamedTuple):
    name: str
    title: str
    path: str
    waiting: int | None


class _Queue(NamedTuple):
    name: str
    path: str
    waiting: int
    overdue: int


@dataclass(frozen=True)
class _Inbox:
    tab: str
    tabs: Sequence[_Tab]
    queue: str
    queues: Sequence[_Queue]
    every_queue: str
    tasks: Sequence[Task]
    here: str
    more: str
    first: str
    me: str
    done: str


def inbox_routes(console: Console) -> Sequence[Route]:
    """Return the inbox."""

    def inbox(request: Request) -> Response:
        visit = console.visit(request, "records", "review")
        return visit.page("inbox.html", _view(visit), title="Inbox", section="inbox")

    return [Route("/inbox", inbox)]


def _visible_queues(visit: Visit) -> tuple[str, ...] | None:
    """Return the queues whose tasks somebody may see; None is every queue."""
    if visit.principal.may("records"):
        return None
    return queues_for(visit.principal)


def _view(visit: Visit) -> _Inbox:
    tab = visit.asked("tab", "reviews")
    if tab not in dict(_TABS):
        tab = "reviews"
    queue, after = visit.asked("queue"), visit.asked("after")[:_LONGEST_PLACE]
    seen = _visible_queues(visit)
    counts = [
        one
        for one in visit.tasks.counts(visit.tenant, visit.now_us)
        if seen is None or one.queue in seen
    ]
    waiting = {
        name: sum(one.open + one.claimed for one in counts if one.kind == kind)
        for name, kind in _KINDS.items()
    }
    mine = visit.tasks.find(
        TaskQuery(tenant=visit.tenant, queues=seen, claimed_by=visit.principal.by, limit=200)
    )
    found = _tasks(visit, tab, queue, after, seen)
    narrowed = {"tab": tab, **({"queue": queue} if queue else {})}
    return _Inbox(
        tab=tab,
        tabs=[
            _Tab(
                name,
                title,
                f"/inbox?tab={name}",
                len(mine) if name == "mine" else waiting.get(name),
            )
            for name, title in _TABS
        ],
        queue=queue,
        queues=[
            _Queue(
                one.queue,
                f"/inbox?{urlencode({'tab': tab, 'queue': one.queue})}",
                one.open + one.claimed,
                one.overdue,
            )
            for one in counts
            if one.kind == _KINDS.get(tab)
        ],
        every_queue=f"/inbox?tab={tab}",
        tasks=found[:_PAGE],
        here=f"/inbox?{urlencode({**narrowed, **({'after': after} if after else {})})}",
        more=f"/inbox?{urlencode({**narrowed, 'after': found[_PAGE - 1].place})}"
        if len(found) > _PAGE
        else "",
        first=f"/inbox?{urlencode(narrowed)}" if after else "",
        me=visit.principal.by,
        done=visit.asked("done"),
    )


def _tasks(
    visit: Visit, tab: str, queue: str, after: str, seen: tuple[str, ...] | None
) -> Sequence[Task]:
    """Return a page of tasks and one more, to know whether there is another page."""

    def query(**narrowed: object) -> TaskQuery:
        return TaskQuery(
            tenant=visit.tenant,
            queue=queue or None,
            queues=seen,
            after=after,
            limit=_PAGE + 1,
            **narrowed,  # pyright: ignore[reportArgumentType]  the four below
        )

    match tab:
        case "mine":
            return visit.tasks.find(query(claimed_by=visit.principal.by))
        case "closed":
            return visit.tasks.find(query(state="closed"))
        case _:
            return visit.tasks.find(query(kind=_KINDS[tab], is_waiting=True))
