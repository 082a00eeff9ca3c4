"""What an auditor looks at: checkpoints of the logs, erasures and holds, exports.

The rule: whom an erasure is about is shown as a keyed digest and never in the clear; the page
of checkpoints shows what was signed, and the browser checks the newest by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.visit import Console, Visit
from kingpost.contracts import Instant
from kingpost.features import Erasure, Hold, RefusedErasure
from kingpost.proofs import PublishedLog, SignedCheckpoint
from kingpost.registry import ExportRun

__all__ = ["audit_routes"]

MOST_CHECKPOINTS = 50
_SCOPES = ("records", "audit")


class _Log(NamedTuple):
    name: str
    about: str
    newest: SignedCheckpoint | None
    earlier: Sequence[SignedCheckpoint]
    keys: Sequence[str]


class _Asked(NamedTuple):
    """An erasure that was asked for; `hold` is the one that forbade it, if one did."""

    at_us: int
    entity: str
    subject: str
    by: str
    reason: str
    position: str
    erasure: Erasure | None
    hold: Hold | None


class _Held(NamedTuple):
    hold: Hold
    subject: str
    position: str
    is_standing: bool


@dataclass(frozen=True)
class _Erasures:
    asked: Sequence[_Asked]
    holds: Sequence[_Held]


class _Export(NamedTuple):
    run: ExportRun
    asked: Sequence[str]
    position: str


_ABOUT = {
    "records": "Events, requests, decision records, reviews, erasures and holds",
    "control": "What was let run: models, bundles, approvals, releases, batches, exports",
}


def audit_routes(console: Console) -> Sequence[Route]:
    """Return the pages."""

    def checkpoints(request: Request) -> Response:
        visit = console.visit(request, *_SCOPES)
        view = [_log(name, log) for name, log in visit.sources.logs.items()]
        return visit.page("checkpoints.html", view, title="Checkpoints", section="audit")

    def erasures(request: Request) -> Response:
        visit = console.visit(request, *_SCOPES)
        return visit.page("erasures.html", _erasures(visit), title="Erasures", section="audit")

    def exports(request: Request) -> Response:
        visit = console.visit(request, *_SCOPES)
        return visit.page("exports.html", _exports(visit), title="Exports", section="audit")

    return [
        Route("/checkpoints", checkpoints),
        Route("/erasures", erasures),
        Route("/exports", exports),
    ]


def _log(name: str, log: PublishedLog) -> _Log:
    signed = log.newest(MOST_CHECKPOINTS)
    keys = list(map(str, log.keys()))
    return _Log(name, _ABOUT.get(name, ""), signed[0] if signed else None, signed[1:], keys)


def _erasures(visit: Visit) -> _Erasures:
    sources, tenant = visit.sources.erasures, visit.tenant
    if sources is None:
        return _Erasures((), ())
    holds = list(sources.holds(tenant))
    by_offset = {one.offset: one for one in holds}
    last = {(one.entity, one.key): one for one in holds}

    def asked(one: Erasure | RefusedErasure) -> _Asked:
        subject = sources.digest_of(tenant, one.entity, one.key)
        position = f"{sources.partition}:{one.offset}"
        is_done = isinstance(one, Erasure)
        return _Asked(
            one.at_us,
            one.entity,
            subject,
            one.by,
            one.reason,
            position,
            one if is_done else None,
            None if is_done else by_offset.get(one.hold),
        )

    every = [*sources.erasures(tenant), *sources.refused(tenant)]
    return _Erasures(
        [asked(one) for one in sorted(every, key=lambda one: -one.offset)],
        [
            _Held(
                one,
                sources.digest_of(tenant, one.entity, one.key),
                f"{sources.partition}:{one.offset}",
                last[one.entity, one.key] is one and not one.is_released,
            )
            for one in reversed(holds)
        ],
    )


def _exports(visit: Visit) -> Sequence[_Export]:
    return [
        _Export(run, _selected(run), f"control:{offset}")
        for offset, run in reversed(visit.sources.control.exports())
        if run.selection.get("tenant") in (None, visit.tenant)
    ]


def _selected(run: ExportRun) -> Sequence[str]:
    """Write what was asked for, a part a line; nothing is everything."""
    parts: list[str] = []
    for name, value in run.selection.items():
        if value is None:
            continue
        if name.endswith("_us") and isinstance(value, int):
            parts.append(f"{name.removesuffix('_us')} {Instant(value).isoformat()}")
        else:
            text = str(value)
            parts.append(f"{name} {text if len(text) <= 40 else text[:40] + '…'}")
    return parts
