"""Finding what an application declares by the names on a command line."""

from kingpost.contracts import Contract, Event
from kingpost.core import KingpostError
from kingpost.decisions import Application, Decision

__all__ = ["NothingDeclared", "chosen_decision", "chosen_stream"]


class NothingDeclared(KingpostError):
    """A name on the command line that the application does not declare."""

    code = "not_declared"

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(kind, name, known)
        self.kind, self.name, self.known = kind, name, known

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return f"the application declares no {self.kind} {self.name!r}; it declares {known}"


def chosen_decision(application: Application, name: str | None) -> Decision:
    """Return a decision by its name, or the only one there is.

    Raises:
        NothingDeclared: There is none of that name, or several and no name was given.
    """
    decisions = application.decisions
    if name is None and len(decisions) == 1:
        return next(iter(decisions.values()))
    if name is None or name not in decisions:
        raise NothingDeclared("decision", name or "(say which)", tuple(decisions))
    return decisions[name]


def chosen_stream(application: Application, name: str) -> Contract[Event]:
    """Return the contract of a stream.

    Raises:
        NothingDeclared: There is none of that name.
    """
    if name not in application.streams:
        raise NothingDeclared("stream", name, tuple(application.streams))
    return application.streams[name]
