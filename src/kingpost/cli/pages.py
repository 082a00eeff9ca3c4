"""The console of an installation: its pages joined to what they read, behind their door."""

from collections.abc import Mapping

from starlette.types import ASGIApp

from kingpost.cli.read_once import read_once
from kingpost.cli.sign_in import open_sign_in
from kingpost.cli.tree import signed_proof
from kingpost.console import ConsoleSources, ErasureSources, KeptRecords, build_console
from kingpost.contracts import Contract, Event
from kingpost.core import Clock, Disk, Settings
from kingpost.decisions import (
    Bundle,
    DataDirectory,
    Engine,
    ServedDecision,
    SubjectDigests,
    read_bundle,
)
from kingpost.proofs import PublishedLog
from kingpost.serving import ReviewDesk, WorkflowDesk

__all__ = ["open_pages"]


def open_pages(
    settings: Settings,
    where: DataDirectory,
    engine: Engine,
    desk: ReviewDesk,
    *,
    logs: Mapping[str, PublishedLog],
    workflows: WorkflowDesk | None = None,
    disk: Disk,
    clock: Clock,
) -> ASGIApp:
    """Open the console.

    Args:
        engine: What decides and remembers here.
        desk: What people may do; its sources are what the pages read.
        logs: What is published of the logs, by name.
        workflows: What may be done with workflows; None where there are none.

    Raises:
        KingpostError: See `open_sign_in`.
    """
    assert desk.sources.catalogue is not None  # a server with a console has one
    control, store = where.control_log(disk=disk, clock=clock), where.artefacts(disk=disk)

    def bundle_of(decision: str, digest: bytes) -> Bundle:
        return read_bundle(control.bundle(decision, digest.hex()))

    sources = ConsoleSources(
        served=engine.served,
        records=desk.sources.records,
        monitors=desk.sources.monitors,
        tasks=desk.sources.tasks,
        desk=desk,
        kept=KeptRecords(where.data, disk=disk, streams=_requests(engine.served)),
        control=control,
        artefacts=store,
        bundle_of=read_once(bundle_of),
        profile_of=desk.sources.catalogue.profile_of,
        explain=desk.sources.explain,
        prove=signed_proof(where),
        workflows=workflows,
        logs=logs,
        erasures=ErasureSources(
            where.partition,
            engine.erasures,
            engine.refused_erasures,
            engine.legal_holds,
            SubjectDigests(where, disk=disk).of,
        ),
    )
    return build_console(sources, clock, door=open_sign_in(settings, where, clock))


def _requests(served: Mapping[str, ServedDecision]) -> Mapping[str, Contract[Event]]:
    requests = [one.decision.request for one in served.values()]
    return {contract.name: contract for contract in requests}
