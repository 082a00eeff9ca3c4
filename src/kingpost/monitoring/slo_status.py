"""How objectives stand: read from what the watch has left, by whoever asks."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kingpost.monitoring.slo import (
    BURN_RULES,
    Burn,
    ErrorBudget,
    Objective,
    SloTally,
    budget_of,
    burn_of,
)
from kingpost.monitoring.state import decode_state
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.window import MINUTE_US

__all__ = ["SloStatus", "slo_statuses"]


class SloStatus(NamedTuple):
    """One objective of one tenant's decision.

    Attributes:
        burns: By rule, the fastest first.
    """

    tenant: str
    decision: str
    objective: Objective
    budget: ErrorBudget
    burns: Sequence[Burn]

    @property
    def is_burning(self) -> bool:
        """Whether a rule says so."""
        return any(burn.is_alert for burn in self.burns)


def slo_statuses(
    store: MonitorStore, objectives_of: Callable[[str], Sequence[Objective]], now_us: int
) -> Sequence[SloStatus]:
    """Say how every objective stands, as far as the journal was observed.

    Args:
        objectives_of: What a decision promises now.

    Raises:
        MonitorStoreFailed: The store could not be read.
        NewerSummary: A later version of Kingpost wrote it.
    """
    minute = now_us // MINUTE_US
    found: list[SloStatus] = []
    for tenant, decision, body in store.states():
        objectives = objectives_of(decision)
        state = decode_state(body).slo if objectives else None
        tallies = {} if state is None else state.tallies
        for one in objectives:
            tally = tallies.get(one.name, SloTally())
            burns = [burn_of(tally, one, rule, minute) for rule in BURN_RULES]
            found.append(SloStatus(tenant, decision, one, budget_of(tally, one, minute), burns))
    return found
