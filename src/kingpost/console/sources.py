"""Where the pages read: stores, the journal, what was approved, what runs.

The rule: a page writes nothing. What people do goes through the desk. A store is asked for
in the thread that uses it, since a connection belongs to its thread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kingpost.console.kept import KeptRecords
from kingpost.decisions import Bundle, Explanation, ServedDecision
from kingpost.features import Erasure, Hold, RefusedErasure
from kingpost.monitoring import MonitorStore, Profile
from kingpost.proofs import PublishedLog
from kingpost.records import DecisionRecord, RecordSearch
from kingpost.registry import ArtefactStore, ControlLog
from kingpost.serving import ReviewDesk, WorkflowDesk
from kingpost.tasks import TaskStore

__all__ = ["ConsoleSources", "ErasureSources"]


@dataclass(frozen=True)
class ErasureSources:
    """Who was erased, or was to be, and who is held, by tenant; called in any thread.

    Attributes:
        partition: The journal that says so.
        digest_of: Names whom a field of a tenant's events names, without saying who.
    """

    partition: str
    erasures: Callable[[str], Sequence[Erasure]]
    refused: Callable[[str], Sequence[RefusedErasure]]
    holds: Callable[[str], Sequence[Hold]]
    digest_of: Callable[[str, str, str], str]


@dataclass(frozen=True, kw_only=True)
class ConsoleSources:
    """All that the console reads.

    Attributes:
        served: What runs here.
        records, monitors, tasks: Give this thread's store.
        desk: Does what people decide.
        kept: Reads whole records and requests.
        control: Models, bundles, approvals.
        artefacts: Model cards.
        bundle_of: Finds the bundle of a digest; None when it cannot be read.
        profile_of: Finds the training reference of a bundle; None when it has none.
        explain: Explains a record's score; called in any thread.
        prove: Proves that a record is in the log, in JSON; None when the log does not have it yet.
            Called in any thread; None where proofs are not kept.
        workflows: What may be done with workflows; None where the application declares none.
        logs: What is published of the logs, by name.
        erasures: Who was erased and who is held; None where nobody can be.
    """

    served: Mapping[str, ServedDecision]
    records: Callable[[], RecordSearch]
    monitors: Callable[[], MonitorStore]
    tasks: Callable[[], TaskStore]
    desk: ReviewDesk
    kept: KeptRecords
    control: ControlLog
    artefacts: ArtefactStore
    bundle_of: Callable[[str, bytes], Bundle | None]
    profile_of: Callable[[str, bytes], Profile | None]
    explain: Callable[[DecisionRecord], Explanation] | None = None
    prove: Callable[[bytes], bytes | None] | None = None
    workflows: WorkflowDesk | None = None
    logs: Mapping[str, PublishedLog] = field(default_factory=dict[str, PublishedLog])
    erasures: ErasureSources | None = None
