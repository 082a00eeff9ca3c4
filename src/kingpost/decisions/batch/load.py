"""What scores a batch, loaded and checked: the approved bundle and the history."""

from pathlib import Path

import msgspec

from kingpost.core import Disk, SystemClock
from kingpost.decisions.application import Application
from kingpost.decisions.batch.past import BatchPast, read_batch_past
from kingpost.decisions.batch.plan import BatchPlan
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.errors import UnknownDecision
from kingpost.decisions.loading import BundleLoader
from kingpost.decisions.served import ServedDecision
from kingpost.records import Role

__all__ = ["load_batch", "load_bundle"]


def load_bundle(
    application: Application, where: DataDirectory, decision: str, digest: str, *, disk: Disk
) -> ServedDecision:
    """Load an approved bundle.

    Raises:
        UnknownDecision: The application declares no such decision.
        ControlLogAltered: What was approved is not what the control log says.
        KingpostError: It is not approved, or not what would run; see `BundleLoader.load`.
    """
    if decision not in application.decisions:
        raise UnknownDecision(decision, tuple(application.decisions))
    where.check_control_log(disk=disk)
    control = where.control_log(disk=disk, clock=SystemClock())
    loader = BundleLoader(application, control, where.artefacts(disk=disk))
    return loader.load(decision, digest, Role.CHAMPION)


def load_batch(
    application: Application, where: DataDirectory, plan: BatchPlan, out: Path, *, disk: Disk
) -> tuple[ServedDecision, BatchPast]:
    """Load what a plan says, and nothing else.

    Args:
        out: The directory of its parts.

    Raises:
        BatchChanged: Somebody was erased since the batch began.
        KingpostError: See `load_bundle` and `read_batch_past`.
    """
    served = load_bundle(application, where, plan.decision, plan.bundle, disk=disk)
    past, erasures = read_batch_past(where, served.decision, plan.tenant, disk=disk, stop=plan.stop)
    if erasures != plan.erasures or past.stop != plan.stop:
        found = msgspec.structs.replace(plan, erasures=erasures, stop=past.stop)
        plan.check_same(found, out)
    return served, past
