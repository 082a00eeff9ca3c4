"""A release, declared: which part of the requests a new bundle answers, and what judges it.

The rule: a plan is checked when it is made and never changed; what becomes of it is told by
later entries of the control log, see `releases`.
"""

from typing import Annotated, Literal

import msgspec

from kingpost.registry.errors import BadReleasePlan

__all__ = ["DEFAULT_JUDGED", "Judged", "Measure", "Mode", "ReleasePlan", "Stage", "check_plan"]

Mode = Literal["canary", "shadow", "blue_green"]
Measure = Literal["errors", "latency", "score", "undecided", "business"]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the requests, and what must have been before the next stage.

    Attributes:
        share: The part that the new bundle answers, above 0 up to 1.
        min_us: How long the stage lasts at least.
        min_requests: How many requests the new bundle has answered in it at least.
    """

    share: Share
    min_us: int = 0
    min_requests: int = 0


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A measure, and by how much the new bundle's rate may exceed the champion's.

    `errors` are requests that failed; `latency`, model calls that are slower than the
    champion's usual ones; `score`, scores beyond the champion's usual ones, to either side;
    `undecided`, answers left to a fallback, a person or a refusal; `business`, the loss that
    was reported per record.
    """

    measure: Measure
    margin: Annotated[float, msgspec.Meta(ge=0, lt=1)]


DEFAULT_JUDGED = (
    Judged(measure="errors", margin=0.01),
    Judged(measure="latency", margin=0.05),
    Judged(measure="score", margin=0.1),
    Judged(measure="undecided", margin=0.05),
    Judged(measure="business", margin=0.01),
)


class ReleasePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a bundle is released.

    Attributes:
        by: The field of the request that assigns it: all requests of one value go to one
            bundle. Empty: the key of the request's event.
        keys, prefixes: Values, or beginnings of values, of that field that the new bundle
            always answers.
        stages: Of a canary; the last one stays until somebody promotes, unless its share is
            1: reaching it promotes. One of share 1 for `blue_green`, none for `shadow`.
        judged: What ends the release when it is worse; nothing where it is empty.
        alpha: The chance that a release of something no worse is ended all the same.
    """

    mode: Mode = "canary"
    by: str = ""
    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    judged: tuple[Judged, ...] = DEFAULT_JUDGED
    alpha: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01


def check_plan(plan: ReleasePlan) -> ReleasePlan:
    """Return a plan that can be followed.

    Raises:
        BadReleasePlan: It cannot, and why.
    """
    try:
        msgspec.convert(msgspec.to_builtins(plan), ReleasePlan)
    except msgspec.ValidationError as error:
        raise BadReleasePlan(str(error)) from error
    shares = [stage.share for stage in plan.stages]
    if any(stage.min_us < 0 or stage.min_requests < 0 for stage in plan.stages):
        raise BadReleasePlan("a stage lasts for a time and a number of requests, 0 or more")
    if len({one.measure for one in plan.judged}) < len(plan.judged):
        raise BadReleasePlan("a measure is judged once")
    if any(not one for one in (*plan.keys, *plan.prefixes)):
        raise BadReleasePlan("an empty key or prefix would be every request")
    if plan.mode == "canary":
        if not plan.stages and not plan.keys and not plan.prefixes:
            raise BadReleasePlan("a canary needs a part of the requests, or keys")
        if shares != sorted(set(shares)):
            raise BadReleasePlan("the stages of a canary grow")
    elif plan.keys or plan.prefixes:
        raise BadReleasePlan(f"keys belong to a canary, not to {plan.mode}")
    elif plan.stages:
        raise BadReleasePlan(f"stages belong to a canary, not to {plan.mode}")
    return plan
