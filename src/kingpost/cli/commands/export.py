"""`kingpost export` and `exports`: records as files, for who examines them."""

import getpass
from pathlib import Path

import click
import msgspec

from kingpost.cli.output import print_lines, print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.selected import read_selection, selection_options
from kingpost.cli.tree import proving
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import export_records

__all__ = ["export", "exports"]

_LISTED = ("at", "by", "records", "personal", "manifest", "position")


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The directory of the export; made, and nothing may be in it.",
)
@selection_options
@click.option(
    "--with-personal",
    "is_clear",
    is_flag=True,
    help="Open personal content; a later erasure does not reach such an export.",
)
@click.option(
    "--with-proofs",
    is_flag=True,
    help="Prove that each record is in the log: a file for each that `kingpost verify` checks.",
)
@click.option("--by", help="Who exports; the name of this account by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def export(
    settings: Settings,
    out: Path,
    is_clear: bool,
    with_proofs: bool,
    by: str | None,
    as_json: bool,
    **selected: str | None,
) -> None:
    """Write decision records for an auditor: JSON lines, Parquet, a report and a manifest.

    Each record comes with its request, its features, who approved what decided it, and what
    people said of it. Personal content is left out unless asked for. The control log says that
    it was exported, by whom and what (`kingpost exports`).
    """
    where = data_directory(settings)
    with progress("export", "records") as show:
        done = export_records(
            where,
            read_selection(**selected),
            out,
            disk=SystemDisk(),
            clock=SystemClock(),
            by=by or getpass.getuser(),
            is_clear=is_clear,
            prove=proving(settings, where) if with_proofs else None,
            on_progress=show,
        )
    print_result(msgspec.to_builtins(done), as_json=as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def exports(settings: Settings, as_json: bool) -> None:
    """List the exports that were made, oldest first, as the control log has them."""
    control = data_directory(settings).control_log(disk=SystemDisk(), clock=SystemClock())
    made: list[dict[str, object]] = [
        msgspec.to_builtins(one)
        | {"at": Instant(one.at_us).isoformat(), "position": f"control:{offset}"}
        for offset, one in control.exports()
    ]
    if as_json:
        print_result({"exports": made}, as_json=True)
        return
    print_lines(([one[name] for name in _LISTED] for one in made), nothing="nothing was exported")
