"""The control log: what was registered and approved, by whom, in order.

The rule: everything is appended to the control partition of the journal and nothing is
ever changed or removed, so the log answers who let what run, and when. Writers hold the
partition only while they append; readers need no lock. Whoever is told to signs the log before
and after each append.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import structs

from kingpost.core import Clock, Disk, KingpostError
from kingpost.journal import Entry, Journal, JournalInUse, Scan, scan
from kingpost.registry.approvers import Approvers, JudgedApproval, SigningKey
from kingpost.registry.artefacts import ArtefactStore, digest_of
from kingpost.registry.documents import (
    Approval,
    BatchRun,
    BundleEvaluation,
    ExportRun,
    FeatureDefinition,
    ModelDraft,
    ModelVersion,
    RegisteredBundle,
    RegisteredFeatures,
    RetentionRun,
)
from kingpost.registry.errors import (
    AmbiguousDigest,
    ApprovalRefused,
    GatesNotEvaluated,
    GatesNotPassed,
    IncompleteApproval,
    NewerDocument,
    UnknownBundle,
)
from kingpost.registry.releases import ReleaseEvent, ReleaseState, state_after
from kingpost.registry.retrainings import RetrainingEvent, RetrainingRun, runs_of

__all__ = ["ControlLog"]


class _OfModel(msgspec.Struct):
    """What a bundle's document says of its model."""

    model_name: str = ""
    model_number: int = 0


class _OfGates(msgspec.Struct):
    """What a bundle's document says of its evaluation gates; unset where it has none."""

    evaluation: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_log = logging.getLogger(__name__)
_EXPORTS = "records"
_SEGMENT_BYTES = 4 * 1024 * 1024
_RETRY_S = 0.02
Document = TypeVar(
    "Document",
    ModelVersion,
    Approval,
    RegisteredFeatures,
    ReleaseEvent,
    BatchRun,
    BundleEvaluation,
    ExportRun,
    RetentionRun,
    RetrainingEvent,
)


class ControlLog:
    """The control partition of a data directory.

    Args:
        directory: The partition, `<data directory>/journal/control`.
        wait_s: How long an append waits for another process's to end.
        approvers: Whose approvals count; everybody's when None.
        artefacts: Where the results of evaluation gates lie, which are checked before an
            approval; None where they are not.
        sign: Signs what the log holds, and raises where it does not continue what was signed;
            None where nobody does.
    """

    def __init__(
        self,
        directory: Path,
        *,
        disk: Disk,
        clock: Clock,
        wait_s: float = 5.0,
        approvers: Approvers | None = None,
        artefacts: ArtefactStore | None = None,
        sign: Callable[[], None] | None = None,
    ) -> None:
        self._sign, self._artefacts = sign, artefacts
        self._directory, self._approvers = directory, approvers
        self._disk, self._clock, self._wait_s = disk, clock, wait_s

    def register_model(self, draft: ModelDraft) -> ModelVersion:
        """Add a model version; it gets the next number of its name.

        Raises:
            JournalInUse: Another process kept the log for too long; nothing was added.
            JournalFull, JournalFailed, JournalCorrupt, JournalNewer: See `Journal`.
        """
        with self._appending() as journal:
            fields = {name: getattr(draft, name) for name in ModelDraft.__struct_fields__}
            version = ModelVersion(
                **fields,
                format=1,
                number=len(self.models(draft.name)) + 1,
                registered_at_us=self._clock.now_us(),
            )
            journal.append([Entry("model", "", draft.name, _canonical(version))])
        return version

    def models(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a model, oldest first.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        return tuple(self._documents("model", name, ModelVersion))

    def add_bundle(self, decision: str, document: bytes) -> RegisteredBundle:
        """Add a bundle's document; adding the same one again changes nothing.

        Raises:
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        digest = digest_of(document)
        with self._appending() as journal:
            for bundle in self.bundles(decision):
                if bundle.digest == digest:
                    return bundle
            offset = journal.append([Entry("bundle", "", decision, document)])
        return RegisteredBundle(digest, document, offset)

    def bundles(self, decision: str) -> tuple[RegisteredBundle, ...]:
        """Return the bundles of a decision, oldest first."""
        return tuple(
            RegisteredBundle(digest_of(entry.body), entry.body, offset)
            for offset, entry in self._entries("bundle", decision)
        )

    def bundle(self, decision: str, digest: str) -> RegisteredBundle:
        """Find a bundle by its digest or the beginning of it.

        Raises:
            UnknownBundle: There is none.
            AmbiguousDigest: Several digests begin so.
        """
        known = self.bundles(decision)
        found = [bundle for bundle in known if digest and bundle.digest.startswith(digest)]
        if not found:
            raise UnknownBundle(decision, digest, tuple(bundle.digest for bundle in known))
        if len(found) > 1:
            raise AmbiguousDigest(digest, tuple(bundle.digest for bundle in found))
        return found[0]

    def note_evaluation(self, evaluation: BundleEvaluation) -> None:
        """Add what came of the evaluation gates of a bundle; the newest one counts.

        Raises:
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        with self._appending() as journal:
            body = _canonical(evaluation)
            journal.append([Entry("evaluation", "", evaluation.decision, body)])

    def evaluations(self, decision: str) -> tuple[BundleEvaluation, ...]:
        """Return what came of the evaluation gates of a decision's bundles, oldest first.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        return tuple(self._documents("evaluation", decision, BundleEvaluation))

    def approve(
        self,
        decision: str,
        digest: str,
        *,
        by: str,
        reason: str,
        key: SigningKey | None = None,
        override: str = "",
    ) -> Approval:
        """Add the approval of a bundle; the newest approval says what runs.

        Args:
            digest: The bundle's digest, or the beginning of it.
            by: Who approves.
            reason: Why; whoever asks later reads it.
            key: What it is signed with; needed where approvers are named.
            override: Why it may run although its evaluation gates were not passed; not
                recorded where they were, or where there are none.

        Raises:
            UnknownBundle, AmbiguousDigest: See `bundle`.
            GatesNotEvaluated, GatesNotPassed: Its evaluation gates hold it up, and there is no
                override.
            ArtefactMissing, ArtefactCorrupt: The results of its gates, or the card made from
                them, were altered.
            IncompleteApproval: It does not say who, or why.
            ApprovalRefused: It would not count; nothing was added.
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        by, reason = by.strip(), reason.strip()
        if not by or not reason:
            raise IncompleteApproval("reason" if by else "name")
        with self._appending() as journal:
            bundle = self.bundle(decision, digest)
            results, overridden = self._passed(decision, bundle, override.strip())
            approval = Approval(
                format=1 if key is None else 2,
                decision=decision,
                bundle=bundle.digest,
                by=by,
                reason=reason,
                at_us=self._clock.now_us(),
                results=results,
                override=overridden,
            )
            if key is not None:
                before = (one.number for one in self.approvals(decision))
                numbered = structs.replace(approval, number=1 + max(before, default=0))
                approval = key.signed(numbered, self._name())
            *_, judged = self._judged(decision, [approval])
            if judged.problem:
                raise ApprovalRefused(by, approval.bundle, judged.problem)
            journal.append([Entry("approval", "", decision, _canonical(approval))])
        return approval

    def approvals(self, decision: str) -> tuple[Approval, ...]:
        """Return the approvals of a decision that count, oldest first.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        return tuple(one.approval for one in self.judged_approvals(decision) if not one.problem)

    def judged_approvals(self, decision: str) -> tuple[JudgedApproval, ...]:
        """Return all approvals of a decision, oldest first, where, and why some do not count.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        offsets = [offset for offset, _ in self._entries("approval", decision)]
        return tuple(
            one._replace(offset=offset)
            for one, offset in zip(self._judged(decision), offsets, strict=False)
        )

    def _judged(self, decision: str, more: Sequence[Approval] = ()) -> Iterator[JudgedApproval]:
        approvals = [*self._documents("approval", decision, Approval), *more]
        held_up = self._held_up(decision, approvals)
        allowed = [one for one, problem in zip(approvals, held_up, strict=True) if not problem]
        if self._approvers is None:
            judged = iter([JudgedApproval(one, "") for one in allowed])
        else:
            authors = self._authors(decision)
            judged = self._approvers.judge(allowed, self._name(), lambda one: authors.get(one, ""))
        for one, problem in zip(approvals, held_up, strict=True):
            yield JudgedApproval(one, problem) if problem else next(judged)

    def _passed(self, decision: str, bundle: RegisteredBundle, override: str) -> tuple[str, str]:
        """Return the results that let a bundle run, and what overrides them."""
        if not _has_gates(bundle):
            return "", ""
        found = [one for one in self.evaluations(decision) if one.bundle == bundle.digest]
        if not found:
            if override:
                return "", override
            raise GatesNotEvaluated(decision, bundle.digest)
        last = found[-1]
        if self._artefacts is not None:
            for digest in filter(None, (last.results, last.card, last.card_html)):
                self._artefacts.get(digest)
        if last.may_run:
            return last.results, ""
        if not override:
            raise GatesNotPassed(decision, bundle.digest, last.not_passed)
        return last.results, override

    def _held_up(self, decision: str, approvals: Sequence[Approval]) -> list[str]:
        """Say of each approval what its bundle's evaluation gates hold against it."""
        gated = {one.digest for one in self.bundles(decision) if _has_gates(one)}
        if not gated:
            return [""] * len(approvals)
        passed = {(one.bundle, one.results) for one in self.evaluations(decision) if one.may_run}
        return [
            ""
            if one.bundle not in gated or one.override or (one.bundle, one.results) in passed
            else "the bundle did not pass its evaluation gates"
            for one in approvals
        ]

    def _authors(self, decision: str) -> dict[str, str]:
        """Find who made the model of each bundle."""
        made: dict[str, dict[int, str]] = {}
        found: dict[str, str] = {}
        for bundle in self.bundles(decision):
            of = msgspec.json.decode(bundle.document, type=_OfModel)
            if of.model_name not in made:
                made[of.model_name] = {one.number: one.by for one in self.models(of.model_name)}
            found[bundle.digest] = made[of.model_name].get(of.model_number, "")
        return found

    def _name(self) -> str:
        """Tell this log from others: the digest of what it began with."""
        first = next(scan(self._directory, disk=self._disk), None)
        return "" if first is None else digest_of(first.entries[0].body)

    def register_features(
        self, decision: str, digest: str, features: Sequence[FeatureDefinition]
    ) -> RegisteredFeatures:
        """Add the versions of a decision's features; adding the same again changes nothing.

        Args:
            digest: Of the feature set, as model versions and bundles name it.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of those before.
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        with self._appending() as journal:
            made = RegisteredFeatures(
                format=1,
                decision=decision,
                digest=digest,
                features=tuple(features),
                at_us=self._clock.now_us(),
            )
            content = _canonical(structs.replace(made, at_us=0))
            for known in self.features(decision):
                if _canonical(structs.replace(known, at_us=0)) == content:
                    return known
            journal.append([Entry("features", "", decision, _canonical(made))])
        return made

    def features(self, decision: str) -> tuple[RegisteredFeatures, ...]:
        """Return the versions of a decision's features, oldest first, as bundles were made.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        return tuple(self._documents("features", decision, RegisteredFeatures))

    def release(
        self, decision: str, step: Callable[[ReleaseState], ReleaseEvent | None]
    ) -> ReleaseEvent | None:
        """Add a step of a decision's releases, made of what they add up to now.

        Args:
            step: Given the state while nobody else can change it; None adds nothing.

        Raises:
            NewerDocument: A later version of Kingpost wrote a step before.
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        with self._appending() as journal:
            event = step(self.releases(decision))
            if event is not None:
                journal.append([Entry("release", "", decision, _canonical(event))])
        return event

    def releases(self, decision: str) -> ReleaseState:
        """Return what the releases of a decision add up to.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of the steps.
        """
        state = ReleaseState()
        for event in self._documents("release", decision, ReleaseEvent):
            state = state_after(state, event)
        return state

    def note_batch(self, run: BatchRun) -> None:
        """Add what became of a batch; noting the same state of it again changes nothing.

        Raises:
            NewerDocument: A later version of Kingpost wrote one before.
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        with self._appending() as journal:
            noted = self.batches(run.decision)
            if all((one.id, one.state) != (run.id, run.state) for one in noted):
                journal.append([Entry("batch", run.tenant, run.decision, _canonical(run))])

    def batches(self, decision: str) -> tuple[BatchRun, ...]:
        """Return what was noted of the batches of a decision, oldest first.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        return tuple(self._documents("batch", decision, BatchRun))

    def note_export(self, run: ExportRun) -> None:
        """Add that records were exported.

        Raises:
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        tenant = str(run.selection.get("tenant") or "")
        with self._appending() as journal:
            journal.append([Entry("export", tenant, _EXPORTS, _canonical(run))])

    def exports(self) -> tuple[tuple[int, ExportRun], ...]:
        """Return the exports that were made, oldest first, each with its offset.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        offsets = [offset for offset, _ in self._entries("export", _EXPORTS)]
        return tuple(zip(offsets, self._documents("export", _EXPORTS, ExportRun), strict=False))

    def note_retention(self, run: RetentionRun) -> None:
        """Add what is going to be removed from a partition, since its time is over.

        Raises:
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        with self._appending() as journal:
            journal.append([Entry("retention", "", run.partition, _canonical(run))])

    def retentions(self, partition: str) -> tuple[RetentionRun, ...]:
        """Return what was noted to be removed from a partition, oldest first.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of them.
        """
        return tuple(self._documents("retention", partition, RetentionRun))

    def note_retraining(self, event: RetrainingEvent) -> bool:
        """Add what happened in a run; the same step of the same stage again changes nothing.

        Returns:
            Whether it was added.

        Raises:
            NewerDocument: A later version of Kingpost wrote one before.
            JournalInUse, JournalFull, JournalFailed: As in `register_model`.
        """
        with self._appending() as journal:
            place = (event.run, event.stage, event.step)
            noted = self._documents("retraining", event.decision, RetrainingEvent)
            if any((one.run, one.stage, one.step) == place for one in noted):
                return False
            journal.append([Entry("retraining", event.tenant, event.decision, _canonical(event))])
        return True

    def retrainings(self, decision: str) -> tuple[RetrainingRun, ...]:
        """Return the runs that train a decision's model anew, oldest first.

        Raises:
            NewerDocument: A later version of Kingpost wrote one of their events.
        """
        return runs_of(self._documents("retraining", decision, RetrainingEvent))

    def follow(self) -> Scan:
        """Return a place at the beginning of the log, from which it can be read on."""
        return Scan(self._directory, disk=self._disk)

    def _documents(self, kind: str, topic: str, document: type[Document]) -> Iterator[Document]:
        for offset, entry in self._entries(kind, topic):
            try:
                yield msgspec.json.decode(entry.body, type=document)
            except msgspec.MsgspecError as error:
                raise NewerDocument(kind, offset, str(error)) from error

    def _entries(self, kind: str, topic: str) -> Iterator[tuple[int, Entry]]:
        for commit in scan(self._directory, disk=self._disk):
            offset = commit.offset
            for entry in commit.entries:
                if entry.kind == kind and entry.topic == topic:
                    yield offset, entry
                offset += entry.count

    @contextmanager
    def _appending(self) -> Generator[Journal, None, None]:
        with self._open() as journal:
            if self._sign is not None:
                self._sign()  # nothing is added to a log that was altered
            yield journal
            try:
                if self._sign is not None:
                    self._sign()
            except (KingpostError, OSError) as error:
                # what was added is durable and counts; whoever signs next takes it in
                code = error.code if isinstance(error, KingpostError) else "os_error"
                _log.warning("control_log_not_signed", extra={"code": code, "reason": str(error)})

    def _open(self) -> Journal:
        return _patiently(self._open_once, self._clock, self._wait_s)

    def _open_once(self) -> Journal:
        return Journal.open(
            self._directory, disk=self._disk, clock=self._clock, segment_bytes=_SEGMENT_BYTES
        )


def _has_gates(bundle: RegisteredBundle) -> bool:
    try:
        found = msgspec.json.decode(bundle.document, type=_OfGates)
    except msgspec.MsgspecError:
        return False  # no bundle that can be read, and so none that can run
    return found.evaluation is not msgspec.UNSET


def _patiently(attempt: Callable[[], Journal], clock: Clock, wait_s: float) -> Journal:
    deadline_ns = clock.monotonic_ns() + int(wait_s * 1e9)
    while True:
        try:
            return attempt()
        except JournalInUse:
            if clock.monotonic_ns() >= deadline_ns:
                raise
        time.sleep(_RETRY_S)


def _canonical(document: msgspec.Struct) -> bytes:
    return msgspec.json.encode(document, order="sorted")
