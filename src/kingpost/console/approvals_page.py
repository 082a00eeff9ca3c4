"""Approvals: which bundles there are, who let them run and why, and what runs now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.running import decision_names
from kingpost.console.visit import Console, Visit
from kingpost.decisions import Bundle, read_bundle
from kingpost.registry import Approval, JudgedApproval

__all__ = ["approvals_routes"]


class _Bundle(NamedTuple):
    digest: str
    bundle: Bundle
    approvals: Sequence[Approval]
    is_running: bool


@dataclass(frozen=True)
class _Approvals:
    decision: str
    running: str
    bundles: Sequence[_Bundle]
    history: Sequence[JudgedApproval]


def approvals_routes(console: Console) -> Sequence[Route]:
    """Return the page of approvals."""

    def approvals(request: Request) -> Response:
        visit = console.visit(request)
        view = [_of(visit, name) for name in decision_names(visit)]
        return visit.page("approvals.html", view, title="Approvals", section="approvals")

    return [Route("/approvals", approvals)]


def _of(visit: Visit, decision: str) -> _Approvals:
    control = visit.sources.control
    history = control.judged_approvals(decision)
    served = visit.sources.served.get(decision)
    running = served.bundle.hex() if served else ""
    bundles = [
        _Bundle(
            one.digest,
            read_bundle(one),
            [
                approval
                for approval, problem, _ in history
                if not problem and approval.bundle == one.digest
            ],
            one.digest == running,
        )
        for one in reversed(control.bundles(decision))
    ]
    return _Approvals(decision, running, bundles, history[::-1])
