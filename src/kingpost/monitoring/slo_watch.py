"""The watch over one decision's objectives: counts requests, and opens an incident on a burn.

The rule: it goes by the wall clock of the records, in the order of the journal. A minute is
judged when a request of a later one has come, so however the journal is cut into batches
the same incidents are found; a clock that goes back counts to the latest minute seen.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.incident_book import Breach, IncidentBook, OpenIncident
from kingpost.monitoring.observations import OUTCOMES, Observations
from kingpost.monitoring.slo import (
    BURN_RULES,
    Burn,
    ErrorBudget,
    Objective,
    SloTally,
    budget_of,
    burn_of,
)
from kingpost.monitoring.status import Monitor
from kingpost.monitoring.window import MINUTE_US
from kingpost.records import Outcome

__all__ = ["SloState", "SloWatch"]

_FAILED = OUTCOMES.index(Outcome.FAILED)
_MOST_RECORDS = 20


class SloState(msgspec.Struct, array_like=True):
    """What a watch needs to go on where it was.

    Attributes:
        minute: The newest one that was seen; not judged yet. -1 before the first.
        tallies: By the objective's name.
        bad: The last bad records.
        bundle: The one that answered last.
        going_on: The open incident.
    """

    minute: int = -1
    tallies: dict[str, SloTally] = msgspec.field(default_factory=dict[str, SloTally])
    bad: list[bytes] = msgspec.field(default_factory=list[bytes])
    bundle: bytes = b""
    going_on: dict[Monitor, OpenIncident] = msgspec.field(
        default_factory=dict[Monitor, OpenIncident]
    )


class SloWatch:
    """Watches the objectives of one decision."""

    def __init__(
        self, tenant: str, decision: str, objectives: Sequence[Objective], state: SloState | None
    ) -> None:
        self._tenant, self._decision, self._objectives = tenant, decision, objectives
        self._state = state or SloState()
        self._book = IncidentBook(self._state.going_on)

    @property
    def state(self) -> SloState:
        """What to make the next watch from."""
        self._state.going_on = dict(self._book.going_on)
        return self._state

    def observe(self, rows: Mapping[bytes, Observations]) -> None:
        """Take the decisions that are new, by bundle, and judge the minutes that are over."""
        if not rows:
            return
        joined = _Rows.of(rows)
        if not self._objectives:  # what was promised before may still have to end
            self._book.pass_to(int(joined.at_us[-1]) // MINUTE_US * MINUTE_US)
            return
        bad = np.array([joined.bad(one) for one in self._objectives])
        seen = np.maximum(np.maximum.accumulate(joined.at_us // MINUTE_US), self._state.minute)
        edges = np.flatnonzero(np.diff(seen, prepend=-2, append=-2))
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            minute = int(seen[start])
            if 0 <= self._state.minute < minute:
                self._judge(self._state.minute, int(joined.at_us[start]))
            self._state.minute = minute
            self._count(joined, bad, start, end)
        self._state.tallies = {one.name: self._state.tallies[one.name] for one in self._objectives}

    def take(self) -> tuple[Sequence[Incident], Sequence[Incident]]:
        """Return the incidents that changed since the last time, and what of that is new."""
        return self._book.take()

    def _count(self, rows: "_Rows", bad: NDArray[np.bool_], start: int, end: int) -> None:
        for one, is_bad in zip(self._objectives, bad[:, start:end], strict=True):
            tally = self._state.tallies.setdefault(one.name, SloTally())
            tally.add(self._state.minute, end - start, int(is_bad.sum()))
        places = np.flatnonzero(bad[:, start:end].any(axis=0))[-_MOST_RECORDS:] + start
        ids = [rows.ids[int(place)] for place in places]
        self._state.bad = [*self._state.bad, *ids][-_MOST_RECORDS:]
        self._state.bundle = rows.bundles[end - 1]

    def _judge(self, minute: int, at_us: int) -> None:
        end_us = (minute + 1) * MINUTE_US
        for one in self._objectives:
            tally = self._state.tallies.setdefault(one.name, SloTally())
            burns = [burn_of(tally, one, rule, minute) for rule in BURN_RULES]
            alerts = [burn for burn in burns if burn.is_alert]
            if alerts:
                self._book.tell(
                    Breach("slo", end_us, end_us, [one.name], self._describe(one, alerts, minute))
                )
            tally.forget(minute, one.over_us)
        self._book.pass_to(at_us // MINUTE_US * MINUTE_US)

    def _describe(
        self, objective: Objective, alerts: Sequence[Burn], minute: int
    ) -> Callable[[], Incident]:
        def describe() -> Incident:
            worst, opened_us = alerts[0], (minute + 1) * MINUTE_US
            tally = self._state.tallies[objective.name]
            left = budget_of(tally, objective, minute)
            return Incident(
                id=incident_id(self._tenant, self._decision, "slo", opened_us),
                tenant=self._tenant,
                decision=self._decision,
                kind="slo",
                title=f"{self._decision}: the budget of {objective.name} burns "
                f"{worst.long:.3g} times too fast",
                columns=(objective.name,),
                opened_us=opened_us,
                breach_since_us=tally.first_bad(minute, worst.rule.short_us) * MINUTE_US,
                value=worst.long,
                limit=worst.rule.factor,
                window=worst.rule.name,
                rows=worst.bad,
                bundle=self._state.bundle.hex(),
                records=tuple(one.hex() for one in self._state.bad),
                last_at_us=opened_us,
                facts=(
                    *(
                        f"over {one.rule.name}: {one.long:.3g} and {one.short:.3g} times, "
                        f"allowed {one.rule.factor:g}"
                        for one in alerts
                    ),
                    _left(objective, left),
                ),
                runbook=objective.runbook or RUNBOOKS["slo"],
            )

        return describe


def _left(objective: Objective, budget: ErrorBudget) -> str:
    return (
        f"{budget.left:.1%} of the error budget is left: {budget.bad} of {budget.total} requests "
        f"were bad, {objective.may_be_bad:.3%} may be"
    )


class _Rows:
    """Decisions of all bundles in the order of the journal."""

    def __init__(
        self,
        at_us: NDArray[np.int64],
        failed: NDArray[np.bool_],
        took_us: NDArray[np.int64],
        ids: Sequence[bytes],
        bundles: Sequence[bytes],
    ) -> None:
        self.at_us, self.ids, self.bundles = at_us, ids, bundles
        self._failed, self._took_us = failed, took_us

    @staticmethod
    def of(rows: Mapping[bytes, Observations]) -> "_Rows":
        """Put the rows of several bundles into one order."""
        parts = list(rows.items())
        order = np.argsort(np.concatenate([one.offset for _, one in parts]), kind="stable")
        ids: list[bytes] = [identifier for _, one in parts for identifier in one.ids]
        bundles = [bundle for bundle, one in parts for _ in range(len(one))]
        return _Rows(
            np.concatenate([one.at_us for _, one in parts])[order],
            np.concatenate([one.outcome == _FAILED for _, one in parts])[order],
            np.concatenate([one.stages.sum(axis=1, dtype=np.int64) for _, one in parts])[order],
            [ids[int(place)] for place in order],
            [bundles[int(place)] for place in order],
        )

    def bad(self, objective: Objective) -> NDArray[np.bool_]:
        """Say which rows an objective counts as bad."""
        if objective.within_us is None:
            return self._failed
        return self._failed | (self._took_us > objective.within_us)
