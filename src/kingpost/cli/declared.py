"""What commands share: finding what an application declares, reading its history."""

from kingpost.contracts import Contract, Event, check_evolution
from kingpost.core import KingpostError, SystemDisk
from kingpost.decisions import Application, DataDirectory, Decision
from kingpost.features import Histories
from kingpost.journal import scan

__all__ = ["NothingDeclared", "chosen_decision", "chosen_stream", "read_events"]


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


def read_events(directory: DataDirectory, application: Application) -> Histories:
    """Read every event of the application's streams from the journal.

    Raises:
        IncompatibleContract: Stored events do not fit the contracts declared now.
    """
    histories = Histories(application.streams.values())
    for commit in scan(directory.data, disk=SystemDisk()):
        for entry in commit.entries:
            if entry.kind == "contract" and entry.topic in application.streams:
                check_evolution(entry.body, application.streams[entry.topic])
        histories.add(commit)
    return histories
