"""The installation: its journals, stores and keys, and whether what is approved may run.

Nothing is changed: databases are opened for reading, journals are not recovered.
"""

import sqlite3
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from kingpost.access import MIGRATIONS, SqliteKeys
from kingpost.cli.doctor.findings import Check, Result, failed, ok, warned
from kingpost.cli.doctor.work import workflows_found
from kingpost.cli.place import data_directory
from kingpost.cli.workflow_place import has_workflows
from kingpost.core import Clock, Settings, SystemDisk
from kingpost.decisions import (
    Application,
    ControlLogAltered,
    DataDirectory,
    NoModel,
    NotApproved,
    approved_bundle,
    check_bundle,
    load_application,
)
from kingpost.journal import last_commit
from kingpost.serving import ObserverStore
from kingpost.storage import stored_formats

__all__ = ["installation_checks"]

_LATE_ENTRIES = 100_000


def installation_checks(
    settings: Settings, application: Path | None, clock: Clock
) -> Mapping[str, Check]:
    """Return the checks of an installation, by name.

    Args:
        application: The file that declares what is served; without it, what is approved is
            not compared.
    """
    where = data_directory(settings)
    checks: dict[str, Check] = {
        "journal": lambda: _journal(where.data),
        "approvals": lambda: _approvals(where),
        "keys": lambda: _keys(where.access, clock),
        "inbox": lambda: _inbox(where.tasks),
        "observer": lambda: _observer(where),
    }
    if application is not None:
        loaded = _once(lambda: load_application(application))
        checks["application"] = lambda: _application(loaded())
        checks["bundles"] = lambda: _bundles(loaded(), where, clock)
        checks["workflows"] = lambda: workflows_found(settings, loaded())
    return checks


def _once(load: Callable[[], Application]) -> Callable[[], Application]:
    held: list[Application] = []

    def loaded() -> Application:
        if not held:
            held.append(load())
        return held[0]

    return loaded


def _journal(directory: Path) -> Iterator[Result]:
    last = last_commit(directory, disk=SystemDisk())
    if last is None:
        yield ok(f"{directory} holds nothing yet")
        return
    size = sum(file.stat().st_size for file in directory.glob("*.log")) / 1e6
    written = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(last.time_us // 1_000_000))
    yield ok(f"{last.next_offset:,} entries, {size:,.0f} MB, the last commit of {written}")


def _approvals(where: DataDirectory) -> Iterator[Result]:
    try:
        where.check_control_log(disk=SystemDisk(), sign=False)
    except ControlLogAltered as error:
        yield failed(str(error), "a server does not start from it; see docs/proofs.md")
        return
    yield from _journal(where.control)


def _keys(path: Path, clock: Clock) -> Iterator[Result]:
    if not path.exists():
        yield warned("there are none, so nobody can ask", "kingpost keys create")
        return
    with _reading(path) as connection:
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            yield failed(f"{path} is damaged: {damage}", "restore it from a backup")
            return
        found = stored_formats(path).get("access", 0)
        if found < len(MIGRATIONS):
            what = f"{path} has format {found} of an earlier version, the present one is {len(MIGRATIONS)}"
            yield warned(what, "kingpost upgrade")
            return
        keys = SqliteKeys(connection).list()
    valid = [key for key in keys if key.is_valid(clock.now_us())]
    if not valid:
        yield warned(f"none of {len(keys)} is valid now", "kingpost keys create")
    else:
        yield ok(f"{len(valid)} of {len(keys)} valid now")


def _inbox(path: Path) -> Iterator[Result]:
    if not path.exists():
        yield ok("nothing waits for people yet")
        return
    with _reading(path) as connection:
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage == "ok":
        yield ok(f"{path} is whole")
    else:
        yield failed(f"{path} is damaged: {damage}", "restore it from a backup")


def _observer(where: DataDirectory) -> Iterator[Result]:
    """Say how far the search of records and the monitors are behind the journal."""
    last = last_commit(where.data, disk=SystemDisk())
    if last is None:
        yield ok("there is nothing to observe yet")
        return
    progress = None
    if where.observed.exists():
        with _reading(where.observed) as connection:
            progress = ObserverStore(connection).progress()
    behind = last.next_offset - (progress.next_offset if progress else 0)
    if behind > _LATE_ENTRIES:
        mend = "kingpost run observes by itself; without a server: kingpost watch APP --once"
        yield warned(f"{behind:,} entries behind the journal", mend)
    else:
        yield ok(f"{behind:,} entries behind the journal")


def _application(application: Application) -> Iterator[Result]:
    names = ", ".join(application.decisions)
    if names:
        yield ok(f"{application.path} declares {names}")
    elif has_workflows(application):
        yield ok(f"{application.path} declares no decision, but workflows")
    else:
        yield warned(
            f"{application.path} declares no decision", "assign a kp.decision(…) to a name"
        )


def _bundles(application: Application, where: DataDirectory, clock: Clock) -> Iterator[Result]:
    disk = SystemDisk()
    control, store = where.control_log(disk=disk, clock=clock), where.artefacts(disk=disk)
    for name, decision in application.decisions.items():
        try:
            bundle = approved_bundle(control, name)
        except NoModel as error:
            yield failed(str(error), "kingpost train, then kingpost approve")
        except NotApproved as error:
            yield failed(str(error), "kingpost approve, once somebody has looked at it")
        else:
            check_bundle(bundle, application, decision, store)
            yield ok(f"{name}: what is approved ({bundle.digest[:12]}) is what would run")


@contextmanager
def _reading(path: Path) -> Generator[sqlite3.Connection, None, None]:
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()
