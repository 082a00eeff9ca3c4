"""`kingpost incidents`: what the monitors of a running server found, and what is done about it."""

from typing import cast
from urllib.parse import quote

import click

from kingpost.cli.api_client import URL_OPTION, ApiClient, client_of
from kingpost.cli.output import print_lines, print_result, printable
from kingpost.core import Settings

__all__ = ["incidents"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_SHOWN = ("id", "opened", "ended", "kind", "title")
_AFFECTED = ("id", "event_time", "outcome", "score", "review", "event_key")


@click.group()
@URL_OPTION
@click.pass_context
def incidents(context: click.Context, url: str | None) -> None:
    """List incidents of a running server, and what they affected; have it reviewed again.

    The API key is read from KINGPOST_API_KEY; it needs the scope records, and to note and to
    send to review the scope review.
    """
    settings = cast("Settings", context.obj)
    context.obj = context.with_resource(client_of(settings, url))


@incidents.command("list")
@click.option("--decision", default="", help="Only those of a decision.")
@click.option("--open", "is_open", is_flag=True, help="Only those that go on.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--before", default="", help="`next` of the page before.")
@_JSON
@click.pass_obj
def list_incidents(
    client: ApiClient, decision: str, is_open: bool, limit: int, before: str, as_json: bool
) -> None:
    """List incidents, the newest first."""
    chosen = {"decision": decision, "before": before, "open": "true" if is_open else ""}
    parameters = {name: value for name, value in chosen.items() if value}
    found = client.get("/v1/incidents", parameters | {"limit": str(limit)})
    _print_page(found, "incidents", _SHOWN, as_json=as_json)


@incidents.command()
@click.argument("identifier")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--before", default="", help="`next` of the page before.")
@_JSON
@click.pass_obj
def affected(client: ApiClient, identifier: str, limit: int, before: str, as_json: bool) -> None:
    """List the decisions that an incident affected, the newest event first."""
    parameters = {"limit": str(limit)} | ({"before": before} if before else {})
    found = client.get(f"{_path(identifier)}/records", parameters)
    _print_page(found, "records", _AFFECTED, as_json=as_json)


@incidents.command()
@click.argument("identifier")
@click.option("--queue", default="", help="Whose people; by default those whom it asks itself.")
@click.option("--reason", default="", help="Why, for whoever reads the incident.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=1_000,
    show_default=True,
    help="So many of the newest decisions are looked at.",
)
@_JSON
@click.pass_obj
def review(
    client: ApiClient, identifier: str, queue: str, reason: str, limit: int, as_json: bool
) -> None:
    """Have the decisions that an incident affected reviewed again.

    Those that people reviewed, or are to review, are passed over.
    """
    body: dict[str, object] = {"queue": queue, "reason": reason, "limit": limit}
    print_result(client.post(f"{_path(identifier)}/review", body), as_json=as_json)


@incidents.command()
@click.argument("identifier")
@click.argument("text")
@_JSON
@click.pass_obj
def note(client: ApiClient, identifier: str, text: str, as_json: bool) -> None:
    """Write down what there is to say of an incident."""
    print_result(client.post(f"{_path(identifier)}/notes", {"text": text}), as_json=as_json)


@incidents.command()
@click.argument("identifier")
@_JSON
@click.pass_obj
def report(client: ApiClient, identifier: str, as_json: bool) -> None:
    """Print what happened, what was affected and what was done, as Markdown or JSON."""
    found = client.get(f"{_path(identifier)}/report")
    if as_json:
        print_result(found, as_json=True)
        return
    for line in str(found["markdown"]).splitlines():
        click.echo(printable(line))


def _print_page(
    found: dict[str, object], name: str, shown: tuple[str, ...], *, as_json: bool
) -> None:
    if as_json:
        print_result(found, as_json=True)
        return
    lines = cast("list[dict[str, object]]", found[name])
    print_lines(([line[one] for one in shown] for line in lines), nothing=f"no {name}")
    if found["next"]:
        click.echo(f"more with --before {found['next']}", err=True)


def _path(identifier: str) -> str:
    return f"/v1/incidents/{quote(identifier, safe='')}"
