"""What commands and the observer need to speak of costs: the plan, what was counted, one record."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from kingpost.core import SystemDisk
from kingpost.decisions import Application, DataDirectory
from kingpost.monitoring import (
    COST_MIGRATIONS,
    CostBudget,
    CostLine,
    CostPlan,
    CostStore,
    MemoryCosts,
    Owner,
    Prices,
    SqliteCosts,
    Usage,
    usage_of,
)
from kingpost.serving import costs_of_record
from kingpost.storage import migrate, open_database

__all__ = ["cost_plan_of", "costs_of", "record_lines", "stored_bytes"]

_EVER = (-(1 << 60), 1 << 60)


def cost_plan_of(application: Application) -> CostPlan:
    """Gather what an application's file declares of costs.

    Raises:
        WrongCost: See `CostPlan.of`.
    """
    named = application.names.values()
    return CostPlan.of(
        {id(one): one for one in named if isinstance(one, Prices)}.values(),
        {id(one): one for one in named if isinstance(one, CostBudget)}.values(),
        {
            name: Owner(decision.team, decision.product)
            for name, decision in application.decisions.items()
        },
    )


@contextmanager
def costs_of(where: DataDirectory, also: Sequence[Path] = ()) -> Generator[CostStore, None, None]:
    """Open what was counted here, together with what other servers have counted.

    Args:
        also: Their data directories.

    Raises:
        DatabaseUnreadable, DatabaseNewer: A file is no database, or a later version's.
    """
    with closing(open_database(where.observed)) as connection:
        migrate(connection, "costs", COST_MIGRATIONS)
        here = SqliteCosts(connection)
        if not also:
            yield here
            return
        whole = MemoryCosts()
        _add(here, whole)
        for root in also:
            with costs_of(DataDirectory(root)) as there:
                _add(there, whole)
        yield whole


def _add(store: CostStore, into: MemoryCosts) -> None:
    into.add(store.usage(*_EVER))
    into.add_reviews(store.reviews(*_EVER))


def record_lines(
    where: DataDirectory, plan: CostPlan, identifier: str, tenant: str | None
) -> Sequence[CostLine]:
    """Say what one record cost, its shadow included.

    Raises:
        RecordNotFound: There is no such record, or it is another tenant's.
        JournalCorrupt, JournalNewer, NewerRecord: The journal cannot be read.
    """
    found = costs_of_record(identifier, where, disk=SystemDisk(), tenant=tenant)
    usage, days = Usage(), usage_of(found)
    for one in days.values():
        usage.add(one)
    return list(plan.lines(min(place.day for place in days), usage))


def stored_bytes(where: DataDirectory) -> Mapping[str, int]:
    """Measure what lies on the disk: the journal, and what was sealed of it."""
    return {
        "journal": _size_bytes(where.data),
        "sealed": _size_bytes(where.root / "sealed"),
    }


def _size_bytes(directory: Path) -> int:
    files = (path for path in directory.rglob("*") if path.is_file())
    return sum(path.stat().st_blocks * 512 for path in files)
