"""`kingpost features import-feast`: the declarations of a Feast repository."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from kingpost.cli.output import print_result, printable
from kingpost.contracts import BadResolution, Resolution
from kingpost.integrations import FeastImport, FeastState
from kingpost.integrations import import_feast as read_feast

__all__ = ["import_feast"]

_STATES: tuple[FeastState, ...] = ("expressed", "to_check", "not_expressed")


@click.command("import-feast")
@click.argument("repository", metavar="REPO", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("features.py"),
    show_default=True,
    help="The Python file to write; one that is there already is not written over.",
)
@click.option(
    "--resolution",
    "resolutions",
    multiple=True,
    metavar="COLUMN=STEP",
    help="The last digit that counts of an aggregated column, as amount=0.01 or view:amount=0.01; "
    "as often as needed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_feast(
    repository: Path, out: Path, resolutions: tuple[str, ...], *, as_json: bool
) -> None:
    """Read a Feast repository into declarations, and say what they cannot express.

    Nothing of REPO is imported or run. Ends with code 1 when something was not expressed;
    the file has the rest.
    """
    if out.exists():
        raise click.BadParameter(
            f"{str(out)!r} is there already and may hold your changes; name another file",
            param_hint="--out",
        )
    made = read_feast(repository, _steps(resolutions))
    if made.unused_resolutions:
        raise click.BadParameter(
            f"no aggregated column is called {', '.join(made.unused_resolutions)}",
            param_hint="--resolution",
        )
    with out.open("x", encoding="utf-8") as file:
        file.write(made.text)
    missing = made.of("not_expressed")
    if as_json:
        print_result(_told(made, out), as_json=True)
    else:
        _print(made, out)
    if missing:
        raise SystemExit(1)


def _steps(resolutions: Iterable[str]) -> dict[str, str]:
    steps: dict[str, str] = {}
    for given in resolutions:
        column, equals, step = given.rpartition("=")
        if not column or not equals:
            raise click.BadParameter(f"{given!r} is not COLUMN=STEP", param_hint="--resolution")
        try:
            Resolution(step)
        except BadResolution as error:
            raise click.BadParameter(
                f"{step!r} is no power of ten from 1 to 0.000000001", param_hint="--resolution"
            ) from error
        steps[column] = step
    return steps


def _told(made: FeastImport, out: Path) -> Mapping[str, object]:
    return {
        "out": str(out),
        "files": made.files,
        "read": len(made.items),
        "expressed": len(made.of("expressed")),
        "to_check": len(made.of("to_check")),
        "not_expressed": len(made.of("not_expressed")),
        "project": made.settings.project,
        "offline_store": made.settings.offline_store,
        "online_store": made.settings.online_store,
        "notes": made.notes,
        "items": [
            {
                "kind": item.kind,
                "name": item.name,
                "file": item.at.file,
                "line": item.at.line,
                "state": item.state,
                "became": item.became,
                "reasons": [{"what": one.what, "mend": one.mend} for one in item.reasons],
            }
            for item in made.items
        ],
    }


def _print(made: FeastImport, out: Path) -> None:
    kinds = list(dict.fromkeys(item.kind for item in made.items))
    rows: list[tuple[str, ...]] = [("", "read", "expressed", "to check", "not expressed")]
    for kind in [*sorted(kinds), "all"]:
        of = [item.state for item in made.items if kind in (item.kind, "all")]
        rows.append((kind, *(str(count) for count in (len(of), *map(of.count, _STATES)))))
    first = max(len(row[0]) for row in rows)
    for kind, *cells in rows:
        texts = [cell.rjust(len(head)) for cell, head in zip(cells, rows[0][1:], strict=True)]
        click.echo(f"{kind:<{first}}  {'  '.join(texts)}")
    for state, head in zip(_STATES[1:], ("To check", "Not expressed"), strict=True):
        items = made.of(state)
        if items:
            click.echo(f"\n{head}:")
        for item in items:
            click.echo(printable(f"{item.at}  {item.kind} {item.name}"))
            for reason in item.reasons:
                click.echo(printable(f"    {reason.what}; {reason.mend}"))
    if made.notes:
        click.echo("\nOf all of them:")
        for note in made.notes:
            click.echo(f"    {note}")
    stores = [made.settings.offline_store, made.settings.online_store]
    if any(stores):
        said = " and ".join(filter(None, stores))
        click.echo()
        click.echo(printable(f"The stores of Feast ({said}) are not read; rows are ingested."))
    click.echo()
    click.echo(printable(f"{made.files} files read, {out} written"))
