"""What became of releases: the entries of the control log, and what they add up to.

The rule: what runs follows from the log alone, so that all processes that read it agree, and
a restart changes nothing. Before the first release of a decision the newest approval runs;
from it on the champion does, and an approval only says what may be released.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from kingpost.registry.release_plan import ReleasePlan

__all__ = [
    "Evidence",
    "LiveRelease",
    "ReleaseEvent",
    "ReleaseState",
    "ReleaseStep",
    "state_after",
    "states_of",
]

ReleaseStep = Literal["started", "advanced", "promoted", "rolled_back", "restored", "refused"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a measure had come to when a release was ended by it.

    Attributes:
        requests, rate: Of the new bundle.
        champion_requests, champion_rate: Of the champion meanwhile.
        e_value: The evidence that the new bundle is worse by more than the margin.
        needed: What it had to reach: one over the share of alpha for the measure.
    """

    measure: str
    margin: float
    requests: int
    rate: float
    champion_requests: int
    champion_rate: float
    e_value: float
    needed: float


class ReleaseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a release.

    Attributes:
        release: Its id; empty for `restored`, which makes an earlier bundle champion, and
            for `refused`, by which a process says that it cannot run the champion.
        bundle: The one that is released, or restored.
        champion: The one that was champion when this happened.
        stage: The place of the stage that begins; 0 but for `advanced`.
        plan: Of `started`.
        by: Who did it; `kingpost` where a judge or the schedule did.
        evidence: What a judge found, of `rolled_back`.
    """

    format: Literal[1]
    decision: str
    release: str
    step: ReleaseStep
    bundle: str
    champion: str
    by: str
    reason: str
    at_us: int
    stage: int = 0
    plan: ReleasePlan | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class LiveRelease:
    """A release that goes on.

    Attributes:
        stage: The place of its stage.
        stage_at_us: When that began.
    """

    id: str
    bundle: str
    plan: ReleasePlan
    started_at_us: int
    stage: int
    stage_at_us: int

    @property
    def share(self) -> float:
        """The part of the requests that the new bundle answers, keys aside."""
        if self.plan.mode == "shadow":
            return 0.0
        if self.plan.mode == "blue_green":
            return 1.0
        return self.plan.stages[self.stage].share if self.plan.stages else 0.0


@dataclass(frozen=True)
class ReleaseState:
    """What the releases of a decision add up to.

    Attributes:
        champion: What runs; empty before the first release.
        former: Earlier champions, the latest last.
        live: The release that goes on.
        events: All of them, oldest first.
    """

    champion: str = ""
    former: tuple[str, ...] = ()
    live: LiveRelease | None = None
    events: tuple[ReleaseEvent, ...] = field(default=(), repr=False)


def state_after(state: ReleaseState, event: ReleaseEvent) -> ReleaseState:
    """Return what a decision's releases add up to after one more step."""
    champion, former, live = state.champion or event.champion, state.former, state.live
    match event.step:
        case "started" if event.plan is not None:
            live = LiveRelease(event.release, event.bundle, event.plan, event.at_us, 0, event.at_us)
        case "advanced" if live is not None:
            live = LiveRelease(
                live.id, live.bundle, live.plan, live.started_at_us, event.stage, event.at_us
            )
        case "promoted" | "restored":
            former, champion, live = (*former, champion), event.bundle, None
        case "rolled_back":
            live = None
        case _:
            pass  # said and done: the state is as before
    return ReleaseState(champion, former, live, (*state.events, event))


def states_of(events: Iterable[ReleaseEvent]) -> Mapping[str, ReleaseState]:
    """Return the state of each decision that was ever released."""
    states: dict[str, ReleaseState] = {}
    for event in events:
        states[event.decision] = state_after(states.get(event.decision, ReleaseState()), event)
    return states
