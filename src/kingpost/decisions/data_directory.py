"""Where things lie in a data directory.

journal/data      events, requests and decision records; another name where several servers
                  each have a partition of their own
journal/control   models, bundles, approvals, releases and exports
tree/data         the Merkle tree over each of these partitions, and the checkpoints; for
tree/control      everybody
tree-keys/…       the keys that sign them and the salts of the leaves; for nobody else
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
streams/          how far each stream was published
streams.sqlite    messages that a broker refused
workflows.sqlite  workflows, what their steps returned, and what they wait for
subject_keys.sqlite  the keys that personal content is sealed under, wrapped by the
subject_keys.master  master key
features.spill    windows that memory has no room for; made anew at every start
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from uuid import uuid4

from kingpost.core import Clock, Disk
from kingpost.decisions.control_signing import ControlSigning
from kingpost.decisions.errors import PartitionNotHere, PartitionRenamed
from kingpost.proofs import TreePlace
from kingpost.registry import Approvers, ArtefactStore, ControlLog

__all__ = ["LOGS", "DataDirectory", "LogName", "LogSettings"]

LogName = Literal["records", "control"]
"""A log that can be proved: events, requests and decision records; what was let run."""

LOGS: tuple[LogName, ...] = get_args(LogName)


@dataclass(frozen=True)
class LogSettings:
    """What an installation says of a log.

    Attributes:
        origin: What it is called in checkpoints; made up when empty.
        key_file: Where the key that signs them lies; in the data directory when None.
        kept: A checkpoint that was kept elsewhere, which the log has to continue.
    """

    origin: str = ""
    key_file: Path | None = None
    kept: Path | None = None


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
        log_settings: What is said of the logs.
        key_store: Where the keys of data subjects are, as the setting `subject_key_store`; a
            file here when empty.
    """

    root: Path
    partition: str = "data"
    listed: tuple[tuple[str, Path], ...] = ()
    control_root: Path | None = None
    approvers: Approvers | None = None
    log_settings: Mapping[LogName, LogSettings] = field(default_factory=dict[LogName, LogSettings])
    key_store: str = field(default="", repr=False)

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

    def log(self, name: LogName) -> TreePlace:
        """Say where a log and its tree lie, and what it is called."""
        chosen = self.log_settings.get(name, LogSettings())
        root, journal = (
            (self.root, self.data) if name == "records" else (self._shared, self.control)
        )
        of_records = self.log_settings.get("records", LogSettings()).origin
        return TreePlace(
            journal,
            root / "tree" / journal.name,
            root / "tree-keys" / journal.name,
            origin=chosen.origin,
            default_origin=f"{of_records or f'kingpost/{uuid4().hex[:12]}'}/{journal.name}",
            key_file=chosen.key_file,
        )

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
    def has_subject_keys(self) -> bool:
        """Whether keys of data subjects were made here."""
        return (self.master_key if self.key_store else self.subject_keys).exists()

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

    @property
    def refused_messages(self) -> Path:
        """The database of messages that brokers refused."""
        return self.root / "streams.sqlite"

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
        """Open the log of models, bundles and approvals; what is added to it is signed."""
        signing = ControlSigning(self.log("control"), disk=disk)
        return ControlLog(
            self.control,
            disk=disk,
            clock=clock,
            approvers=self.approvers,
            artefacts=self.artefacts(disk=disk),
            sign=signing.sign,
        )

    def check_control_log(self, *, disk: Disk, sign: bool = True) -> None:
        """See that the control log holds all that was signed of it, and sign what is new.

        Args:
            sign: False changes nothing.

        Raises:
            ControlLogAltered: It does not, or does not continue the checkpoint that was kept.
            KingpostError: The log or its tree cannot be read; see `Tree.update`.
        """
        kept = self.log_settings.get("control", LogSettings()).kept
        ControlSigning(self.log("control"), disk=disk).check(kept, sign=sign)
