"""`kingpost export`: records as files, for who examines them."""

from pathlib import Path

import click
import msgspec

from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.tree import proving
from kingpost.contracts import Instant, NaiveTime
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import ExportSelection, export_records

__all__ = ["export"]


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The directory of the export; made, and nothing may be in it.",
)
@click.option("--since", help="Decided at this time or later, as 2026-03-01T00:00:00Z.")
@click.option("--until", help="Decided before this time.")
@click.option("--decision", help="Only records of this decision.")
@click.option("--version", help="Only records of this bundle: its digest, or how it begins.")
@click.option("--subject", help="Only requests of whom a field names, as customer=C42.")
@click.option("--tenant", help="Only records of this tenant.")
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def export(
    settings: Settings,
    out: Path,
    since: str | None,
    until: str | None,
    decision: str | None,
    version: str | None,
    subject: str | None,
    tenant: str | None,
    is_clear: bool,
    with_proofs: bool,
    as_json: bool,
) -> None:
    """Write decision records for an auditor: JSON lines, Parquet, a report and a manifest.

    Each record comes with its request, its features, who approved what decided it, and what
    people said of it. Personal content is left out unless asked for.
    """
    selection = ExportSelection(
        since_us=_moment(since, "--since"),
        until_us=_moment(until, "--until"),
        decision=decision,
        version=version,
        subject=_subject(subject),
        tenant=tenant,
    )
    where = data_directory(settings)
    with progress("export", "records") as show:
        done = export_records(
            where,
            selection,
            out,
            disk=SystemDisk(),
            clock=SystemClock(),
            is_clear=is_clear,
            prove=proving(settings, where) if with_proofs else None,
            on_progress=show,
        )
    print_result(msgspec.to_builtins(done), as_json=as_json)


def _moment(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return Instant.parse(text).us
    except (ValueError, NaiveTime):
        problem = f"{text!r} is no time with an offset, as 2026-03-01T00:00:00Z"
        raise click.BadParameter(problem, param_hint=option) from None


def _subject(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    entity, equals, name = text.partition("=")
    if not (entity and equals and name):
        problem = f"{text!r} names nobody; write a field and its value, as customer=C42"
        raise click.BadParameter(problem, param_hint="--subject")
    return entity, name
