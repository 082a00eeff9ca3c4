"""The composition root: joins an application, its approved bundles and its data to a server.

The rule: a decision without an approved bundle that matches the running code, features,
gate and model byte for byte does not start, whatever any setting says.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from kingpost.access import MIGRATIONS, SqliteKeys
from kingpost.cli.access import open_key_ring, open_tls
from kingpost.cli.beside import map_large_blocks
from kingpost.cli.due_process import DueProcess
from kingpost.cli.exposure import open_extraction
from kingpost.cli.jobs import open_jobs
from kingpost.cli.kept_process import KeptProcess
from kingpost.cli.pages import open_pages
from kingpost.cli.place import data_directory
from kingpost.cli.seen import open_watch
from kingpost.cli.stores import open_cost_figures, open_review_sources
from kingpost.cli.streams import open_streams
from kingpost.cli.workflow_place import has_workflows, open_workflows
from kingpost.core import Disk, KingpostError, Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    LOGS,
    Application,
    BundleLoader,
    DataDirectory,
    Engine,
    EvidenceFiles,
    Releases,
    ServedDecision,
    SharedWindows,
    SnapshotInProgress,
    Windows,
    latest_offset,
    load_application,
    open_subjects,
    read_bundle,
)
from kingpost.features import MemoryRoom, Partitions, RedisFeatures, RedisSettings
from kingpost.monitoring import slo_statuses
from kingpost.proofs import PublishedLog
from kingpost.serving import (
    Addresses,
    ExtractionStore,
    ReleaseDesk,
    ServingApp,
    ServingSettings,
    WorkerPlan,
    build_app,
    collect_slos,
    serve,
)
from kingpost.storage import migrate, open_database

__all__ = ["build_server", "feature_names", "memory_room", "open_keys", "run_server"]

_SNAPSHOT_AT_END = 10
"""A server that ends takes a snapshot when so small a part of the usual number is new."""

_STORE_TIMEOUT_S = 0.5
"""How long requests wait, once, for an online store that has stopped answering."""

_log = logging.getLogger(__name__)


class NothingToServe(KingpostError):
    """An application that declares neither a decision nor a workflow."""

    code = "nothing_to_serve"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"{self.path} declares no decision and no workflow; assign a kp.decision(…) to a name"
        )


def open_keys(settings: Settings) -> SqliteKeys:
    """Open the API keys of an installation, and make the file when there is none."""
    connection = open_database(settings.data_dir / "access.sqlite")
    migrate(connection, "access", MIGRATIONS)
    return SqliteKeys(connection)


def memory_room(settings: Settings, path: Path, *, disk: Disk) -> MemoryRoom | None:
    """Return where windows go that memory has no room for; None when there is no limit."""
    if not settings.features_memory_mb:
        return None
    return MemoryRoom(settings.features_memory_mb << 20, path, disk=disk)


def open_windows(
    settings: Settings, where: DataDirectory, application: Application
) -> Windows | None:
    """Open the online store that is configured; None when features are kept in process.

    Raises:
        ExtraMissing: The extra `redis` is not installed.
        StoreUnreachable, StoreUnfit: It does not answer, or cannot keep them.
    """
    if not settings.online_store:
        return None
    decisions = application.decisions
    views = [view for decision in decisions.values() for view in decision.views]
    store = RedisFeatures.open(
        settings.online_store,
        views,
        Partitions(tuple(where.partitions)),
        tenant=settings.tenant,
        clock=SystemClock(),
        settings=RedisSettings(timeout_s=_STORE_TIMEOUT_S),
    )
    streams = [one for decision in decisions.values() for one in decision.features.streams]
    contracts = {contract.name: contract for contract in streams}
    return SharedWindows(store, where.partition, decisions, contracts, disk=SystemDisk())


def build_server(
    settings: Settings, path: Path, *, works_on_jobs: bool = True, streams: bool = True
) -> ServingApp:
    """Load an application, check its bundles, rebuild its state, and build the API.

    Args:
        works_on_jobs: Whether it works on jobs itself; else workers elsewhere do.
        streams: Whether it carries the streams that are configured.

    Raises:
        NoModel, NotApproved: A decision has no bundle, or none that was approved.
        BundleMismatch: What would run is not what was approved.
        ControlLogAltered: What was approved is not what the control log says.
        KingpostError: The application, the journal, the keys, the workflows or the online store
            cannot be opened.
    """
    disk, clock = SystemDisk(), SystemClock()
    application = load_application(path)
    where = data_directory(settings)
    served = _served(application, where)
    keys = open_key_ring(settings, open_keys(settings), clock)
    sources = open_review_sources(where, application.decisions)
    costs = open_cost_figures(where, application)
    watch = open_watch(settings, clock)
    subjects = open_subjects(where, application.streams.values())
    engine = Engine.open(
        where.data,
        application,
        served,
        disk=disk,
        clock=clock,
        snapshots=where.snapshots if settings.snapshot_every else None,
        room=memory_room(settings, where.spill, disk=disk),
        windows=open_windows(settings, where, application),
        subjects=subjects,
    )
    logs = {name: PublishedLog(where.log(name).public, disk=disk) for name in LOGS}
    limits = ServingSettings(max_body_bytes=settings.max_body_bytes)
    app = build_app(
        engine,
        keys,
        limits,
        clock,
        feature_names=feature_names(where),
        sources=sources,
        workflows=open_workflows(settings, application),
        jobs=open_jobs(settings, works_here=works_on_jobs),
        extraction=_extraction(settings, application),
        releases=open_releases(application, where),
        watch=watch,
        logs=logs,
        streams=(
            open_streams(settings, application, where, feature_names(where)) if streams else None
        ),
    )
    if costs is not None:
        app.metrics.watch_costs(costs)
    promised = {name: one.slos for name, one in application.decisions.items()}
    if any(promised.values()):
        app.metrics.watch_slos(
            lambda: collect_slos(
                lambda: slo_statuses(
                    sources.monitors(), lambda name: promised.get(name, ()), clock.now_us()
                )
            )
        )
    assert app.desk is not None  # it has sources
    pages = open_pages(
        settings,
        where,
        engine,
        app.desk,
        logs=logs,
        workflows=app.workflows,
        disk=disk,
        clock=clock,
    )
    app.mount(pages)
    return app


def _extraction(settings: Settings, application: Application) -> ExtractionStore | None:
    exposures = [decision.exposure for decision in application.decisions.values()]
    if not any(exposure and exposure.budget for exposure in exposures):
        return None
    return open_extraction(settings)


def run_server(
    settings: Settings,
    path: Path,
    ready: Callable[[Addresses], None],
    *,
    observer: Sequence[str] = (),
    worker: Sequence[str] = (),
    snapshot: Sequence[str] = (),
    http_worker: Sequence[str] = (),
    works_on_jobs: bool = True,
    streams: bool = True,
) -> None:
    """Serve an application until SIGTERM or SIGINT.

    Args:
        ready: Told where requests are taken, once they are.
        observer: A command that observes what is decided, run beside the server; none
            where something else does.
        worker: A command that runs workflows, run beside the server where the application
            declares some; none where something else does.
        snapshot: A command that writes a snapshot, run beside the server now and then.
        http_worker: A command that shares the port, where settings ask for some; it is told
            the socket of the server.
        works_on_jobs, streams: See `build_server`.

    Raises:
        PortInUse, BadAddress: The address cannot be listened on.
        BadRoles, TlsUnusable: See `open_tls`.
        KingpostError: See `build_server`.
    """
    map_large_blocks()
    app = build_server(settings, path, works_on_jobs=works_on_jobs, streams=streams)
    beside: list[DueProcess | KeptProcess] = []
    snapshots = data_directory(settings).snapshots

    def is_new(number: int) -> bool:
        latest = latest_offset(snapshots, disk=SystemDisk())
        return app.engine.next_offset - latest >= number

    def started(addresses: Addresses) -> None:
        if observer:
            beside.append(KeptProcess(observer, name="observer"))
        if worker and has_workflows(load_application(path)):
            beside.append(KeptProcess(worker, name="worker"))
        if snapshot and settings.snapshot_every:
            beside.append(
                DueProcess(
                    snapshot,
                    lambda: is_new(settings.snapshot_every),
                    app.lighten,
                    name="snapshots",
                )
            )
        ready(addresses)

    try:
        serve(
            app,
            settings.host,
            settings.port,
            settings.drain_s,
            grpc_port=None if settings.grpc_port < 0 else settings.grpc_port,
            drain_delay_s=settings.drain_delay_s,
            ready=started,
            tls=open_tls(settings, app.keys),
            workers=_worker_plan(settings, http_worker),
        )
    finally:
        for process in beside:
            process.close()
    if settings.snapshot_every and is_new(settings.snapshot_every // _SNAPSHOT_AT_END):
        _write_snapshot(app.engine)


def _worker_plan(settings: Settings, command: Sequence[str]) -> WorkerPlan | None:
    if not settings.http_workers or not command:
        return None

    def start(socket: Path) -> KeptProcess:
        return KeptProcess((*command, str(socket)), name="http-worker")

    return WorkerPlan(settings.http_workers, start)


def _write_snapshot(engine: Engine) -> None:
    """Write what is in memory; a server that cannot has ended well all the same."""
    try:
        engine.write_snapshot()
    except (SnapshotInProgress, OSError) as error:
        _log.warning("snapshot_failed", extra={"reason": str(error)})


def _served(application: Application, where: DataDirectory) -> dict[str, ServedDecision]:
    if not application.decisions and not has_workflows(application):
        raise NothingToServe(str(application.root / application.path))
    where.check_control_log(disk=SystemDisk())
    loader = bundle_loader(application, where)
    return {name: loader.running(name) for name in application.decisions}


def bundle_loader(application: Application, where: DataDirectory) -> BundleLoader:
    """Return what loads the bundles of an application."""
    disk, clock = SystemDisk(), SystemClock()
    control, store = where.control_log(disk=disk, clock=clock), where.artefacts(disk=disk)
    return BundleLoader(application, control, store)


def open_releases(application: Application, where: DataDirectory) -> ReleaseDesk | None:
    """Open the releases of a server; None where no decision is served."""
    if not application.decisions:
        return None
    disk, clock = SystemDisk(), SystemClock()
    return ReleaseDesk(
        Releases(where.control_log(disk=disk, clock=clock), clock=clock),
        bundle_loader(application, where).load,
        EvidenceFiles(where.evidence, where.process, disk=disk),
        clock=clock,
    )


def feature_names(where: DataDirectory) -> Callable[[str, bytes], tuple[str, ...] | None]:
    """Find the feature names of any bundle that ever ran, each read once."""
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    known: dict[bytes, tuple[str, ...] | None] = {}

    def names_of(decision: str, bundle: bytes) -> tuple[str, ...] | None:
        if bundle not in known:
            try:
                known[bundle] = read_bundle(control.bundle(decision, bundle.hex())).feature_names
            except KingpostError:
                _log.exception("bundle_unreadable", extra={"bundle": bundle.hex()})
                known[bundle] = None
        return known[bundle]

    return names_of
