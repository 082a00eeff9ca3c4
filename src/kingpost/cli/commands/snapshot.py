"""`kingpost snapshot`."""

import time
from collections.abc import Mapping
from pathlib import Path

import click

from kingpost.cli.beside import end_with_parent
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.run import memory_room
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    Decision,
    consents_of,
    load_application,
    opened_subjects,
    take_snapshot,
)
from kingpost.features import Consent

__all__ = ["snapshot"]

_NICENESS = 15


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option(
    "--follow-parent",
    is_flag=True,
    hidden=True,
    help="End when standard input ends; work politely.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_obj
def snapshot(settings: Settings, app: Path, follow_parent: bool, as_json: bool) -> None:
    """Write what APP's server holds in memory, so that its next start is quick.

    Reads the latest snapshot and the journal after it; works beside a running server, which
    starts this by itself, and may be killed at any time.
    """
    log_to_stderr(settings.log_format)
    if follow_parent:
        end_with_parent(niceness=_NICENESS)
    started_s = time.monotonic()
    where, disk = data_directory(settings), SystemDisk()
    application = load_application(app)
    room = memory_room(settings, where.root / "snapshot.spill", disk=disk)
    decisions: Mapping[str, Decision] = application.decisions
    consents: tuple[Consent, ...] = ()
    if settings.online_store:  # windows there are no part of a snapshot
        decisions, consents = {}, consents_of(decisions)
    try:
        with opened_subjects(where, application.streams.values()):
            done = take_snapshot(
                where.data,
                application,
                decisions,
                where.snapshots,
                disk=disk,
                room=room,
                consents=consents,
                clock=SystemClock(),
            )
    finally:
        if room is not None:
            room.close()
    result = {
        "snapshot": None if done.path is None else str(done.path),
        "offset": done.next_offset,
        "size_bytes": 0 if done.path is None else done.path.stat().st_size,
        "seconds": round(time.monotonic() - started_s, 2),
    }
    print_result(result, as_json=as_json)
