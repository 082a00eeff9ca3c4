"""`kingpost upgrade`."""

import os
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import click

from kingpost.cli.chosen import SettingsPlace
from kingpost.cli.commands.backup import backup_roots, kept_elsewhere
from kingpost.cli.formats import FoundFormat, bring_forward, formats_of
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectoryInUse, back_up

__all__ = ["upgrade"]


@click.command()
@click.option("--apply", is_flag=True, help="Do it; without, say what would be done.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; as without --apply.")
@click.option(
    "--backup", "destination", metavar="DEST",
    type=click.Path(path_type=Path, file_okay=False),
    help="Back the data directory up into DEST first.",
)  # fmt: skip
@click.option("--no-backup", is_flag=True, help="Go without a backup.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_obj
def upgrade(
    place: SettingsPlace,
    apply: bool,
    dry_run: bool,
    destination: Path | None,
    no_backup: bool,
    as_json: bool,
) -> None:
    """Bring a data directory of an earlier version to the present formats.

    Says what is there, and with --apply moves the databases forward, after a backup. Entries of
    the journal stay as they were written: every version reads the formats before its own. What
    a later version wrote is refused.
    """
    if apply and dry_run:
        raise click.UsageError("--apply and --dry-run exclude each other")
    if apply and (destination is None) != no_backup:
        raise click.UsageError("--apply needs --backup DEST, or --no-backup")
    settings, disk = place.read(os.environ), SystemDisk()
    where = data_directory(settings)
    with ExitStack() as held:
        if apply:
            for partition in (where.data, where.control):
                disk.make_directory(partition)
                try:
                    held.callback(disk.lock(partition / "lock").release)
                except BlockingIOError as error:
                    raise DataDirectoryInUse(partition.parent.parent) from error
        found = list(formats_of(where, disk=disk))
        old = [one for one in found if one.is_old]
        if apply and old and destination is not None:
            with progress("back up", "bytes") as show:
                back_up(
                    backup_roots(settings),
                    destination,
                    disk=disk,
                    clock=SystemClock(),
                    version=metadata.version("kingpost"),
                    settings=place.file,
                    elsewhere=kept_elsewhere(settings),
                    told=show,
                )
        if apply and old:
            bring_forward(where)
    print_result(
        {
            "formats": [_told(one) for one in found] if not as_json else _rows(found),
            "to_do": len(old),
            "done": bool(apply and old),
        },
        as_json=as_json,
    )
    if old and not apply:
        click.echo("nothing was changed; kingpost upgrade --apply --backup DEST does it", err=True)


def _told(one: FoundFormat) -> str:
    many = f", {one.how_many:,} of it" if one.how_many else ""
    if one.is_old:
        then = f"to be moved to {one.present}"
    else:
        then = "as it should be" if one.found == one.present else "read as it is"
    return f"{one.what}: format {one.found}{many}: {then}"


def _rows(found: list[FoundFormat]) -> list[object]:
    return [{**one._asdict(), "is_old": one.is_old} for one in found]
