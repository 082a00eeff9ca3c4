"""What a decision promises its callers: how many answers succeed, and how many in time.

kp.decision(…, slos=[kp.slo("answered", 0.999), kp.slo("fast", 0.99, within="50ms")])
"""

import re
from collections.abc import Sequence
from datetime import timedelta

from kingpost.core import BadDuration, Place, caller_place, duration_us
from kingpost.decisions.errors import WrongDecision
from kingpost.monitoring import Objective

__all__ = ["check_slos", "slo"]

_DAY_US = 86_400_000_000
_SHORTEST_US, _LONGEST_US = 7 * _DAY_US, 90 * _DAY_US
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def slo(
    name: str,
    share: float,
    *,
    over: str | timedelta = "30d",
    within: str | timedelta | None = None,
    runbook: str = "",
) -> Objective:
    """Promise that a share of a decision's requests is answered, or answered in time.

    Args:
        share: As 0.999.
        over: The period over which it is meant, 7 to 90 days.
        within: How long an answer in time takes, from the request's arrival to the gate;
            without, every request that did not fail is good.
        runbook: What to read when its budget burns: a path or an address.

    Raises:
        WrongDecision: The name cannot be one, the share is none, or a length is none.
    """
    place = caller_place()
    if not _NAME.fullmatch(name):
        raise WrongDecision(
            f"{name!r} cannot be the name of an objective",
            "begin with a small letter; then small letters, digits, - and _",
            place,
        )
    if not 0 < share < 1:
        raise WrongDecision(
            f"the share of {name!r} is {share}", "give a share above 0 and below 1", place
        )
    try:
        over_us, within_us = duration_us(over), None if within is None else duration_us(within)
    except BadDuration as error:
        raise WrongDecision(str(error), "write it so", place) from error
    if not _SHORTEST_US <= over_us <= _LONGEST_US:
        raise WrongDecision(f"{name!r} is meant over {over}", "give 7d to 90d", place)
    return Objective(name, share, over_us, within_us, runbook)


def check_slos(slos: Sequence[Objective], place: Place) -> tuple[Objective, ...]:
    """Check that no two have one name.

    Raises:
        WrongDecision: Two have.
    """
    names = [one.name for one in slos]
    for name in names:
        if names.count(name) > 1:
            raise WrongDecision(f"two objectives are called {name!r}", "rename one", place)
    return tuple(slos)
