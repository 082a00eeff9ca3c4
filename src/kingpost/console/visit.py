"""One request for a page: who asks, what it may read, how the page is made.

The rule: a page is made in a thread of its own with that thread's stores; whoever asks sees
their own tenant and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from kingpost.access import MissingScope, Principal
from kingpost.console.sources import ConsoleSources
from kingpost.console.templating import templates
from kingpost.core import Clock
from kingpost.monitoring import MonitorStore
from kingpost.records import RecordSearch
from kingpost.tasks import TaskStore

__all__ = ["THEME_COOKIE", "Console", "Section", "Visit", "theme_of"]

Section = Literal[
    "overview",
    "inbox",
    "incidents",
    "workflows",
    "records",
    "features",
    "models",
    "approvals",
    "audit",
    "",
]
"""Which part of the console a page belongs to; empty for none."""

THEME_COOKIE = "kingpost-theme"
_HTML = {"cache-control": "no-store"}


class _Link(NamedTuple):
    """An entry of the navigation; `badge` counts what waits there."""

    section: Section
    path: str
    title: str
    badge: int = 0
    is_urgent: bool = False


@dataclass(frozen=True)
class _Frame:
    """What the layout shows around a page."""

    links: Sequence[_Link]
    section: Section
    who: str
    tenant: str
    scopes: Sequence[str]
    csrf: str
    theme: str
    path: str


@dataclass(frozen=True)
class Console:
    """What all pages share."""

    sources: ConsoleSources
    clock: Clock

    def visit(self, request: Request, *scopes: str) -> "Visit":
        """Begin to answer a request.

        Args:
            scopes: It must have one of them, whole or narrowed; `records` by default.

        Raises:
            MissingScope: It has none.
        """
        principal: Principal = request.state.principal
        wanted = scopes or ("records",)
        if not any(_has(principal, scope) for scope in wanted):
            raise MissingScope(wanted[0])
        return Visit(self, request, principal)


class Visit:
    """A request that was let in, in the thread that answers it."""

    def __init__(self, console: Console, request: Request, principal: Principal) -> None:
        self.request, self.principal = request, principal
        self.sources, self.clock = console.sources, console.clock
        self.now_us = console.clock.now_us()

    @property
    def tenant(self) -> str:
        """Whose data the pages show."""
        return self.principal.tenant

    @property
    def records(self) -> RecordSearch:
        """This thread's search."""
        return self.sources.records()

    @property
    def monitors(self) -> MonitorStore:
        """This thread's monitors."""
        return self.sources.monitors()

    @property
    def tasks(self) -> TaskStore:
        """This thread's inbox."""
        return self.sources.tasks()

    @property
    def may_read(self) -> bool:
        """Whether they may open more than the inbox."""
        return self.principal.may("records")

    @property
    def may_steer(self) -> bool:
        """Whether there are workflows here that they may see and steer."""
        return self.sources.workflows is not None and self.principal.may("workflows")

    def may_review(self, queue: str = "") -> bool:
        """Tell whether they may answer the tasks of a queue; of any one when none is named."""
        if queue:
            return self.principal.may("review", queue)
        return _has(self.principal, "review")

    def may_see(self, queue: str | None) -> bool:
        """Tell whether they may see a task of a queue, and what it is about; None is no task."""
        return self.may_read or (queue is not None and self.may_review(queue))

    def asked(self, name: str, default: str = "") -> str:
        """Return a parameter of the address."""
        return self.request.query_params.get(name, default).strip()

    def page(
        self, template: str, view: object, *, title: str, section: Section, status: int = 200
    ) -> Response:
        """Make a whole page."""
        made = templates().get_template(template)
        frame = self._frame(section)
        return HTMLResponse(
            made.render(view=view, frame=frame, title=title, now_us=self.now_us), status, _HTML
        )

    def fragment(self, template: str, view: object) -> Response:
        """Make a part of a page, for one that is open."""
        csrf: str = self.request.state.csrf
        body = templates().get_template(template).render(view=view, csrf=csrf, now_us=self.now_us)
        return HTMLResponse(body, headers=_HTML)

    def _frame(self, section: Section) -> _Frame:
        principal = self.principal
        return _Frame(
            links=self._links(),
            section=section,
            who=principal.by,
            tenant=principal.tenant,
            scopes=sorted(principal.scopes),
            csrf=self.request.state.csrf,
            theme=theme_of(self.request),
            path=self.request.url.path,
        )

    def _links(self) -> Sequence[_Link]:
        counts = self.tasks.counts(self.tenant, self.now_us)
        seen = [one for one in counts if self.may_review(one.queue)]
        inbox = _Link(
            "inbox",
            "/inbox",
            "Inbox",
            sum(one.open + one.claimed for one in seen),
            any(one.overdue for one in seen),
        )
        workflows = (_Link("workflows", "/workflows", "Workflows"),) if self.may_steer else ()
        audit = _Link("audit", "/checkpoints", "Audit")
        if not self.may_read:
            audited = (audit,) if self.principal.may("audit") else ()
            return (*((inbox,) if self.may_review() else ()), *workflows, *audited)
        waiting = len(self.monitors.incidents(self.tenant, open_only=True))
        return (
            _Link("overview", "/", "Overview"),
            inbox,
            _Link("incidents", "/incidents", "Incidents", waiting, waiting > 0),
            *workflows,
            _Link("records", "/records", "Records"),
            _Link("features", "/features", "Features"),
            _Link("models", "/models", "Models"),
            _Link("approvals", "/approvals", "Approvals"),
            audit,
        )


def theme_of(request: Request) -> str:
    """Return the colours somebody chose: `light`, `dark`, or empty for their system's."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in ("light", "dark") else ""


def _has(principal: Principal, scope: str) -> bool:
    return principal.may(scope) or bool(principal.narrowed(scope))
