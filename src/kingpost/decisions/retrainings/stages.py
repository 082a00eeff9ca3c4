"""The stages of a run: look whether the champion has become worse, wait for labels, train, ask the
gates, get it approved, and release it as a shadow, as a canary and as champion.

The rule: a stage is looked at until it gives a finding, which is noted in the control log and is
then the truth about it. What a stage does is marked with the run's name, and looked for before
it is done, so that a run which was interrupted does nothing twice. Whoever asks for the end of a
run gets it at the next look, with the champion as it was.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from kingpost.contracts import EPOCH
from kingpost.core import Clock, Disk, KingpostError, duration_text
from kingpost.decisions.application import Application
from kingpost.decisions.bundle import Bundle, read_bundle
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.evidence import EvidenceFiles
from kingpost.decisions.loading import running_bundle
from kingpost.decisions.registering import add_bundle
from kingpost.decisions.releasing import KINGPOST, Releases
from kingpost.decisions.retrainings.declare import Retraining
from kingpost.decisions.retrainings.errors import RetrainingStopped, UnknownRetraining
from kingpost.decisions.retrainings.judging import judge_model, labels_so_far
from kingpost.decisions.train import read_all_histories, train_decision
from kingpost.features import History
from kingpost.models import OneClassOnly, OutOfTimeSplit
from kingpost.registry import (
    ControlLog,
    ModelVersion,
    ReleaseEvent,
    ReleaseGoesOn,
    ReleasePlan,
    RetrainingEvent,
    RetrainingRun,
    RetrainingStage,
    RetrainingStep,
)
from kingpost.workflows import People, Question

__all__ = ["RetrainingHouse", "RetrainingStages", "find_run"]

_APPROVED_WITHIN_US = 7 * 86_400_000_000
_STOP_LOOK_S = 1.0
_FEW_POSITIVES = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetrainingHouse:
    """What a run works with.

    Attributes:
        people: The inbox; None where approvals come by `kingpost approve` alone.
        threads: For the features.
    """

    application: Application
    where: DataDirectory
    people: People | None
    disk: Disk
    clock: Clock
    threads: int = 1

    @property
    def control(self) -> ControlLog:
        """The log of models, approvals, releases and runs."""
        return self.where.control_log(disk=self.disk, clock=self.clock)


class _Finding(NamedTuple):
    """What a stage came to."""

    step: RetrainingStep
    reason: str
    numbers: Mapping[str, float] = {}
    bundle: str = ""
    judged_us: tuple[int, int] | None = None


def find_run(control: ControlLog, decision: str, run: str) -> RetrainingRun:
    """Find a run by its name or the beginning of it.

    Raises:
        UnknownRetraining: There is none, or several.
    """
    known = control.retrainings(decision)
    exact = [one for one in known if one.id == run]
    found = exact or [one for one in known if run and one.id.startswith(run)]
    if len(found) != 1:
        raise UnknownRetraining(run, tuple(one.id for one in known))
    return found[0]


class RetrainingStages:
    """The stages of all runs of a declared retraining."""

    def __init__(self, house: RetrainingHouse, declared: Retraining) -> None:
        self._house, self._declared = house, declared
        self._decision = declared.decision
        self._releases = Releases(house.control, clock=house.clock)
        self._looks: Mapping[RetrainingStage, Callable[[RetrainingRun], _Finding | None]] = {
            "evaluate": self._evaluate,
            "labels": self._labels,
            "retrain": self._retrain,
            "gates": self._gates,
            "approve": self._approve,
            "shadow": self._shadow,
            "canary": self._canary,
            "champion": self._champion,
        }

    def look(self, run_id: str, stage: RetrainingStage) -> RetrainingEvent | None:
        """Look at a stage, and do what it is there for; None when it has to be looked at again.

        Returns:
            What was noted of the stage, or what the run ended with.

        Raises:
            KingpostError: What is worth another attempt.
        """
        run = self._run(run_id)
        known = run.ended or run.noted(stage, "done")
        if known is not None:
            return known
        if run.stop is not None:
            return self._stopped(run, stage)
        self._note(run, stage, _Finding("begun", ""))
        try:
            found = self._looks[stage](self._run(run_id))
        except RetrainingStopped:
            return self._stopped(self._run(run_id), stage)
        except Exception as error:
            if getattr(error, "retry_safe", False):
                raise
            # a trainer or the gates of an application may raise anything
            _log.exception("retraining_failed", extra={"run": run_id, "stage": stage})
            found = _Finding("failed", _said(error))
        if found is None:
            return None
        run = self._run(run_id)
        if run.stop is not None and found.step == "refused":
            return self._stopped(run, stage)  # it was its end that was found
        return self._note(run, stage, found)

    def give_up(self, run_id: str, stage: RetrainingStage, error: Exception) -> RetrainingEvent:
        """End a run whose stage failed again and again."""
        return self._note(self._run(run_id), stage, _Finding("failed", _said(error)))

    def _run(self, run_id: str) -> RetrainingRun:
        return find_run(self._house.control, self._decision.name, run_id)

    def _note(self, run: RetrainingRun, stage: RetrainingStage, found: _Finding) -> RetrainingEvent:
        event = RetrainingEvent(
            decision=self._decision.name,
            tenant=run.asked.tenant,
            run=run.id,
            incident=run.asked.incident,
            stage=stage,
            step=found.step,
            reason=found.reason,
            numbers=found.numbers,
            bundle=found.bundle or run.bundle,
            judged_us=found.judged_us,
            by=KINGPOST,
            at_us=self._house.clock.now_us(),
        )
        if self._house.control.note_retraining(event) and found.step != "begun":
            fields = {"run": run.id, "stage": stage, "step": found.step, "reason": found.reason}
            _log.info("retraining_stage", extra=fields)
        return event

    def _stopped(self, run: RetrainingRun, stage: RetrainingStage) -> RetrainingEvent:
        asked = run.stop
        reason = "" if asked is None else f"{asked.by}: {asked.reason}"
        people = self._house.people
        if stage == "approve" and people is not None and self._declared.approval is not None:
            now_us = self._house.clock.now_us()
            people.withdraw(_task(run), self._question(run), reason, now_us)
        return self._note(run, stage, _Finding("stopped", reason))

    def _histories(self, run: RetrainingRun) -> Mapping[str, History]:
        found, _ = read_all_histories(
            self._house.where, self._decision.streams, disk=self._house.disk
        )
        return found.of(run.asked.tenant)

    def _since_us(self, run: RetrainingRun) -> int | None:
        return run.asked.since_us if self._declared.learn_from == "breach" else None

    # what the champion is worth, and whether there is enough to learn from

    def _evaluate(self, run: RetrainingRun) -> _Finding:
        control, declared = self._house.control, self._declared
        running = running_bundle(control, self._decision.name)
        if run.asked.replaces and running.digest != run.asked.replaces:
            return _Finding(
                "not_needed", f"bundle {running.digest[:12]} runs now, another than then"
            )
        is_alert = bool(run.asked.incident) or run.asked.by != KINGPOST
        histories = self._histories(run)
        end_us = labels_so_far(
            self._decision, histories, since_us=None, judged_us=declared.judged_us
        ).end_us
        numbers = self._quality(histories, running, end_us - declared.judged_us, end_us)
        if not numbers:
            reason = "no labels of both classes to judge the champion on"
            return _Finding("done" if is_alert else "not_needed", reason)
        now = numbers["average_precision"]
        then = self._version(running).metrics.get("average_precision")
        told = f"the champion's average precision is {now:.3f}"
        if then is None:
            return _Finding("done", told, numbers)
        told += f", and was {then:.3f} when it was made"
        numbers = {**numbers, "average_precision_then": then}
        if not is_alert and now >= then * (1 - declared.worse_by):
            return _Finding("not_needed", told, numbers)
        return _Finding("done", told, numbers)

    def _quality(
        self, histories: Mapping[str, History], bundle: Bundle, from_us: int, until_us: int
    ) -> dict[str, float]:
        """Judge a bundle on a period; nothing where there is nothing to judge on."""
        store = self._house.where.artefacts(disk=self._house.disk)
        try:
            found = judge_model(
                self._decision,
                histories,
                store.get(bundle.model),
                replace(self._declared.plan, threads=self._house.threads),
                from_us,
                until_us,
            )
        except OneClassOnly:
            return {}
        return {} if found is None else found.metrics()

    def _version(self, bundle: Bundle) -> ModelVersion:
        versions = self._house.control.models(bundle.model_name)
        return next(one for one in versions if one.number == bundle.model_number)

    def _labels(self, run: RetrainingRun) -> _Finding | None:
        declared = self._declared
        found = labels_so_far(
            self._decision,
            self._histories(run),
            since_us=self._since_us(run),
            judged_us=declared.judged_us,
        )
        numbers = {"labels": float(found.learned), "positives": float(found.positives)}
        told = f"{found.learned:,} labelled requests to learn from, {found.positives:,} positive"
        is_enough = (
            found.learned >= declared.min_labels
            and found.period_us >= declared.min_period_us
            and found.positives >= _FEW_POSITIVES
        )
        if is_enough:
            until_us = found.end_us
            return _Finding(
                "done", told, numbers, judged_us=(until_us - declared.judged_us, until_us)
            )
        if self._waited_us(run, "labels") > declared.labels_within_us:
            wanted = f"{declared.min_labels:,} were to be there"
            within = duration_text(declared.labels_within_us)
            return _Finding("refused", f"{told}; {wanted} within {within}", numbers)
        return None

    def _waited_us(self, run: RetrainingRun, stage: RetrainingStage) -> int:
        begun = run.noted(stage, "begun")
        return 0 if begun is None else self._house.clock.now_us() - begun.at_us

    # a new model

    def _retrain(self, run: RetrainingRun) -> _Finding:
        labels = run.noted("labels", "done")
        assert labels is not None
        assert labels.judged_us is not None  # the stage before says what is judged on
        version = self._made(run)
        bundle = None if version is None else self._bundle_of(version)
        if version is None:
            trained = train_decision(
                self._house.application,
                self._decision,
                self._house.where,
                replace(
                    self._declared.plan,
                    split=_split(labels.judged_us),
                    since_us=self._since_us(run),
                    threads=self._house.threads,
                ),
                tenant=run.asked.tenant,
                by=_author(run),
                disk=self._house.disk,
                clock=self._house.clock,
                progress=_StopLook(self._house.control, run),
            )
            version, bundle = trained.version, trained.bundle
        elif bundle is None:
            bundle = self._add_bundle(version)
        return _Finding(
            "done",
            f"version {version.number} of {version.name!r} in bundle {bundle.digest[:12]}, "
            f"made of {version.data.rows:,} labelled requests",
            version.metrics,
            bundle.digest,
            labels.judged_us,
        )

    def _made(self, run: RetrainingRun) -> ModelVersion | None:
        """Find what the run trained before it was interrupted."""
        versions = self._house.control.models(self._decision.model.name)
        return next((one for one in versions if one.by == _author(run)), None)

    def _bundle_of(self, version: ModelVersion) -> Bundle | None:
        for registered in self._house.control.bundles(self._decision.name):
            bundle = read_bundle(registered)
            if (bundle.model_name, bundle.model_number) == (version.name, version.number):
                return bundle
        return None

    def _add_bundle(self, version: ModelVersion) -> Bundle:
        return add_bundle(
            self._house.application,
            self._decision,
            version,
            self._house.control,
            self._house.where.artefacts(disk=self._house.disk),
        )

    # whether it may run

    def _gates(self, run: RetrainingRun) -> _Finding:
        """See what the decision's own gates said; without any, compare with the champion.

        Both look at the rows that were held out.
        """
        judged = [
            one
            for one in self._house.control.evaluations(self._decision.name)
            if one.bundle == run.bundle
        ]
        if judged:
            last = judged[-1]
            told = "; ".join(last.not_passed) or "it passed the gates of the decision"
            return _Finding("done" if last.may_run else "refused", told)
        made = run.noted("retrain", "done")
        assert made is not None
        assert made.judged_us is not None
        champion = running_bundle(self._house.control, self._decision.name)
        theirs = self._quality(self._histories(run), champion, *made.judged_us)
        mine = made.numbers["average_precision"]
        if not theirs:
            return _Finding("refused", "no labelled requests to compare with the champion on")
        its = theirs["average_precision"]
        numbers = {"average_precision": mine, "champion_average_precision": its}
        told = (
            f"average precision {mine:.3f}, the champion's {its:.3f} on the same "
            f"{theirs['rows']:,.0f} held-out requests"
        )
        return _Finding("done" if mine > its else "refused", told, numbers)

    def _approve(self, run: RetrainingRun) -> _Finding | None:
        control, name = self._house.control, self._decision.name
        for approval in control.approvals(name):
            if approval.bundle == run.bundle:
                return _Finding("done", f"approved by {approval.by}: {approval.reason}")
        running = running_bundle(control, name).digest
        kept = f"{_author(run)}: what runs stays until the new bundle is released"
        self._releases.keep(name, running, by=KINGPOST, reason=kept)
        approver = self._declared.approval
        if approver is None and self._house.where.approvers is None:
            reason = f"{_author(run)}: it passed the gates"
            control.approve(name, run.bundle, by=KINGPOST, reason=reason)
            return _Finding("done", "approved, since it passed the gates")
        within_us = _within_us(self._declared)
        if self._waited_us(run, "approve") > within_us:
            return _Finding("refused", f"nobody approved it within {duration_text(within_us)}")
        return None if approver is None else self._answered(run)

    def _answered(self, run: RetrainingRun) -> _Finding | None:
        """Ask a person, and take the answer; where approvers are named, one has to sign."""
        people = self._house.people
        if people is None:
            return None
        question = self._question(run)
        people.ask(_task(run), run.id, question, self._house.clock.now_us())
        answer = people.answers({_task(run): question}).get(_task(run))
        if answer is None:
            return None
        if not answer.is_yes:
            return _Finding("refused", f"{answer.by} rejected it: {answer.reason}")
        if self._house.where.approvers is not None:
            return None
        reason = f"{_author(run)}: {answer.reason or 'approved in the inbox'}"
        self._house.control.approve(self._decision.name, run.bundle, by=answer.by, reason=reason)
        return _Finding("done", f"approved by {answer.by}")

    def _question(self, run: RetrainingRun) -> Question:
        approver, gates = self._declared.approval, run.noted("gates", "done")
        assert approver is not None
        return Question(
            queue=approver.queue,
            title=f"Release bundle {run.bundle[:12]} of {self._decision.name}, trained anew?",
            about={
                "decision": self._decision.name,
                "bundle": run.bundle,
                "cause": run.asked.reason,
                "gates": "" if gates is None else gates.reason,
            },
            within_us=_within_us(self._declared),
            escalate_to=approver.escalate_to or "",
            tenant=run.asked.tenant,
        )

    # how it gets to work

    def _shadow(self, run: RetrainingRun) -> _Finding | None:
        declared = self._declared
        if declared.shadow is None:
            return _Finding("done", "none was asked for")
        started = self._started(run, declared.shadow, "shadow")
        if started is None:
            return None
        ended = self._ended(started)
        if ended is not None and ended.by != _author(run):
            return _over(ended)
        seen = self._requests(started.release)
        told = f"{seen:,} requests were decided for nobody, and no worse"
        if ended is None:
            if seen < declared.shadow_requests:
                return None
            live = self._house.control.releases(self._decision.name).live
            if live is None or live.id != started.release:
                return None
            over = f"{_author(run)}: the shadow is over"
            self._releases.end(self._decision.name, live, over, by=_author(run))
        return _Finding("done", told, {"requests": float(seen)})

    def _canary(self, run: RetrainingRun) -> _Finding | None:
        started = self._started(run, self._declared.canary, "canary")
        if started is None:
            return None
        ended = self._ended(started)
        if ended is None:
            return None
        if ended.step != "promoted":
            return _over(ended)
        seen = self._requests(started.release)
        return _Finding("done", ended.reason, {"requests": float(seen)})

    def _champion(self, run: RetrainingRun) -> _Finding:
        champion = self._house.control.releases(self._decision.name).champion
        if champion != run.bundle:
            return _Finding("refused", f"bundle {champion[:12]} was made champion meanwhile")
        return _Finding("done", f"bundle {run.bundle[:12]} is champion")

    def _started(
        self, run: RetrainingRun, plan: ReleasePlan, stage: RetrainingStage
    ) -> ReleaseEvent | None:
        """Find the release of a stage, or start it; None while another release goes on."""
        name, reason = self._decision.name, f"{_author(run)}: {stage}"
        for event in self._house.control.releases(name).events:
            if event.step == "started" and event.reason == reason:
                return event
        try:
            return self._releases.start(name, run.bundle, plan, by=_author(run), reason=reason)
        except ReleaseGoesOn:
            return None  # somebody else's: it is waited for its end

    def _ended(self, started: ReleaseEvent) -> ReleaseEvent | None:
        for event in self._house.control.releases(self._decision.name).events:
            if event.release == started.release and event.step in ("promoted", "rolled_back"):
                return event
        return None

    def _requests(self, release: str) -> int:
        files = EvidenceFiles(self._house.where.evidence, "", disk=self._house.disk)
        return sum(sum(seen.requests.values()) for seen in files.others(release))


class _StopLook:
    """A training's progress, which ends it when somebody asked for the end of its run."""

    def __init__(self, control: ControlLog, run: RetrainingRun) -> None:
        self._control, self._run, self._looked_s = control, run, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < _STOP_LOOK_S:
            return
        self._looked_s = now_s
        if find_run(self._control, self._run.asked.decision, self._run.id).stop is not None:
            raise RetrainingStopped(self._run.id)


def _over(ended: ReleaseEvent) -> _Finding:
    """Say that the new bundle was rolled back, by whom and by what evidence."""
    numbers: dict[str, float] = {}
    for one in ended.evidence:
        numbers |= {one.measure: one.rate, f"champion_{one.measure}": one.champion_rate}
    what = "was rolled back" if ended.step == "rolled_back" else "was promoted"
    return _Finding("refused", f"it {what} by {ended.by}: {ended.reason}", numbers)


def _author(run: RetrainingRun) -> str:
    """Say what marks all that a run does."""
    return f"retraining {run.id}"


def _task(run: RetrainingRun) -> str:
    return f"retraining-{run.id}"


def _within_us(declared: Retraining) -> int:
    within = None if declared.approval is None else declared.approval.within_us
    return within if isinstance(within, int) else _APPROVED_WITHIN_US


def _split(judged_us: tuple[int, int]) -> OutOfTimeSplit:
    begin, end = (EPOCH + timedelta(microseconds=one) for one in judged_us)
    return OutOfTimeSplit(train_until=begin, test_from=begin, test_to=end)


def _said(error: Exception) -> str:
    code = error.code if isinstance(error, KingpostError) else type(error).__name__
    return f"[{code}] {error}"
