"""`kingpost ingest` and `kingpost quarantine`."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from kingpost.cli.declared import chosen_stream
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.read_as import mapping_of
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import load_application, opened_subjects
from kingpost.integrations import (
    CorrectionReport,
    IngestReport,
    Intake,
    QuarantinedRow,
    Reading,
    ReplayReport,
    RetractionReport,
    correct_file,
    ingest_file,
    quarantined,
    replay_quarantine,
    retract_file,
)

__all__ = ["ingest", "quarantine"]

_JSON_SHOWN = 1_000


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("stream")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="The column of a field whose name differs; as often as needed.",
)
@click.option("--zone", help="What times without an offset mean, as UTC or Europe/Rome.")
@click.option("--ignore-extra", is_flag=True, help="Pass over columns that are no field.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["events", "corrections", "retractions"]),
    default="events",
    show_default=True,
    help="What the rows are: new events, whole events in the place of those held under their "
    "keys, or only keys of events to take back.",
)
@click.option("--tenant", help="Whose events; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def ingest(
    settings: Settings,
    app: Path,
    stream: str,
    file: Path,
    mapped: tuple[str, ...],
    zone: str | None,
    ignore_extra: bool,
    kind: Literal["events", "corrections", "retractions"],
    tenant: str | None,
    as_json: bool,
) -> None:
    """Load events of APP's STREAM from FILE: .csv, .jsonl, .parquet (CSV and JSON also .gz).

    Every row is checked, positioned and durable when the command ends. A row whose key is
    already held is dropped and counted; a row that breaks the contract goes to quarantine.
    Running the same file again adds nothing. Wrong rows of corrections and retractions are
    not kept: the command counts them, names the first and ends with code 1.
    """
    application = load_application(app)
    contract = chosen_stream(application, stream)
    reading = Reading(mapping_of(mapped), zone, ignore_extra)
    of, where = tenant or settings.tenant, data_directory(settings)
    with (
        opened_subjects(where, application.streams.values()),
        Intake.open(
            where.data,
            application.streams.values(),
            disk=SystemDisk(),
            clock=SystemClock(),
        ) as intake,
        progress(f"ingest {stream}", "rows") as show,
    ):

        def on_rows(rows: int, share: float) -> None:
            show(rows, round(rows / share) if share else None)

        def on_progress(report: IngestReport, share: float) -> None:
            on_rows(report.rows, share)

        if kind == "events":
            report = ingest_file(
                intake, contract, file, tenant=of, reading=reading, on_progress=on_progress
            )
        else:
            take = correct_file if kind == "corrections" else retract_file
            report = take(intake, contract, file, tenant=of, reading=reading, on_progress=on_rows)
    if isinstance(report, IngestReport):
        _tell_events(report, app, stream, as_json=as_json)
    else:
        _tell_changes(report, stream, as_json=as_json)


def _tell_events(report: IngestReport, app: Path, stream: str, *, as_json: bool) -> None:
    print_result(
        {
            "stream": stream,
            "rows": report.rows,
            "accepted": report.accepted,
            "duplicates": report.duplicates,
            "quarantined": report.quarantined,
            "seconds": round(report.seconds, 3),
            "rows_per_s": round(report.rows_per_s),
        },
        as_json=as_json,
    )
    if report.quarantined and not as_json:
        click.echo(f"see them with: kingpost quarantine list {app} {stream}", err=True)


def _tell_changes(
    report: CorrectionReport | RetractionReport, stream: str, *, as_json: bool
) -> None:
    counts = {name: value for name, value in asdict(report).items() if name != "problem"}
    print_result({"stream": stream, **counts}, as_json=as_json)
    if report.problem:
        click.echo(f"not taken: {report.problem}; mend the file and run it again", err=True)
        raise SystemExit(1)


@click.group()
def quarantine() -> None:
    """List the rows that broke their contract, or try them again."""


@quarantine.command("list")
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("stream")
@click.option("--tenant", help="Whose rows; the configured tenant by default.")
@click.option("--limit", default=_JSON_SHOWN, show_default=True, help="The most rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_rows(
    settings: Settings, app: Path, stream: str, tenant: str | None, limit: int, as_json: bool
) -> None:
    """List the rows of APP's STREAM in quarantine, with the reason for each."""
    chosen_stream(load_application(app), stream)
    rows = quarantined(
        data_directory(settings).data,
        disk=SystemDisk(),
        tenant=tenant or settings.tenant,
        stream=stream,
    )
    shown: list[object] = [_shown(row) for row in rows[:limit]]
    print_result({"stream": stream, "quarantined": len(rows), "rows": shown}, as_json=as_json)


def _shown(row: QuarantinedRow) -> dict[str, object]:
    return {
        "offset": row.offset,
        "at": datetime.fromtimestamp(row.at_us // 1_000_000, UTC).isoformat(),
        "source": row.source,
        "row": row.row,
        "field": row.field,
        "expected": row.expected,
        "found": row.found,
        "raw": row.raw,
    }


@quarantine.command("replay")
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("stream")
@click.option("--zone", help="What times without an offset mean; as it was said at first.")
@click.option("--tenant", help="Whose rows; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def replay_rows(
    settings: Settings,
    app: Path,
    stream: str,
    zone: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Try the rows of APP's STREAM in quarantine against the contract as it is now."""
    application = load_application(app)
    contract, where = chosen_stream(application, stream), data_directory(settings)
    with (
        opened_subjects(where, application.streams.values()),
        Intake.open(
            where.data,
            application.streams.values(),
            disk=SystemDisk(),
            clock=SystemClock(),
        ) as intake,
        progress(f"replay {stream}", "rows") as show,
    ):

        def on_progress(report: ReplayReport, share: float) -> None:
            show(report.rows, round(report.rows / share) if share else None)

        report = replay_quarantine(
            intake, contract, tenant=tenant or settings.tenant, zone=zone, on_progress=on_progress
        )
    print_result(
        {
            "stream": stream,
            "rows": report.rows,
            "accepted": report.accepted,
            "duplicates": report.duplicates,
            "refused": report.refused,
        },
        as_json=as_json,
    )
