"""What can go wrong with artefacts, documents and approvals, and what to do about it."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = [
    "AmbiguousDigest",
    "ApprovalRefused",
    "ArtefactCorrupt",
    "ArtefactMissing",
    "BadApprovers",
    "BadDigest",
    "BadReleasePlan",
    "BadSigningKey",
    "GatesNotEvaluated",
    "GatesNotPassed",
    "IncompleteApproval",
    "NewerDocument",
    "NothingReleased",
    "ReleaseGoesOn",
    "UnknownBundle",
]


class BadDigest(KingpostError):
    """A text that is not a SHA-256 digest."""

    code = "bad_digest"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{self.text!r} is not a digest; one has 64 lower-case hexadecimal digits"


class ArtefactMissing(KingpostError):
    """No artefact of that digest is stored."""

    code = "artefact_missing"

    def __init__(self, digest: str, root: Path) -> None:
        super().__init__(digest, root)
        self.digest, self.root = digest, root

    def __str__(self) -> str:
        return (
            f"{self.root} holds no artefact {self.digest}; restore it from a backup "
            "or copy it from the machine that made it"
        )


class ArtefactCorrupt(KingpostError):
    """A stored artefact is no longer what its digest says."""

    code = "artefact_corrupt"

    def __init__(self, path: Path, digest: str, found: str) -> None:
        super().__init__(path, digest, found)
        self.path, self.digest, self.found = path, digest, found

    def __str__(self) -> str:
        return (
            f"{self.path} was changed: its content has digest {self.found}, not {self.digest}; "
            "nothing of it was used. Restore the file from a backup"
        )


class NewerDocument(KingpostError):
    """A document of the control journal that this version cannot read."""

    code = "newer_document"

    def __init__(self, kind: str, offset: int, problem: str) -> None:
        super().__init__(kind, offset, problem)
        self.kind, self.offset, self.problem = kind, offset, problem

    def __str__(self) -> str:
        return (
            f"the {self.kind} at offset {self.offset} of the control journal cannot be read by "
            f"this version: {self.problem}; install the version that wrote it, or a later one"
        )


class UnknownBundle(KingpostError):
    """No bundle of that digest was made for the decision."""

    code = "unknown_bundle"

    def __init__(self, decision: str, digest: str, known: tuple[str, ...]) -> None:
        super().__init__(decision, digest, known)
        self.decision, self.digest, self.known = decision, digest, known

    def __str__(self) -> str:
        newest = ", ".join(digest[:12] for digest in self.known[-3:])
        mend = f"the newest are {newest}" if newest else "train a model first"
        return f"decision {self.decision!r} has no bundle {self.digest!r}; {mend}"


class AmbiguousDigest(KingpostError):
    """The beginning of a digest that several bundles share."""

    code = "ambiguous_digest"

    def __init__(self, beginning: str, matches: tuple[str, ...]) -> None:
        super().__init__(beginning, matches)
        self.beginning, self.matches = beginning, matches

    def __str__(self) -> str:
        return (
            f"{self.beginning!r} is the beginning of {len(self.matches)} digests "
            f"({', '.join(self.matches)}); give more of it"
        )


class BadApprovers(KingpostError):
    """A setting of approvers that cannot be read."""

    code = "bad_approvers"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return (
            f"setting 'approvers': {self.name}: {self.reason}; `kingpost approvers new-key` "
            "prints what to write there"
        )


class BadSigningKey(KingpostError):
    """A file that is no private key of an approver."""

    code = "bad_signing_key"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be used to sign: {self.reason}; expected an Ed25519 key in PEM, "
            "as `kingpost approvers new-key` makes"
        )


class ApprovalRefused(KingpostError):
    """An approval that would not count."""

    code = "approval_refused"

    def __init__(self, by: str, bundle: str, reason: str) -> None:
        super().__init__(by, bundle, reason)
        self.by, self.bundle, self.reason = by, bundle, reason

    def __str__(self) -> str:
        return f"bundle {self.bundle[:12]}: {self.by} cannot approve it: {self.reason}"


class IncompleteApproval(KingpostError):
    """An approval that does not say who approves, or why."""

    code = "incomplete_approval"

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing

    def __str__(self) -> str:
        return f"an approval says who gives it and why; this one has no {self.missing}: give one"


class BadReleasePlan(KingpostError):
    """A plan of a release that cannot be followed."""

    code = "bad_release_plan"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"this release cannot be made: {self.problem}"


class ReleaseGoesOn(KingpostError):
    """A second release of a decision, while one goes on."""

    code = "release_goes_on"

    def __init__(self, decision: str, bundle: str) -> None:
        super().__init__(decision, bundle)
        self.decision, self.bundle = decision, bundle

    def __str__(self) -> str:
        return (
            f"bundle {self.bundle[:12]} of decision {self.decision!r} is being released; promote "
            "it or roll it back first"
        )


class NothingReleased(KingpostError):
    """A promotion, or a way back, where there is none."""

    code = "nothing_released"

    def __init__(self, decision: str, wanted: str) -> None:
        super().__init__(decision, wanted)
        self.decision, self.wanted = decision, wanted

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r} has nothing to {self.wanted}; `kingpost releases` says "
            "what goes on, and `kingpost history` what was"
        )


class GatesNotEvaluated(KingpostError):
    """A bundle whose decision declares evaluation gates, and that nobody has judged by them."""

    code = "gates_not_evaluated"

    def __init__(self, decision: str, bundle: str) -> None:
        super().__init__(decision, bundle)
        self.decision, self.bundle = decision, bundle

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r}: bundle {self.bundle[:12]} was not judged by its evaluation "
            f"gates; run `kingpost evaluate APP {self.decision} --bundle {self.bundle[:12]}`, or say "
            "why it may run all the same: --override …"
        )


class GatesNotPassed(KingpostError):
    """A bundle that failed an evaluation gate, or that one could not decide on."""

    code = "gates_not_passed"

    def __init__(self, decision: str, bundle: str, not_passed: tuple[str, ...]) -> None:
        super().__init__(decision, bundle, not_passed)
        self.decision, self.bundle, self.not_passed = decision, bundle, not_passed

    def __str__(self) -> str:
        listed = "".join(f"\n  {one}" for one in self.not_passed)
        return (
            f"decision {self.decision!r}: bundle {self.bundle[:12]} did not pass its evaluation "
            f"gates:{listed}\ntrain a better model, judge it on more rows, or say why it may run all "
            "the same: --override …"
        )
