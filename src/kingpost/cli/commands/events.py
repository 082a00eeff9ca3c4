"""`kingpost ingest` and `kingpost quarantine`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from kingpost.cli.declared import chosen_stream
from kingpost.cli.output import print_result, progress
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import DataDirectory, load_application
from kingpost.integrations import (
    IngestReport,
    Intake,
    QuarantinedRow,
    Reading,
    ReplayReport,
    ingest_file,
    quarantined,
    replay_quarantine,
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
    tenant: str | None,
    as_json: bool,
) -> None:
    """Load events of APP's STREAM from FILE: .csv, .jsonl, .parquet (CSV and JSON also .gz).

    Every row is checked, positioned and durable when the command ends. A row whose key is
    already held is dropped and counted; a row that breaks the contract goes to quarantine.
    Running the same file again adds nothing.
    """
    application = load_application(app)
    contract = chosen_stream(application, stream)
    reading = Reading(_mapping(mapped), zone, ignore_extra)
    where = DataDirectory(settings.data_dir)
    with (
        Intake.open(
            where.data, application.streams.values(), disk=SystemDisk(), clock=SystemClock()
        ) as intake,
        progress(f"ingest {stream}", "rows") as show,
    ):

        def on_progress(report: IngestReport, share: float) -> None:
            show(report.rows, round(report.rows / share) if share else None)

        report = ingest_file(
            intake,
            contract,
            file,
            tenant=tenant or settings.tenant,
            reading=reading,
            on_progress=on_progress,
        )
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


def _mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise click.BadParameter(f"{pair!r} is not FIELD=COLUMN", param_hint="--map")
        mapping[field] = column
    return mapping


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
        DataDirectory(settings.data_dir).data,
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
    contract = chosen_stream(application, stream)
    with (
        Intake.open(
            DataDirectory(settings.data_dir).data,
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
