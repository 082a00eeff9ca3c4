"""`kingpost sql`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import cast
from uuid import UUID

import click

from kingpost.cli.output import print_result, printable
from kingpost.cli.place import data_directory
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemDisk, duration_us
from kingpost.decisions import open_sealed

__all__ = ["sql"]

_SHOWN = 100


@click.command()
@click.argument("query")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the answer to a .parquet or .csv file.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"Print so many rows; {_SHOWN} by default, all of them with --json.",
)
@click.option("--timeout", default="60s", show_default=True, help="Stop the query after that.")
@click.option(
    "--memory",
    type=click.IntRange(32),
    default=1024,
    show_default=True,
    help="MiB that the query may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def sql(
    settings: Settings,
    query: str,
    out: Path | None,
    limit: int | None,
    timeout: str,
    memory: int,
    as_json: bool,
) -> None:
    """Ask everything on record, of all tenants, in one SELECT of DuckDB's SQL.

    Tables are `records`, `inferences` and `reviews`: what was sealed, and what the journal has
    had since. `DESCRIBE records` lists the columns. Nothing else can be read, and nothing
    changed.

    \b
      kingpost sql "SELECT outcome, count(*) FROM records GROUP BY outcome"
      kingpost sql "SELECT decided_at, features['amount'] FROM records
                    WHERE principal = 'key-1' AND decided_at > now() - INTERVAL 1 DAY"
    """
    timeout_s = duration_us(timeout) / 1e6
    with open_sealed(
        data_directory(settings), disk=SystemDisk(), memory_mb=memory, timeout_s=timeout_s
    ) as sealed:
        if out is not None:
            rows = sealed.write(query, out)
            print_result({"rows": rows, "file": str(out)}, as_json=as_json)
            return
        answer = sealed.query(query, limit=None if as_json and limit is None else limit or _SHOWN)
    if as_json:
        built = [
            {name: _plain(value) for name, value in zip(answer.columns, row, strict=True)}
            for row in answer.rows
        ]
        print_result({"rows": built, "is_cut": answer.is_cut}, as_json=True)
        return
    _print_table(answer.columns, [[_text(value) for value in row] for row in answer.rows])
    if answer.is_cut:
        click.echo("there are more rows; see --limit and --out", err=True)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in [columns, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
    if not rows:
        click.echo("no rows", err=True)


def _text(value: object) -> str:
    plain = _plain(value)
    return "" if plain is None else printable(str(plain))


def _plain(value: object) -> object:
    """Write a value of DuckDB's as JSON has it; what is no number is null."""
    match value:
        case Instant():
            return value.isoformat()
        case bool() | int() | str() | None:
            return value
        case float():
            return value if value - value == 0 else None
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case Mapping():
            facts = cast("Mapping[object, object]", value)
            return {str(name): _plain(one) for name, one in facts.items()}
        case list() | tuple():
            return [_plain(one) for one in cast("Sequence[object]", value)]
        case _:
            return str(value)
