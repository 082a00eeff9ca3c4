"""What people work with: the inbox, the search, the monitors, incidents, and explanations.

Each store is asked for in the thread that uses it, since a connection belongs to its
thread; an explanation takes long enough to be made in a thread of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kingpost.decisions import Catalogue, Explanation
from kingpost.monitoring import IncidentLog, MonitorStore, Profile
from kingpost.records import DecisionRecord, RecordSearch
from kingpost.registry import RetrainingRun
from kingpost.tasks import TaskStore

__all__ = ["CatalogueSources", "Explain", "ReviewSources"]

Explain = Callable[[DecisionRecord], Explanation]
"""Says why a record's score is what it is; called in any thread."""


@dataclass(frozen=True)
class CatalogueSources:
    """Where features are looked up; both are called in any thread.

    Attributes:
        read: Reads which there are, who uses them and what they were.
        profile_of: Finds the training reference of a decision's bundle; None when it has none.
    """

    read: Callable[[], Catalogue]
    profile_of: Callable[[str, bytes], Profile | None]


@dataclass(frozen=True)
class ReviewSources:
    """Where the API reads what was observed, and keeps what people do.

    Attributes:
        tasks: Gives this thread's inbox.
        records: Gives this thread's search.
        monitors: Gives this thread's monitors.
        incident_log: Gives this thread's log of incidents.
        explain: Explains a record; without it nothing is explained.
        catalogue: Which features there are; without it there is no catalogue.
        retrainings: Reads the retrainings of a decision, oldest first.
    """

    tasks: Callable[[], TaskStore]
    records: Callable[[], RecordSearch]
    monitors: Callable[[], MonitorStore]
    incident_log: Callable[[], IncidentLog]
    explain: Explain | None = None
    catalogue: CatalogueSources | None = None
    retrainings: Callable[[str], Sequence[RetrainingRun]] = lambda decision: ()
