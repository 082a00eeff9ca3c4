"""Where things lie in a data directory.

journal/data      events, requests and decision records
journal/control   models, bundles and approvals
artefacts/        models, cards and sources, by digest
access.sqlite     API keys and sessions
observed.sqlite   the search of records and the monitors; may be deleted, and is made anew
tasks.sqlite      what waits for people, and who has it
pipelines.sqlite  when sources were read, and what came of it
"""

from dataclasses import dataclass
from pathlib import Path

from kingpost.core import Clock, Disk
from kingpost.registry import ArtefactStore, ControlLog

__all__ = ["DataDirectory"]


@dataclass(frozen=True)
class DataDirectory:
    """The data directory of one installation.

    Attributes:
        root: As in the setting `data_dir`.
    """

    root: Path

    @property
    def data(self) -> Path:
        """The partition of events, requests and decision records."""
        return self.root / "journal" / "data"

    @property
    def control(self) -> Path:
        """The partition of models, bundles and approvals."""
        return self.root / "journal" / "control"

    @property
    def access(self) -> Path:
        """The database of API keys and sessions."""
        return self.root / "access.sqlite"

    @property
    def observed(self) -> Path:
        """The database that is derived from the data partition."""
        return self.root / "observed.sqlite"

    @property
    def tasks(self) -> Path:
        """The database of the inbox."""
        return self.root / "tasks.sqlite"

    @property
    def pipelines(self) -> Path:
        """The database of the runs of pipelines."""
        return self.root / "pipelines.sqlite"

    def artefacts(self, *, disk: Disk) -> ArtefactStore:
        """Open the artefacts."""
        return ArtefactStore(self.root / "artefacts", disk=disk)

    def control_log(self, *, disk: Disk, clock: Clock) -> ControlLog:
        """Open the log of models, bundles and approvals."""
        return ControlLog(self.control, disk=disk, clock=clock)
