"""`kingpost retention`: what is over its time, and removing it."""

import getpass
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from kingpost.cli.output import print_lines, print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.tree import open_tree
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    DataDirectory,
    RetentionPlan,
    RetentionPolicy,
    apply_retention,
    load_application,
    plan_retention,
)
from kingpost.proofs import covered_until
from kingpost.records import RECORD_MIGRATIONS, SqliteRecords
from kingpost.storage import migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks

__all__ = ["retention"]

_WAIT_S = 10.0
_APP = click.argument("app", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def retention() -> None:
    """What is kept for how long, by the setting `retention`, and what is over its time.

    Nothing goes that a legal hold, an open review, the windows of a record that is kept or
    `retention_minimum` asks for. Segments in an object store are brought back first, with
    `kingpost archive --fetch all`.
    """


@retention.command()
@_APP
@_JSON
@click.pass_obj
def plan(settings: Settings, app: Path, as_json: bool) -> None:
    """Say what `apply` would remove, and what stays and why. Removes nothing."""
    where = data_directory(settings)
    found, policy = _planned(settings, where, app)
    print_result(_facts(found, policy), as_json=as_json)


@retention.command()
@_APP
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--by", help="Who asks; the account that runs this if it is not said.")
@_JSON
@click.pass_obj
def apply(settings: Settings, app: Path, yes: bool, by: str | None, as_json: bool) -> None:
    """Remove what is over its time: from the journal, sealed files and the search, for good.

    The control log says what went, when and by which policy; leaves of the tree stay, so every
    proof of what remains holds. A server may run meanwhile. May be killed and started again.
    """
    where, disk, clock = data_directory(settings), SystemDisk(), SystemClock()
    found, policy = _planned(settings, where, app)
    if found.commits and not yes:
        click.confirm(f"remove {found.commits:,} commits for good?", abort=True, err=True)
    with progress("retention", "segments") as show, _search(where) as search:
        run = apply_retention(
            where,
            found,
            policy,
            where.control_log(disk=disk, clock=clock),
            disk=disk,
            clock=clock,
            by=by or getpass.getuser(),
            search=search,
            on_progress=show,
        )
    facts = _facts(found, policy)
    print_result(
        {**facts, "noted_at": None if run is None else _moment(run.at_us)}, as_json=as_json
    )


@retention.command("list")
@_JSON
@click.pass_obj
def list_runs(settings: Settings, as_json: bool) -> None:
    """List what was removed, when, by whom and by which policy, the latest first."""
    where = data_directory(settings)
    runs = where.control_log(disk=SystemDisk(), clock=SystemClock()).retentions(where.partition)
    if as_json:
        built = [{**msgspec.to_builtins(one), "at": _moment(one.at_us)} for one in reversed(runs)]
        print_result({"runs": built}, as_json=True)
        return
    rows = (
        [_moment(one.at_us), f"{one.commits} commits", one.by, one.policy] for one in reversed(runs)
    )
    print_lines(rows, nothing="nothing was removed")


def _planned(
    settings: Settings, where: DataDirectory, app: Path
) -> tuple[RetentionPlan, RetentionPolicy]:
    application, disk = load_application(app), SystemDisk()
    policy = RetentionPolicy.read(settings.retentions, settings.retention_minimum, application)
    with open_tree(settings) as tree:
        tree.update(wait_s=_WAIT_S)
    with progress("plan", "segments") as show:
        found = plan_retention(
            where,
            application,
            policy,
            disk=disk,
            clock=SystemClock(),
            until=covered_until(where.log("records"), disk=disk),
            reviewed=_open_reviews(where),
            on_progress=show,
        )
    return found, policy


def _open_reviews(where: DataDirectory) -> Sequence[str]:
    if not where.tasks.exists():
        return ()
    connection = open_database(where.tasks)
    try:
        migrate(connection, "tasks", TASK_MIGRATIONS)
        return SqliteTasks(connection).waiting("review")
    finally:
        connection.close()


@contextmanager
def _search(where: DataDirectory) -> Generator[SqliteRecords | None, None, None]:
    if not where.observed.exists():
        yield None
        return
    connection = open_database(where.observed, is_shared=True)
    try:
        migrate(connection, "records", RECORD_MIGRATIONS)
        yield SqliteRecords(connection)
    finally:
        connection.close()


def _facts(plan: RetentionPlan, policy: RetentionPolicy) -> dict[str, object]:
    return {
        "policy": policy.text,
        "commits": plan.commits,
        "entries": plan.entries,
        "kept": plan.kept,
        "lengths": plan.lengths,
    }


def _moment(at_us: int) -> str:
    return Instant(at_us).isoformat()
