"""Where things lie in a data directory.

journal/data      events, requests and decision records; another name where several servers
                  each have a partition of their own
tree/data         the Merkle tree over the data partition, and the checkpoints; for everybody
tree-keys/data    the key that signs them and the salt of the leaves; for nobody else
journal/control   models, bundles, approvals and releases
releases/         what each process has seen of the releases
snapshots/        what the server holds in memory; may be deleted, and is made anew
sealed/           records, inferences and reviews of finished segments as Parquet
artefacts/        models, cards and sources, by digest
access.sqlite     API keys and sessions
calls.sqlite      messages to other systems that wait, dead letters, what has come in
observed.sqlite   the search of records and the monitors; may be deleted, and is made anew
tasks.sqlite      what waits for people, and who has it
jobs.sqlite       jobs that wait, run or have ended, and what webhooks are to be told of them
pipelines.sqlite  when sources were read, and what came of it
workflows.sqlite  workflows, what their steps returned, and what they wait for
subject_keys.sqlite  the keys that personal content is sealed under, wrapped by the
subject_keys.master  master key
features.spill    windows that memory has no room for; made anew at every start
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kingpost.core import Clock, Disk
from kingpost.decisions.errors import PartitionNotHere, PartitionRenamed
from kingpost.registry import Approvers, ArtefactStore, ControlLog

__all__ = ["DataDirectory"]


@dataclass(frozen=True)
class DataDirectory:
    """The data directory of one server.

    Attributes:
        root: As in the setting `data_dir`.
        partition: The one of its events, requests and decision records.
        listed: All partitions of the installation with their data directories, in the order
            that numbers them; none where this one is alone.
        control_root: Where the control log, the artefacts and what was seen of releases lie
            when servers share them; None is `root`.
        approvers: Whose approvals count; everybody's when None.
    """

    root: Path
    partition: str = "data"
    listed: tuple[tuple[str, Path], ...] = ()
    control_root: Path | None = None
    approvers: Approvers | None = None

    @property
    def data(self) -> Path:
        """The partition of events, requests and decision records."""
        return self.root / "journal" / self.partition

    @property
    def partitions(self) -> Mapping[str, Path]:
        """The journal of every partition by its name, in the order that numbers them."""
        found = {name: root / "journal" / name for name, root in self.listed}
        return {**found, self.partition: self.data}

    def check_partition(self, *, disk: Disk) -> None:
        """See that the journal lies under the name of the partition.

        Raises:
            PartitionRenamed: It lies under another name, and would be taken for empty.
        """
        held = set(disk.list(self.root / "journal")) - {"control", self.partition}
        if held and self.partition not in disk.list(self.root / "journal"):
            raise PartitionRenamed(self.root, self.partition, tuple(sorted(held)))

    def check_readable(self, *, disk: Disk) -> None:
        """See that the journal of every partition can be read here.

        Raises:
            PartitionNotHere: One cannot.
        """
        for name, directory in self.partitions.items():
            if name != self.partition and not disk.list(directory):
                raise PartitionNotHere(name, directory)

    @property
    def control(self) -> Path:
        """The partition of models, bundles, approvals and releases."""
        return self._shared / "journal" / "control"

    @property
    def tree(self) -> Path:
        """The Merkle tree over the data partition."""
        return self.root / "tree" / self.partition

    @property
    def tree_keys(self) -> Path:
        """The directory of the key that signs checkpoints, and of the salt."""
        return self.root / "tree-keys" / self.partition

    @property
    def evidence(self) -> Path:
        """The directory of what each process has seen of the releases."""
        return self._shared / "releases"

    @property
    def process(self) -> str:
        """The name of this server among those that share the control log."""
        place = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()
        return f"{self.partition}-{place[:8]}"

    @property
    def snapshots(self) -> Path:
        """The directory of snapshots of what serving holds."""
        return self.root / "snapshots"

    @property
    def spill(self) -> Path:
        """The file of windows outside memory."""
        return self.root / "features.spill"

    @property
    def access(self) -> Path:
        """The database of API keys and sessions."""
        return self.root / "access.sqlite"

    @property
    def exposure(self) -> Path:
        """The database of answers that callers have collected."""
        return self.root / "exposure.sqlite"

    @property
    def calls(self) -> Path:
        """The database of the outbox, the inbox and the dead letters."""
        return self.root / "calls.sqlite"

    @property
    def observed(self) -> Path:
        """The database that is derived from the data partition."""
        return self.root / "observed.sqlite"

    @property
    def tasks(self) -> Path:
        """The database of the inbox."""
        return self.root / "tasks.sqlite"

    @property
    def workflows(self) -> Path:
        """The database of workflows."""
        return self.root / "workflows.sqlite"

    @property
    def jobs(self) -> Path:
        """The database of jobs."""
        return self.root / "jobs.sqlite"

    @property
    def subject_keys(self) -> Path:
        """The database of the keys of data subjects."""
        return self.root / "subject_keys.sqlite"

    @property
    def master_key(self) -> Path:
        """The file of the key that these are wrapped with; it may be a link to a secret."""
        return self.root / "subject_keys.master"

    @property
    def pipelines(self) -> Path:
        """The database of the runs of pipelines."""
        return self.root / "pipelines.sqlite"

    def stream_position(self, name: str) -> Path:
        """The file of how far the journal was published: a stream, or `records:` of a decision."""
        kind, _, published = name.rpartition(":")
        return self.root / "streams" / (kind or "events") / f"{published}.position"

    def artefacts(self, *, disk: Disk) -> ArtefactStore:
        """Open the artefacts."""
        return ArtefactStore(self._shared / "artefacts", disk=disk)

    @property
    def _shared(self) -> Path:
        return self.control_root or self.root

    def control_log(self, *, disk: Disk, clock: Clock) -> ControlLog:
        """Open the log of models, bundles and approvals."""
        return ControlLog(self.control, disk=disk, clock=clock, approvers=self.approvers)
