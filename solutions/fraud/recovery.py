"""The second half of the demonstration: a model that has become worthless is replaced by itself.

The rule: nobody intervenes. The alert has begun a durable run before the server ends; weeks
pass, which are ingested as files, since nothing but their payments and verdicts matters; the
server that starts then goes on with the run, and its traffic is all that the release needs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import kingpost as kp
from kingpost.calls import LoadClient
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.models import average_precision
from kingpost.registry import RetrainingRun
from solutions.fraud.replay import Call, Decided, Replayed, joined, send

__all__ = ["NotRecovered", "Recovered", "decisions_of", "quality", "release_by_traffic", "run_of"]

_PATIENCE_S = 300
_BEGINS_S = 90
_POLL_S = 0.1
_PARTS_A_DAY = 100
"""Traffic goes in such parts of a day while a release waits for it."""


class NotRecovered(kp.KingpostError):
    """The run did not bring a new model to work, or not in time."""

    code = "not_recovered"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the model was not replaced: {self.problem}"


@dataclass(frozen=True)
class Recovered:
    """How the run ended.

    Attributes:
        run: Its stages.
        meanwhile: What was decided while it was released.
        left: Calls that were not sent yet.
    """

    run: RetrainingRun
    meanwhile: Replayed
    left: list[Call]


def run_of(where: DataDirectory, incident: str) -> RetrainingRun:
    """Wait until the run of an incident has begun; one that found nothing to do does not count.

    Raises:
        NotRecovered: It did not begin, or another one did.
    """
    end_s = time.monotonic() + _BEGINS_S
    while not (runs := _runs(where)):
        if time.monotonic() > end_s:
            raise NotRecovered(f"no run looked at the champion within {_BEGINS_S} s")
        time.sleep(_POLL_S)
    if [run.asked.incident for run in runs] != [incident]:
        raise NotRecovered(f"{len(runs)} runs began, and not one of the incident {incident}")
    return runs[0]


def release_by_traffic(
    where: DataDirectory, client: LoadClient, calls: list[Call], per_day: float
) -> Recovered:
    """Wait for the release of the new model, and send requests while it is released.

    Raises:
        NotRecovered: The run ended otherwise, or not in time.
    """
    part, sent = max(20, round(per_day / _PARTS_A_DAY)), 0
    parts: list[Replayed] = []
    end_s = time.monotonic() + _PATIENCE_S
    while (run := _runs(where)[0]).ended is None:
        if time.monotonic() > end_s or sent >= len(calls):
            raise NotRecovered(f"after {sent:,} requests it stands at {run.events[-1]}")
        if run.noted("shadow", "begun") is not None:
            parts.append(send(client, calls[sent : sent + part]))
            sent += part
        time.sleep(_POLL_S)
    if run.state != "released":
        raise NotRecovered(f"the run was {run.state}: {run.ended.reason}")
    return Recovered(run, joined(parts), calls[sent:])


def quality(frauds: frozenset[str], decided: Mapping[str, Decided]) -> float:
    """Return the average precision of the scores that payments were given."""
    scored = [(key, one.score) for key, one in decided.items() if one.score is not None]
    y = np.array([key in frauds for key, _ in scored], np.float64)
    return average_precision(y, np.array([score for _, score in scored], np.float64))


def decisions_of(calls: list[Call], replayed: Replayed) -> dict[str, Decided]:
    """Return what was decided about each payment."""
    keys = [call.key for call in calls if call.key]
    return dict(zip(keys, replayed.decided, strict=True))


def _runs(where: DataDirectory) -> list[RetrainingRun]:
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    return [one for one in control.retrainings("fraud") if one.noted("evaluate", "done")]
