"""How a process follows the releases: what it runs is what the control log says.

The rule: a bundle is loaded, checked and warmed up before it takes a request, and one that
cannot be loaded changes nothing: what ran goes on. Each process reads the log every quarter of
a second, tells what it has seen, and judges by what all of them have; whoever finds that a
release is to end, or that its next stage is due, writes it, once.

A step does blocking work and belongs into a thread beside the one that answers; that one is
handed what is ready.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from kingpost.core import Clock, KingpostError, duration_text
from kingpost.decisions.errors import ReleaseRefused
from kingpost.decisions.evidence import EvidenceFiles, SeenSoFar
from kingpost.decisions.release_judge import ReleaseJudge
from kingpost.decisions.releasing import Releases
from kingpost.decisions.routing import Assignment, Route, TakesShadows, value_reader
from kingpost.decisions.served import ServedDecision
from kingpost.records import Role
from kingpost.registry import LiveRelease, NewerDocument, ReleaseEvent, ReleaseState, state_after

__all__ = ["Adopt", "Load", "Rollout"]

_WRITE_EVERY_US = 1_000_000
_log = logging.getLogger(__name__)

Load = Callable[[str, str, Role], ServedDecision]
"""Loads and warms up a bundle of a decision by its digest, for a role."""
Adopt = Callable[[str, ServedDecision, Route | None], None]
"""Hands a champion, and the release beside it, to the thread that answers."""


@dataclass
class _Followed:
    """A decision in this process.

    Attributes:
        done: The release and the stage that were handed over last.
        failed: The champion that could not be loaded.
        before: Requests of the release that were answered before `route` began, by stage.
    """

    champion: ServedDecision
    state: ReleaseState
    route: Route | None = None
    done: tuple[str, int] = ("", 0)
    failed: str = ""
    before: Mapping[int, int] = field(default_factory=dict[int, int])
    written_us: int = 0


class Rollout:
    """Follows the releases of the decisions that a process serves; for one thread.

    Args:
        served: What the process runs as it starts.
        shadows: Where shadows are decided.
    """

    def __init__(
        self,
        releases: Releases,
        served: Mapping[str, ServedDecision],
        load: Load,
        adopt: Adopt,
        evidence: EvidenceFiles,
        shadows: TakesShadows,
        *,
        clock: Clock,
    ) -> None:
        self._releases, self._load, self._adopt = releases, load, adopt
        self._evidence, self._shadows, self._clock = evidence, shadows, clock
        self._followed = {name: _Followed(one, ReleaseState()) for name, one in served.items()}
        self._scan = releases.control.follow()

    def step(self) -> None:
        """Follow the log, tell what was seen, and judge.

        Raises:
            KingpostError: The log cannot be read or written.
            OSError: The disk refused.
        """
        self._read()
        for name, one in self._followed.items():
            self._follow(name, one)
            if one.route is not None:
                self._tell(one, one.route)
                self._judge(name, one, one.route)

    def states(self) -> Mapping[str, ReleaseState]:
        """Return what is known of the releases of each decision."""
        return {name: one.state for name, one in self._followed.items()}

    def routes(self) -> Mapping[str, Route]:
        """Return the releases that go on here."""
        found = {name: one.route for name, one in self._followed.items()}
        return {name: route for name, route in found.items() if route is not None}

    def problems(self) -> Mapping[str, str]:
        """Return the champions that this process cannot run, by decision."""
        return {name: one.failed for name, one in self._followed.items() if one.failed}

    def close(self) -> None:
        """Tell what was seen last, and let go of the log."""
        for one in self._followed.values():
            if one.route is not None:
                try:
                    self._evidence.write(one.route.release.id, self._seen(one, one.route))
                except OSError as error:
                    _log.warning("evidence_not_written", extra={"reason": str(error)})
        self._scan.close()

    def _read(self) -> None:
        for commit in self._scan.commits():
            for entry in commit.entries:
                followed = self._followed.get(entry.topic) if entry.kind == "release" else None
                if followed is None:
                    continue
                try:
                    event = msgspec.json.decode(entry.body, type=ReleaseEvent)
                except msgspec.MsgspecError as error:
                    raise NewerDocument("release", commit.offset, str(error)) from error
                followed.state = state_after(followed.state, event)

    def _follow(self, name: str, one: _Followed) -> None:
        state = one.state
        if not state.champion:
            return
        self._take_champion(name, one, state.champion)
        live = state.live
        if live is None or one.champion.bundle.hex() != state.champion:
            if one.route is not None:
                one.route = None
                one.done = ("", 0)
                self._adopt(name, one.champion, None)
        elif one.done != (live.id, live.stage):
            self._take_release(name, one, live)

    def _take_champion(self, name: str, one: _Followed, wanted: str) -> None:
        if one.champion.bundle.hex() == wanted:
            one.failed = ""
            return
        if one.failed == wanted:
            return
        try:
            new = one.route.new if one.route and one.route.new.bundle.hex() == wanted else None
            champion = self._load(name, wanted, Role.CHAMPION) if new is None else _champion(new)
        except Exception as error:  # noqa: BLE001  the boundary of a bundle: what ran goes on
            one.failed = wanted
            _log.exception("champion_refused", extra={"decision": name, "bundle": wanted})
            self._releases.refuse(name, wanted, one.champion.bundle.hex(), _said(error))
            return
        one.champion, one.route, one.done, one.failed = champion, None, ("", 0), ""
        self._adopt(name, champion, None)
        _log.info("champion_changed", extra={"decision": name, "bundle": wanted})

    def _take_release(self, name: str, one: _Followed, live: LiveRelease) -> None:
        known = one.route
        is_same = known is not None and known.release.id == live.id
        try:
            if known is not None and is_same:
                new, judge, counts = known.new, known.judge, known.counts
                one.before = self._seen(one, known).requests
            else:
                role = Role.SHADOW if live.plan.mode == "shadow" else Role.CANARY
                new, counts = self._load(name, live.bundle, role), {}
                seen = self._evidence.own(live.id)
                one.before = seen.requests
                judge = ReleaseJudge(live.plan, begun=seen.tests, usual=seen.usual)
            value_of = _value_of(one.champion, live)
        except Exception as error:  # noqa: BLE001  the boundary of a bundle: what ran goes on
            _log.exception("release_refused", extra={"decision": name, "bundle": live.bundle})
            reason = f"the bundle cannot be run: {_said(error)}"
            self._releases.end(name, live, reason)
            one.done = (live.id, live.stage)
            return
        one.route = Route(
            live,
            one.champion,
            new,
            Assignment(live.id, live.plan, live.share),
            value_of,
            judge,
            self._shadows if live.plan.mode == "shadow" else None,
            counts,
        )
        one.done = (live.id, live.stage)
        self._adopt(name, one.champion, one.route)
        _log.info(
            "release_followed",
            extra={"decision": name, "bundle": live.bundle, "share": live.share},
        )

    def _seen(self, one: _Followed, route: Route) -> SeenSoFar:
        tests, usual = route.judge.state()
        requests = dict(one.before)
        stage = route.release.stage
        requests[stage] = requests.get(stage, 0) + route.answered
        return SeenSoFar(tests=tests, usual=usual, requests=requests)

    def _tell(self, one: _Followed, route: Route) -> None:
        now_us = self._clock.now_us()
        if now_us - one.written_us >= _WRITE_EVERY_US or now_us < one.written_us:
            self._evidence.write(route.release.id, self._seen(one, route))
            one.written_us = now_us

    def _judge(self, name: str, one: _Followed, route: Route) -> None:
        live = route.release
        others = self._evidence.others(live.id)
        worse = route.judge.judge(seen.tests for seen in others).worse
        if worse:
            said = ", ".join(f"{found.measure} {found.rate:.4g}" for found in worse)
            reason = f"worse than the champion: {said}"
            if self._releases.end(name, live, reason, worse) is not None:
                _log.error("release_rolled_back", extra={"decision": name, "reason": reason})
        elif self._is_due(one, route, sum(seen.requests.get(live.stage, 0) for seen in others)):
            stage = live.plan.stages[live.stage]
            reason = (
                f"{stage.min_requests} requests and {duration_text(stage.min_us)} at "
                f"{stage.share:.3g} of them, and no worse"
            )
            self._releases.advance(name, live, reason)
        else:
            return
        self._read()
        self._follow(name, one)

    def _is_due(self, one: _Followed, route: Route, elsewhere: int) -> bool:
        live = route.release
        if live.stage + 1 >= len(live.plan.stages):
            return False
        stage = live.plan.stages[live.stage]
        seen = self._seen(one, route).requests[live.stage] + elsewhere
        lasted_us = self._clock.now_us() - live.stage_at_us
        return lasted_us >= stage.min_us and seen >= stage.min_requests


def _champion(new: ServedDecision) -> ServedDecision:
    return replace(new, role=Role.CHAMPION)


def _value_of(champion: ServedDecision, live: LiveRelease) -> "Callable[..., object]":
    request, by = champion.decision.request, live.plan.by
    names = [column.name for column in request.fields]
    if by and by not in names:
        raise ReleaseRefused(
            champion.decision.name, f"its requests have no field {by!r}; they have {names}"
        )
    return value_reader(request.key.name, by)


def _said(error: Exception) -> str:
    code = error.code if isinstance(error, KingpostError) else type(error).__name__
    return f"[{code}] {error}"
