"""`kingpost backup`, `kingpost restore`."""

import os
import time
from importlib import metadata
from pathlib import Path

import click

from kingpost.cli.chosen import SettingsPlace
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    RESTORED_SETTINGS,
    BackupManifest,
    DataDirectory,
    back_up,
    check_backup,
    restore_backed_up,
    restore_backup,
)

__all__ = ["backup", "backup_roots", "kept_elsewhere", "restore"]

_ELSEWHERE = ("workflow_store", "job_store", "subject_key_store")


@click.command()
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_obj
def backup(place: SettingsPlace, destination: Path, as_json: bool) -> None:
    """Back the data directory up into DEST, also beside a running server.

    Everything that was acknowledged before is in it. What DEST has already is not copied again;
    until the new backup is whole, the one before stays. What is kept in PostgreSQL is not in it.
    """
    settings, started_s = place.read(os.environ), time.monotonic()
    data_directory(settings)
    roots = backup_roots(settings)
    for root in roots.values():
        if destination.resolve().is_relative_to(root.resolve()):
            raise click.BadParameter(f"it lies in {root} itself", param_hint="DEST")
        if not root.is_dir():
            raise click.BadParameter(f"{root} does not exist", param_hint="--data-dir")
    with progress("back up", "bytes") as show:
        done = back_up(
            roots,
            destination,
            disk=SystemDisk(),
            clock=SystemClock(),
            version=metadata.version("kingpost"),
            settings=place.file,
            elsewhere=kept_elsewhere(settings),
            told=show,
        )
    print_result(
        {
            "backup": str(destination),
            **_facts(done.manifest),
            "copied": done.copied,
            "copied_bytes": done.copied_bytes,
            "kept": done.kept,
            "seconds": round(time.monotonic() - started_s, 2),
        },
        as_json=as_json,
    )
    _say_elsewhere(done.manifest)
    if (keys := DataDirectory(settings.data_dir).subject_keys).exists():
        said = (
            f"{keys.name} is not in this backup; back it up apart, for as long as an erasure takes"
        )
        click.echo(said, err=True)


@click.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", metavar="FILE", help="Put back this file alone, as journal/data/….log.")
@click.option("--check", is_flag=True, help="Read every byte of the backup, and restore nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_obj
def restore(
    place: SettingsPlace, source: Path, only: str | None, check: bool, as_json: bool
) -> None:
    """Restore the backup in SRC into the data directory, which must be empty.

    Every byte is checked first. With --only one damaged file of a data directory is replaced,
    while no server runs; of a segment, what was written after the backup stays.
    """
    if only is not None and check:
        raise click.UsageError("--only and --check exclude each other")
    settings, started_s, disk = place.read(os.environ), time.monotonic(), SystemDisk()
    roots = backup_roots(settings)
    if only is not None:
        file = restore_backed_up(source, only, roots, disk=disk)
        facts: dict[str, object] = {
            "restored": only, "kind": file.kind, "size_bytes": file.size
        }  # fmt: skip
        print_result(facts, as_json=as_json)
        return
    with progress("check" if check else "restore", "bytes") as show:
        if check:
            manifest = check_backup(source, disk=disk, told=show)
        else:
            manifest = restore_backup(source, roots, disk=disk, told=show)
    result: dict[str, object] = {"checked" if check else "restored": str(source)}
    result |= _facts(manifest)
    if not check:
        result["data_dir"] = str(settings.data_dir)
        if any(file.path.startswith("settings/") for file in manifest.files):
            result["settings"] = str(settings.data_dir / RESTORED_SETTINGS)
    result["seconds"] = round(time.monotonic() - started_s, 2)
    print_result(result, as_json=as_json)
    _say_elsewhere(manifest)


def backup_roots(settings: Settings) -> dict[str, Path]:
    """Return the directories that a backup of an installation holds, by name."""
    roots = {"data": settings.data_dir}
    if settings.control_dir:
        roots["control"] = Path(settings.control_dir)
    return roots


def kept_elsewhere(settings: Settings) -> list[str]:
    """Return the settings that name a PostgreSQL: `pg_dump` backs those up."""
    return [name for name in _ELSEWHERE if getattr(settings, name).startswith("postgres")]


def _facts(manifest: BackupManifest) -> dict[str, object]:
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(manifest.made_us // 1_000_000))
    return {
        "made": made,
        "version": manifest.version,
        "files": len(manifest.files),
        "size_bytes": sum(file.size for file in manifest.files),
        **{f"end of {name}": end for name, end in manifest.partitions.items()},
        "not_in_it": manifest.elsewhere,
    }


def _say_elsewhere(manifest: BackupManifest) -> None:
    if manifest.elsewhere:
        names = ", ".join(manifest.elsewhere)
        click.echo(f"kept in PostgreSQL, and not in this backup: {names}; use pg_dump", err=True)
