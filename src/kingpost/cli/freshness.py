"""How fresh the pipelines of an application are, for the incidents of the observer.

The rule: the verdict is that of `kingpost pipelines list`, from the same function over the
same runs. Runs that cannot be read are told once and change no incident: the observer goes
on with the rest.
"""

import logging
from collections.abc import Iterator, Sequence

from kingpost.cli.pipeline_runner import Standing, standing_of
from kingpost.contracts import Instant
from kingpost.core import duration_text
from kingpost.integrations import Pipeline, RunStore, RunStoreFailed
from kingpost.monitoring import Freshness, FreshnessWatch, Incident

__all__ = ["PipelineFreshness"]

_log = logging.getLogger(__name__)


class PipelineFreshness:
    """Looks after the pipelines of an application.

    Args:
        tenant: Whose they are while none has a run.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        runs: RunStore,
        watch: FreshnessWatch,
        tenant: str,
    ) -> None:
        self._pipelines, self._runs, self._watch = pipelines, runs, watch
        self._tenant = tenant
        self._is_unreadable = False

    def judge(self, now_us: int) -> Sequence[Incident]:
        """Open, update and end incidents, and return those that were opened."""
        try:
            found = list(self._found(now_us))
        except RunStoreFailed as error:
            if not self._is_unreadable:
                _log.error("pipeline_runs_unreadable", extra={"reason": str(error)})
            self._is_unreadable = True
            return ()
        self._is_unreadable = False
        tenants = sorted({self._tenant} | {one.tenant for one in found})
        return self._watch.judge(tenants, found, now_us)

    def _found(self, now_us: int) -> Iterator[Freshness]:
        for declared in self._pipelines:
            for tenant in self._runs.tenants(declared.name) or [self._tenant]:
                yield _freshness(tenant, standing_of(declared, self._runs, tenant, now_us))


def _freshness(tenant: str, standing: Standing) -> Freshness:
    declared = standing.pipeline
    allowed = duration_text(declared.stale_after_us)
    newest = None if standing.newest_us is None else Instant(standing.newest_us).isoformat()
    title = (
        f"{declared.name} brought nothing yet, allowed are {allowed}"
        if newest is None
        else f"{declared.name} is stale: nothing newer than {newest}, allowed are {allowed}"
    )
    return Freshness(
        tenant=tenant,
        source=f"pipeline {declared.name}",
        is_stale=standing.is_stale,
        until_us=standing.fresh_until_us,
        allowed_us=declared.stale_after_us,
        title=title,
        facts=tuple(_facts(standing)),
    )


def _facts(standing: Standing) -> Iterator[str]:
    declared, latest = standing.pipeline, standing.latest
    every = duration_text(declared.every_us)
    yield f"{declared.source.name} is read into {declared.contract.name} every {every}"
    if latest is None:
        yield "it has never run in this data directory"
    elif latest.is_failed:
        yield f"its last run failed: {latest.problem}"
    else:
        yield "its last run did not fail: the source answers and brings nothing new"
