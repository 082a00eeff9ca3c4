"""What became of retrainings: the entries of the control log, and what they add up to.

The rule: a stage that a run has begun, done or ended in is noted once, so a run that is taken up
again after a crash finds what it has done and does none of it twice. The log alone says how a run
stands; whoever asked it to stop stands there too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

import msgspec

__all__ = [
    "STAGES",
    "RetrainingEvent",
    "RetrainingRun",
    "RetrainingStage",
    "RetrainingState",
    "RetrainingStep",
    "runs_of",
]

Filled = Annotated[str, msgspec.Meta(min_length=1)]

RetrainingStage = Literal[
    "evaluate", "labels", "retrain", "gates", "approve", "shadow", "canary", "champion"
]
STAGES: Sequence[RetrainingStage] = get_args(RetrainingStage)
"""The stages of a run, in their order."""

RetrainingStep = Literal[
    "asked", "begun", "done", "not_needed", "refused", "failed", "stop_asked", "stopped"
]
"""What is noted: `asked` begins a run; of a stage that it is begun or done, or that the run ends
in it: since nothing is to be done, since the new bundle is not good enough, since something
failed, or since somebody wanted it so."""

RetrainingState = Literal["waits", "runs", "released", "not_needed", "refused", "failed", "stopped"]

_ENDS: Mapping[RetrainingStep, RetrainingState] = {
    "not_needed": "not_needed",
    "refused": "refused",
    "failed": "failed",
    "stopped": "stopped",
}


class RetrainingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened in a run.

    Attributes:
        run: Names the run.
        incident: The incident that is its cause; empty where a schedule or a person is.
        stage: Empty of `asked` and `stop_asked`.
        reason: In words: what was found, why it ended, who wants it stopped and why.
        numbers: What was measured.
        since_us: Of `asked`: since when the data are as they are now; None where they were
            always so.
        replaces: Of `asked`: digest of the bundle that ran; empty where any is meant.
        bundle: Digest of the bundle that it made, as soon as there is one.
        judged_us: The period that this was judged on, event times; none where it was on nothing.
        by: Who did it; `kingpost` where the run did.
    """

    format: Literal[1] = 1
    decision: Filled
    tenant: str
    run: Filled
    incident: str = ""
    stage: RetrainingStage | Literal[""] = ""
    step: RetrainingStep
    reason: str = ""
    numbers: Mapping[str, float] = {}
    since_us: int | None = None
    replaces: str = ""
    bundle: str = ""
    judged_us: tuple[int, int] | None = None
    by: Filled
    at_us: int


@dataclass(frozen=True)
class RetrainingRun:
    """What the events of a run add up to.

    Attributes:
        events: Oldest first; the first one is `asked`.
    """

    events: tuple[RetrainingEvent, ...] = field(repr=False)

    @property
    def id(self) -> str:
        """What names it."""
        return self.events[0].run

    @property
    def asked(self) -> RetrainingEvent:
        """How it was begun: by whom, when, why, and for which incident."""
        return self.events[0]

    @property
    def ended(self) -> RetrainingEvent | None:
        """What it ended with; None while it goes on."""
        for event in self.events:
            if event.step in _ENDS or (event.stage, event.step) == ("champion", "done"):
                return event
        return None

    @property
    def state(self) -> RetrainingState:
        """How it stands."""
        ended = self.ended
        if ended is not None:
            return _ENDS.get(ended.step, "released")
        return "runs" if any(event.step == "begun" for event in self.events) else "waits"

    @property
    def bundle(self) -> str:
        """Digest of the bundle that it made; empty before."""
        return next((event.bundle for event in reversed(self.events) if event.bundle), "")

    @property
    def stop(self) -> RetrainingEvent | None:
        """Who asked for its end; None when nobody did."""
        return next((event for event in self.events if event.step == "stop_asked"), None)

    def noted(self, stage: RetrainingStage, step: RetrainingStep) -> RetrainingEvent | None:
        """Return what was noted of a stage; None when it was not."""
        found = (one for one in self.events if (one.stage, one.step) == (stage, step))
        return next(found, None)


def runs_of(events: Iterable[RetrainingEvent]) -> tuple[RetrainingRun, ...]:
    """Return the runs of a decision, oldest first."""
    runs: dict[str, list[RetrainingEvent]] = {}
    for event in events:
        runs.setdefault(event.run, []).append(event)
    return tuple(RetrainingRun(tuple(found)) for found in runs.values())
