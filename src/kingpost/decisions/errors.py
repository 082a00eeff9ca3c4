"""Errors of decisions: wrong declarations, bundles that may not run, records not replayed."""

from kingpost.core import KingpostError, Place

__all__ = [
    "ApplicationError",
    "BundleMismatch",
    "NotApproved",
    "NoModel",
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
            f"decision {self.decision!r}: bundle {self.digest} has no approval in the journal; "
            f"`kingpost approve {self.decision} --bundle {self.digest[:12]} --reason …`"
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
