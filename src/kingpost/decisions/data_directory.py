"""Where things lie in a data directory.

journal/data      events, requests and decision records
journal/control   models, bundles and approvals
artefacts/        models, cards and sources, by digest
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

    def artefacts(self, *, disk: Disk) -> ArtefactStore:
        """Open the artefacts."""
        return ArtefactStore(self.root / "artefacts", disk=disk)

    def control_log(self, *, disk: Disk, clock: Clock) -> ControlLog:
        """Open the log of models, bundles and approvals."""
        return ControlLog(self.control, disk=disk, clock=clock)
