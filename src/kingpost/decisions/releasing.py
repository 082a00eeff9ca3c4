"""What may be done with a release, by people and by the processes that serve it.

The rule: every step is made under the lock of the control log, of the state as it is then, so
two that come at once cannot contradict each other. What is released was approved.
"""

import os
from collections.abc import Callable, Sequence

from msgspec import structs

from kingpost.core import Clock
from kingpost.decisions.errors import NotApproved
from kingpost.registry import (
    ControlLog,
    Evidence,
    IncompleteApproval,
    LiveRelease,
    NothingReleased,
    ReleaseEvent,
    ReleaseGoesOn,
    ReleasePlan,
    ReleaseState,
    ReleaseStep,
    check_plan,
)

__all__ = ["KINGPOST", "Releases"]

KINGPOST = "kingpost"
"""Who did what a judge or a schedule decided."""

_Step = Callable[[ReleaseState], ReleaseEvent]


class Releases:
    """The releases of an installation, over its control log.

    Its calls raise `JournalInUse`, `JournalFull`, `JournalFailed` and `NewerDocument` as the
    log does.
    """

    def __init__(self, control: ControlLog, *, clock: Clock) -> None:
        self.control, self._clock = control, clock

    def start(
        self, decision: str, digest: str, plan: ReleasePlan, *, by: str, reason: str
    ) -> ReleaseEvent:
        """Begin to release a bundle.

        Args:
            digest: The bundle's, or the beginning of it.

        Raises:
            UnknownBundle, AmbiguousDigest: See `ControlLog.bundle`.
            NotApproved: It was not approved, or there is no other approved bundle to compare
                it with.
            BadReleasePlan: See `check_plan`.
            ReleaseGoesOn: One goes on.
            NothingReleased: It is champion already.
            IncompleteApproval: It does not say who, or why.
        """
        check_plan(plan)
        bundle = self._approved(decision, digest)

        def step(state: ReleaseState) -> ReleaseEvent:
            if state.live is not None:
                raise ReleaseGoesOn(decision, state.live.bundle)
            champion = state.champion or self._running(decision, bundle)
            if champion == bundle:
                raise NothingReleased(decision, "release: the bundle is champion already")
            made = self._event(decision, "started", bundle, champion, by, reason)
            return structs.replace(made, release=os.urandom(8).hex(), plan=plan)

        return self._must(decision, step)

    def keep(self, decision: str, running: str, *, by: str, reason: str) -> ReleaseEvent | None:
        """Make what runs champion where there is none yet, so that an approval alone changes nothing.

        Args:
            running: Its bundle's digest.
        """

        def step(state: ReleaseState) -> ReleaseEvent | None:
            if state.champion:
                return None
            return self._event(decision, "restored", running, running, by, reason)

        return self.control.release(decision, step)

    def promote(self, decision: str, *, by: str, reason: str) -> ReleaseEvent:
        """Make the bundle that is being released champion.

        Raises:
            NothingReleased: No release goes on.
            IncompleteApproval: It does not say who, or why.
        """

        def step(state: ReleaseState) -> ReleaseEvent:
            if state.live is None:
                raise NothingReleased(decision, "promote")
            made = self._event(decision, "promoted", state.live.bundle, state.champion, by, reason)
            return structs.replace(made, release=state.live.id)

        return self._must(decision, step)

    def roll_back(self, decision: str, *, to: str = "", by: str, reason: str) -> ReleaseEvent:
        """End the release that goes on; where none does, make the champion before champion.

        Args:
            to: The bundle to go back to, or the beginning of its digest.

        Raises:
            NothingReleased: There is nothing to go back to.
            UnknownBundle, AmbiguousDigest, NotApproved: Of `to`.
            IncompleteApproval: It does not say who, or why.
        """
        wanted = self._approved(decision, to) if to else ""

        def step(state: ReleaseState) -> ReleaseEvent:
            live = state.live
            if live is not None and wanted in ("", state.champion):
                made = self._event(decision, "rolled_back", live.bundle, state.champion, by, reason)
                return structs.replace(made, release=live.id)
            back_to = wanted or next(
                (one for one in reversed(state.former) if one != state.champion), ""
            )
            if not state.champion or not back_to or back_to == state.champion:
                raise NothingReleased(decision, "go back to")
            return self._event(decision, "restored", back_to, state.champion, by, reason)

        return self._must(decision, step)

    def end(
        self,
        decision: str,
        live: LiveRelease,
        reason: str,
        evidence: Sequence[Evidence] = (),
        *,
        by: str = KINGPOST,
    ) -> ReleaseEvent | None:
        """Roll a release back because of what was found; None when it has ended already."""

        def step(state: ReleaseState) -> ReleaseEvent | None:
            if state.live is None or state.live.id != live.id:
                return None
            made = self._event(decision, "rolled_back", live.bundle, state.champion, by, reason)
            return structs.replace(made, release=live.id, evidence=tuple(evidence))

        return self.control.release(decision, step)

    def advance(self, decision: str, live: LiveRelease, reason: str) -> ReleaseEvent | None:
        """Begin the next stage, or promote at a share of 1; None when others have done it."""
        following = live.stage + 1

        def step(state: ReleaseState) -> ReleaseEvent | None:
            if state.live is None or (state.live.id, state.live.stage) != (live.id, live.stage):
                return None
            is_last = live.plan.stages[following].share == 1
            made = self._event(
                decision,
                "promoted" if is_last else "advanced",
                live.bundle,
                state.champion,
                KINGPOST,
                reason,
            )
            return structs.replace(made, release=live.id, stage=following)

        return self.control.release(decision, step)

    def refuse(self, decision: str, bundle: str, champion: str, reason: str) -> None:
        """Say that a process cannot run the champion, and runs what it ran before."""
        self.control.release(
            decision,
            lambda _: self._event(decision, "refused", bundle, champion, KINGPOST, reason),
        )

    def _must(self, decision: str, step: _Step) -> ReleaseEvent:
        event = self.control.release(decision, step)
        assert event is not None  # these steps raise when there is nothing to do
        return event

    def _event(
        self, decision: str, step: ReleaseStep, bundle: str, champion: str, by: str, reason: str
    ) -> ReleaseEvent:
        by, reason = by.strip(), reason.strip()
        if not by or not reason:
            raise IncompleteApproval("reason" if by else "name")
        return ReleaseEvent(
            format=1,
            decision=decision,
            release="",
            step=step,
            bundle=bundle,
            champion=champion,
            by=by,
            reason=reason,
            at_us=self._clock.now_us(),
        )

    def _approved(self, decision: str, digest: str) -> str:
        bundle = self.control.bundle(decision, digest).digest
        if all(one.bundle != bundle for one in self.control.approvals(decision)):
            raise NotApproved(decision, bundle)
        return bundle

    def _running(self, decision: str, released: str) -> str:
        """Return what runs before the first release: the newest approval of another bundle."""
        approvals = self.control.approvals(decision)
        for approval in reversed(approvals):
            if approval.bundle != released:
                return approval.bundle
        raise NothingReleased(decision, "compare it with: no other bundle was approved")
