"""Releases as JSON: what the API and the commands show."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kingpost.registry import Evidence, LiveRelease, ReleaseEvent, ReleasePlan, ReleaseState
from kingpost.serving.review_documents import moment

__all__ = [
    "LiveReleaseDocument",
    "ReleaseActionDocument",
    "ReleaseDocument",
    "ReleaseEventDocument",
    "ReleaseValueDocument",
    "ReleasedVersionDocument",
    "ReleasesDocument",
    "TakenValueDocument",
    "release_document",
    "release_event_document",
]


class ReleasedVersionDocument(msgspec.Struct):
    """What a bundle of a release has done in the process that answers."""

    role: str
    bundle: str
    requests: int
    failures: int


class LiveReleaseDocument(msgspec.Struct):
    """A release that goes on; `share` is what its stage lets the new bundle answer."""

    id: str
    bundle: str
    mode: str
    share: float
    stage: int
    started: str
    stage_started: str
    plan: ReleasePlan


class ReleaseEventDocument(msgspec.Struct):
    """One step of a release, as it is recorded."""

    decision: str
    at: str
    step: str
    release: str
    bundle: str
    champion: str
    stage: int
    by: str
    reason: str
    evidence: list[Evidence]


class ReleaseDocument(msgspec.Struct):
    """The releases of a decision.

    Attributes:
        champion: What runs; empty before the first release.
        problem: A champion that this process cannot run; empty when all is well.
        history: All steps, the latest first.
    """

    decision: str
    champion: str
    live: LiveReleaseDocument | None
    versions: list[ReleasedVersionDocument]
    problem: str
    history: list[ReleaseEventDocument]


class ReleasesDocument(msgspec.Struct):
    """The releases of every decision that is served."""

    releases: list[ReleaseDocument]


class ReleaseActionDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What to do with a release.

    Attributes:
        to: The bundle to go back to, or the beginning of its digest; with `rollback` only.
    """

    action: Literal["promote", "rollback"]
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    to: Annotated[str, Meta(max_length=64)] = ""


class ReleaseValueDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What an answer was worth to the business, from 0 to 1.

    Attributes:
        record: The id that came with the answer.
    """

    record: Annotated[str, Meta(min_length=1, max_length=64)]
    value: Annotated[float, Meta(ge=0, le=1)]


class TakenValueDocument(msgspec.Struct):
    """Whether a release that goes on takes the value into account."""

    counts: bool


def release_document(
    decision: str, state: ReleaseState, versions: list[ReleasedVersionDocument], problem: str
) -> ReleaseDocument:
    """Show the releases of a decision."""
    return ReleaseDocument(
        decision,
        state.champion,
        None if state.live is None else _live(state.live),
        versions,
        problem,
        [release_event_document(event) for event in reversed(state.events)],
    )


def release_event_document(event: ReleaseEvent) -> ReleaseEventDocument:
    """Show a step."""
    return ReleaseEventDocument(
        event.decision,
        moment(event.at_us),
        event.step,
        event.release,
        event.bundle,
        event.champion,
        event.stage,
        event.by,
        event.reason,
        list(event.evidence),
    )


def _live(live: LiveRelease) -> LiveReleaseDocument:
    return LiveReleaseDocument(
        live.id,
        live.bundle,
        live.plan.mode,
        live.share,
        live.stage,
        moment(live.started_at_us),
        moment(live.stage_at_us),
        live.plan,
    )
