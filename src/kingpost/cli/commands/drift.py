"""`kingpost drift`: has a table moved from another, and where."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from kingpost.cli.output import print_result, printable, progress
from kingpost.contracts import Instant
from kingpost.core import Settings, duration_us
from kingpost.monitoring import (
    ColumnDrift,
    DriftReference,
    DriftReport,
    StoredTable,
    build_reference,
    compare,
    decode_reference,
    encode_reference,
    open_table,
)

__all__ = ["drift"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("reference", type=_FILE)
@click.argument("live", nargs=-1, type=_FILE)
@click.option(
    "--save", type=_FILE, help="Write the counts of REFERENCE, to be given instead of it."
)
@click.option(
    "--column", "columns", multiple=True, help="Watch this column; as often as needed, all else."
)
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="The chance of a false alarm, over all columns and windows.",
)
@click.option(
    "--least-moved",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="The share of rows that must lie elsewhere for a change to matter.",
)
@click.option("--rows", type=click.IntRange(min=1), help="Judge windows of so many rows.")
@click.option("--every", help="Judge windows of such a length, as 1d or 6h; with --time.")
@click.option("--time", "time_column", help="The column of time that --every goes by.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def drift(
    settings: Settings,
    reference: Path,
    live: tuple[Path, ...],
    save: Path | None,
    columns: tuple[str, ...],
    false_alarm_rate: float,
    least_moved: float,
    rows: int | None,
    every: str | None,
    time_column: str | None,
    as_json: bool,
) -> None:
    """Say which columns of LIVE are distributed otherwise than in REFERENCE.

    Both are Parquet or CSV files; REFERENCE may be what --save wrote, which holds counts and
    no rows. LIVE may be several files of the same columns.
    """
    if (every is None) != (time_column is None) or (every is not None and rows is not None):
        raise click.UsageError("--every and --time belong together, and --rows stands alone")
    if not live and save is None:
        raise click.UsageError("give LIVE, or --save to write the reference's counts")
    known = _reference(reference, columns, settings.threads)
    if save is not None:
        save.write_bytes(encode_reference(known))
    reports: list[tuple[str, DriftReport]] = []
    if live:
        with open_table(live) as table, progress("drift", "windows") as show:
            windows = _windows(table, rows, every, time_column)
            for done, (start, window) in enumerate(windows, 1):
                report = compare(
                    known,
                    known.count(window, threads=settings.threads),
                    false_alarm_rate=false_alarm_rate,
                    windows=len(windows),
                    least_moved=least_moved,
                )
                reports.append((start, report))
                show(done, len(windows))
    _tell(known, reports, as_json=as_json)


def _reference(path: Path, columns: Sequence[str], threads: int) -> DriftReference:
    if path.suffix.lower() == ".json":
        return decode_reference(path.read_bytes())
    with open_table(path) as table:
        return build_reference(table, columns=columns or None, threads=threads)


def _windows(
    table: StoredTable, rows: int | None, every: str | None, time_column: str | None
) -> list[tuple[str, StoredTable]]:
    if rows is not None:
        return [(f"row {first:,}", window) for first, window in table.by_count(rows)]
    if every is not None and time_column is not None:
        found = table.by_time(time_column, duration_us(every))
        return [(Instant(start_us).isoformat(), window) for start_us, window in found]
    return [("all", table)]


def _tell(
    reference: DriftReference, reports: Sequence[tuple[str, DriftReport]], *, as_json: bool
) -> None:
    if as_json:
        windows = [
            {"start": start, "drifted": report.drifted, **msgspec.structs.asdict(report)}
            for start, report in reports
        ]
        drifted = sum(bool(report.drifted) for _, report in reports)
        print_result(
            {
                "reference_rows": reference.counts.rows,
                "drifted_windows": drifted,
                "windows": windows,
            },
            as_json=True,
        )
        return
    for start, report in reports:
        found = [one for one in report.columns if one.drifted]
        click.echo(
            f"{start}: {report.rows:,} rows, {len(found)} of {len(report.columns)} columns drifted"
        )
        for one in found:
            click.echo(printable("  " + "  ".join(_line(one))))
    if not reports:
        click.echo(f"{reference.counts.rows:,} rows of {len(reference.columns)} columns counted")


def _line(one: ColumnDrift) -> tuple[str, ...]:
    """Say of one column what was found, and how far."""
    facts = [one.column, ", ".join(name.replace("_", "-") for name in one.found)]
    if one.measures is not None and one.limits is not None:
        facts.append(f"PSI {one.measures.psi:.4f} (limit {one.limits.psi:.4f})")
        if (
            one.measures.kolmogorov_smirnov is not None
            and one.limits.kolmogorov_smirnov is not None
        ):
            distance, limit = one.measures.kolmogorov_smirnov, one.limits.kolmogorov_smirnov
            facts.append(f"KS {distance:.4f} (limit {limit:.4f})")
    if one.missing != one.reference_missing:
        facts.append(f"missing {one.missing:.2%} ({one.reference_missing:.2%})")
    if one.new != one.reference_new:
        facts.append(f"new {one.new:.2%} ({one.reference_new:.2%})")
    return tuple(facts)
