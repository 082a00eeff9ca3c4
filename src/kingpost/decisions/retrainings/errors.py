"""Errors of retraining."""

from kingpost.core import KingpostError

__all__ = ["RetrainingEnded", "RetrainingGoesOn", "RetrainingStopped", "UnknownRetraining"]


class UnknownRetraining(KingpostError):
    """A run that nobody began, or several that begin so."""

    code = "unknown_retraining"

    def __init__(self, run: str, known: tuple[str, ...]) -> None:
        super().__init__(run, known)
        self.run, self.known = run, known

    def __str__(self) -> str:
        known = ", ".join(self.known[-5:]) or "none"
        return f"there is no one run {self.run!r}; `kingpost retraining list` knows {known}"


class RetrainingGoesOn(KingpostError):
    """A run of the decision goes on, and there is one at a time.

    Safe to retry: nothing was begun.
    """

    code = "retraining_goes_on"
    retry_safe = True

    def __init__(self, decision: str, run: str) -> None:
        super().__init__(decision, run)
        self.decision, self.run = decision, run

    def __str__(self) -> str:
        return (
            f"{self.decision!r} is being trained anew by the run {self.run}; wait for its end, or "
            f"stop it: kingpost retraining stop {self.run} --reason …"
        )


class RetrainingEnded(KingpostError):
    """A run that has ended, and cannot be stopped any more."""

    code = "retraining_ended"

    def __init__(self, run: str, state: str) -> None:
        super().__init__(run, state)
        self.run, self.state = run, state

    def __str__(self) -> str:
        mend = "; kingpost rollback takes its bundle back" if self.state == "released" else ""
        return f"the run {self.run} has ended: {self.state}{mend}"


class RetrainingStopped(KingpostError):
    """Somebody asked for the end of a run while it trained."""

    code = "retraining_stopped"

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return f"the run {self.run} is to end"
