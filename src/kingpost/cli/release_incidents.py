"""What the observer makes of releases: incidents of those that were rolled back by themselves."""

import logging
from collections.abc import Iterator, Sequence

import msgspec

from kingpost.core import KingpostError
from kingpost.monitoring import FailedRelease, Incident, ReleaseWatch
from kingpost.registry import ControlLog, Evidence, ReleaseEvent
from kingpost.serving import LooksAfterFreshness

__all__ = ["ReleaseIncidents"]

_log = logging.getLogger(__name__)


class ReleaseIncidents:
    """Reads the control log, and looks after what else is looked after now and then.

    Args:
        besides: What is judged with it; None where there is nothing.
    """

    def __init__(
        self, control: ControlLog, watch: ReleaseWatch, besides: LooksAfterFreshness | None
    ) -> None:
        self._scan, self._watch, self._besides = control.follow(), watch, besides
        self._is_unreadable = False

    def judge(self, now_us: int) -> Sequence[Incident]:
        """Open and end incidents in the caller's transaction; return those that were opened."""
        try:
            found = list(self._found())
            self._is_unreadable = False
        except KingpostError as error:
            if not self._is_unreadable:
                _log.error("releases_unreadable", extra={"reason": str(error)})
            self._is_unreadable = True
            found = []
        opened = list(self._watch.judge(found, now_us))
        if self._besides is not None:
            opened += self._besides.judge(now_us)
        return opened

    def close(self) -> None:
        """Let go of the log."""
        self._scan.close()

    def _found(self) -> Iterator[FailedRelease]:
        for commit in self._scan.commits():
            for entry in commit.entries:
                if entry.kind != "release":
                    continue
                try:
                    event = msgspec.json.decode(entry.body, type=ReleaseEvent)
                except msgspec.MsgspecError as error:
                    _log.error("release_unreadable", extra={"reason": str(error)})
                    continue
                if event.by == "kingpost" and event.step in ("rolled_back", "refused"):
                    yield _failed(event)


def _failed(event: ReleaseEvent) -> FailedRelease:
    what = "was rolled back" if event.step == "rolled_back" else "cannot be run"
    first = event.evidence[0] if event.evidence else None
    return FailedRelease(
        decision=event.decision,
        bundle=event.bundle,
        at_us=event.at_us,
        title=f"{event.decision}: bundle {event.bundle[:12]} {what}: {event.reason}",
        measures=tuple(one.measure for one in event.evidence),
        value=0.0 if first is None else first.rate,
        limit=0.0 if first is None else first.champion_rate + first.margin,
        rows=0 if first is None else first.requests,
        facts=tuple(_fact(one) for one in event.evidence) or (event.reason,),
    )


def _fact(one: Evidence) -> str:
    return (
        f"{one.measure}: {one.rate:.4g} of {one.requests} requests, the champion's "
        f"{one.champion_rate:.4g} of {one.champion_requests}; evidence {one.e_value:.3g}, "
        f"needed {one.needed:.3g}"
    )
