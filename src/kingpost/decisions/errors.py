"""Errors of decisions: wrong declarations, bundles that may not run, records not replayed."""

from pathlib import Path

from kingpost.core import KingpostError, Place

__all__ = [
    "ApplicationError",
    "BundleMismatch",
    "ControlLogAltered",
    "EngineStopped",
    "ErasureFailed",
    "EventConflict",
    "EventUnreadable",
    "ExportExists",
    "IdempotencyKeyReused",
    "NoGates",
    "NoModel",
    "NoTrainer",
    "NotApproved",
    "NotExplainable",
    "NotExported",
    "NotHeldOut",
    "NotImported",
    "NotReproducible",
    "NothingToLearn",
    "PartitionNotHere",
    "PartitionRenamed",
    "RecordNotFound",
    "ReleaseRefused",
    "ReplayFailed",
    "SnapshotInProgress",
    "UnderLegalHold",
    "UnknownDecision",
    "WrongDecision",
]


class WrongDecision(KingpostError):
    """A decision declaration that cannot work; it names the line and the mend."""

    code = "wrong_decision"

    def __init__(self, problem: str, mend: str, place: Place) -> None:
        super().__init__(problem, mend, place)
        self.problem, self.mend, self.place = problem, mend, place

    def __str__(self) -> str:
        return f"{self.place}\n  {self.problem}; {self.mend}"


class ApplicationError(KingpostError):
    """A file that cannot be loaded as an application, or declares too little or twice."""

    code = "bad_application"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


class NoModel(KingpostError):
    """A decision for which nothing was trained yet."""

    code = "no_model"

    def __init__(self, decision: str) -> None:
        super().__init__(decision)
        self.decision = decision

    def __str__(self) -> str:
        return f"decision {self.decision!r} has no trained model; run `kingpost train` first"


class NotApproved(KingpostError):
    """A bundle that nobody approved."""

    code = "bundle_not_approved"

    def __init__(self, decision: str, digest: str) -> None:
        super().__init__(decision, digest)
        self.decision, self.digest = decision, digest

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r}: bundle {self.digest} has no approval that counts "
            "(`kingpost models list` tells of those that do not); "
            f"`kingpost approve APP {self.decision} --bundle {self.digest[:12]} --reason …`"
        )


class BundleMismatch(KingpostError):
    """What would run is not what was approved."""

    code = "bundle_mismatch"

    def __init__(self, decision: str, digest: str, parts: tuple[str, ...]) -> None:
        super().__init__(decision, digest, parts)
        self.decision, self.digest, self.parts = decision, digest, parts

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r}: {', '.join(self.parts)} differ from the approved bundle "
            f"{self.digest[:12]}; train and approve a new bundle, or run the approved code"
        )


class EngineStopped(KingpostError):
    """Something failed after an event was applied and before it was written.

    Safe to retry once the server has started again: it goes on from what is durable.
    """

    code = "engine_stopped"
    retry_safe = True

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"the engine stopped after an unexpected {self.cause}; everything acknowledged is "
            "kept: look for the error in the log, then start the server again"
        )


class IdempotencyKeyReused(KingpostError):
    """An idempotency key that came before with another body."""

    code = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return (
            "this Idempotency-Key was used for a request with another body; "
            "send the same body to repeat that request, or a new key for a new one"
        )


class EventConflict(KingpostError):
    """A second, different event under a key that is already taken."""

    code = "event_conflict"

    def __init__(self, stream: str, field: str) -> None:
        super().__init__(stream, field)
        self.stream, self.field = stream, field

    def __str__(self) -> str:
        return (
            f"another {self.stream} with this {self.field} was decided before, with other "
            f"content; an event is written once: send it under a {self.field} of its own"
        )


class EventUnreadable(KingpostError):
    """An event that is held, and that the journal does not give back."""

    code = "event_unreadable"

    def __init__(self, stream: str, position: int, problem: str) -> None:
        super().__init__(stream, position, problem)
        self.stream, self.position, self.problem = stream, position, problem

    def __str__(self) -> str:
        return (
            f"the {self.stream} at position {self.position} cannot be read back ({self.problem}), "
            "so it can be neither retracted nor corrected and nothing was changed; restore the "
            "journal from a copy"
        )


class UnknownDecision(KingpostError):
    """An application that declares no decision of that name."""

    code = "unknown_decision"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        has = f"it has {', '.join(self.known)}" if self.known else "it declares none"
        return f"the application has no decision {self.name!r}; {has}"


class NothingToLearn(KingpostError):
    """Data from which no model can be trained."""

    code = "nothing_to_learn"

    def __init__(self, decision: str, problem: str, mend: str) -> None:
        super().__init__(decision, problem, mend)
        self.decision, self.problem, self.mend = decision, problem, mend

    def __str__(self) -> str:
        return f"decision {self.decision!r}: {self.problem}; {self.mend}"


class PartitionNotHere(KingpostError):
    """Events of another server that are needed and cannot be read here."""

    code = "partition_not_here"

    def __init__(self, partition: str, directory: Path | None) -> None:
        super().__init__(partition, directory)
        self.partition, self.directory = partition, directory

    def __str__(self) -> str:
        found = "it is not listed" if self.directory is None else f"{self.directory} has none"
        return (
            f"the journal of partition {self.partition!r} cannot be read here ({found}): its events "
            "are part of what was read; list it in the setting `partitions` with its data "
            "directory, mounted or copied here"
        )


class PartitionRenamed(KingpostError):
    """A data directory whose journal lies under another partition's name."""

    code = "partition_renamed"

    def __init__(self, directory: Path, partition: str, held: tuple[str, ...]) -> None:
        super().__init__(directory, partition, held)
        self.directory, self.partition, self.held = directory, partition, held

    def __str__(self) -> str:
        return (
            f"{self.directory} holds the journal of partition {', '.join(self.held)} and none of "
            f"{self.partition!r}: set `partition` to the name that is there; a partition keeps its "
            "name for good, records speak of it"
        )


class RecordNotFound(KingpostError):
    """No decision record, or inference, of that id is in the journal."""

    code = "record_not_found"

    def __init__(self, identifier: str, directory: str) -> None:
        super().__init__(identifier, directory)
        self.identifier, self.directory = identifier, directory

    def __str__(self) -> str:
        return (
            f"{self.directory} holds no record {self.identifier!r}; give the id that came "
            "with the answer, 36 characters, and the data directory of the server that gave it"
        )


class NotExplainable(KingpostError):
    """A record whose score cannot be explained."""

    code = "not_explainable"

    def __init__(self, record: str, problem: str, mend: str) -> None:
        super().__init__(record, problem, mend)
        self.record, self.problem, self.mend = record, problem, mend

    def __str__(self) -> str:
        return f"record {self.record} cannot be explained: {self.problem}; {self.mend}"


class ReplayFailed(KingpostError):
    """Recorded code that could not be run again, so nothing could be compared."""

    code = "replay_failed"

    def __init__(self, decision: str, bundle: str, problem: str) -> None:
        super().__init__(decision, bundle, problem)
        self.decision, self.bundle, self.problem = decision, bundle, problem

    def __str__(self) -> str:
        return (
            f"bundle {self.bundle[:12]} of decision {self.decision!r} could not be run again: "
            f"{self.problem}"
        )


class NoTrainer(KingpostError):
    """A decision whose model nobody trains here."""

    code = "no_trainer"

    def __init__(self, decision: str, model: str) -> None:
        super().__init__(decision, model)
        self.decision, self.model = decision, model

    def __str__(self) -> str:
        return (
            f"model {self.model!r} of decision {self.decision!r} has no trainer; bring it in with "
            "`kingpost models import`, or `kingpost models register` where it is a function, or "
            "declare a trainer"
        )


class NotImported(KingpostError):
    """A model that cannot be registered in this way, as its declaration says."""

    code = "not_imported"

    def __init__(self, decision: str, problem: str, mend: str) -> None:
        super().__init__(decision, problem, mend)
        self.decision, self.problem, self.mend = decision, problem, mend

    def __str__(self) -> str:
        return f"decision {self.decision!r}: {self.problem}; {self.mend}"


class NotExported(KingpostError):
    """A model version that another registry cannot hold."""

    code = "not_exported"

    def __init__(self, decision: str, problem: str, mend: str) -> None:
        super().__init__(decision, problem, mend)
        self.decision, self.problem, self.mend = decision, problem, mend

    def __str__(self) -> str:
        return f"decision {self.decision!r}: {self.problem}; {self.mend}"


class ErasureFailed(KingpostError):
    """An erasure that could not begin: snapshots that hold the entity cannot be removed.

    Safe to retry: nothing was erased.
    """

    code = "erasure_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"nothing was erased: a snapshot could not be removed ({self.reason}); let the server "
            "write to its data directory, and retry"
        )


class UnderLegalHold(KingpostError):
    """An erasure of an entity that somebody holds: nothing was erased."""

    code = "under_legal_hold"

    def __init__(self, entity: str, by: str, reason: str) -> None:
        super().__init__(entity, by, reason)
        self.entity, self.by, self.reason = entity, by, reason

    def __str__(self) -> str:
        return (
            f"nothing was erased: this {self.entity} is under a legal hold by {self.by} "
            f"({self.reason or 'no reason given'}); release it first, `kingpost hold --release`"
        )


class ControlLogAltered(KingpostError):
    """The control log does not hold what was signed of it: nothing of it is run."""

    code = "control_log_altered"

    def __init__(self, directory: Path, problem: str) -> None:
        super().__init__(directory, problem)
        self.directory, self.problem = directory, problem

    def __str__(self) -> str:
        return (
            f"{self.directory} is not the control log that was signed ({self.problem}); nothing "
            "it approves is run. It was altered, cut, or restored from an older state than its "
            "tree: `kingpost verify DATA_DIRECTORY` names the place. Restore both from one backup"
        )


class ExportExists(KingpostError):
    """A directory for an export that holds something already."""

    code = "export_exists"

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        self.out = out

    def __str__(self) -> str:
        return f"{self.out} is not empty, and an export is written once; name another directory"


class SnapshotInProgress(KingpostError):
    """Another process is writing a snapshot.

    Safe to retry: nothing was changed.
    """

    code = "snapshot_in_progress"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"another process is writing a snapshot in {self.directory}: wait until it is done"


class ReleaseRefused(KingpostError):
    """A release that the requests of its decision do not allow."""

    code = "release_refused"

    def __init__(self, decision: str, problem: str) -> None:
        super().__init__(decision, problem)
        self.decision, self.problem = decision, problem

    def __str__(self) -> str:
        return f"decision {self.decision!r} cannot be released so: {self.problem}"


class NoGates(KingpostError):
    """A decision that declares no evaluation gates, and so has nothing to be judged by."""

    code = "no_gates"

    def __init__(self, decision: str) -> None:
        super().__init__(decision)
        self.decision = decision

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r} declares no evaluation gates; give it "
            "evaluation=kp.evaluation(…) and train, or import, a model anew"
        )


class NotHeldOut(KingpostError):
    """Rows to judge on that the model may have learned from."""

    code = "not_held_out"

    def __init__(self, decision: str, bundle: str, problem: str, mend: str) -> None:
        super().__init__(decision, bundle, problem, mend)
        self.decision, self.bundle, self.problem, self.mend = decision, bundle, problem, mend

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r}: bundle {self.bundle[:12]} cannot be judged on these rows: "
            f"{self.problem}; {self.mend}"
        )


class NotReproducible(KingpostError):
    """A bundle whose model's inputs are not on record, so it cannot be trained again."""

    code = "not_reproducible"

    def __init__(self, decision: str, bundle: str) -> None:
        super().__init__(decision, bundle)
        self.decision, self.bundle = decision, bundle

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r}: the model of bundle {self.bundle[:12]} was not trained "
            "here, or by a version that did not record how; train it anew"
        )
