"""`kingpost records`: the records of a running server."""

from typing import cast
from urllib.parse import quote

import click

from kingpost.cli.api_client import URL_OPTION, ApiClient, client_of
from kingpost.cli.output import print_lines, print_result
from kingpost.core import Settings
from kingpost.records import Outcome

__all__ = ["records"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_SHOWN = ("id", "event_time", "outcome", "score", "principal", "event_key")


@click.group()
@URL_OPTION
@click.pass_context
def records(context: click.Context, url: str | None) -> None:
    """Search and show the records of decisions at a running server.

    The API key is read from KINGPOST_API_KEY; it needs the scope records. `kingpost sql` asks
    the files, without a server.
    """
    settings = cast("Settings", context.obj)
    context.obj = context.with_resource(client_of(settings, url))


@records.command("list")
@click.argument("decision")
@click.option("--text", help="A record's id, event key, session or trace id, whole.")
@click.option("--outcome", type=click.Choice([one.value for one in Outcome]))
@click.option("--review", type=click.Choice(["approved", "overridden", "none"]))
@click.option("--model", help="SHA-256 of a bundle or a model: only what it has answered.")
@click.option("--principal", help="Only what this API key or user has asked.")
@click.option("--mistaken", is_flag=True, help="Only those whose answer turned out to be wrong.")
@click.option("--since", help="Only events from this time on, as 2026-11-21T09:00:00Z.")
@click.option("--until", help="Only events before this time.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--before", help="`next` of the page before.")
@_JSON
@click.pass_obj
def list_records(
    client: ApiClient, limit: int, *, mistaken: bool, as_json: bool, **chosen: str | None
) -> None:
    """List records of DECISION, the newest event first."""
    parameters = {name: value for name, value in chosen.items() if value}
    parameters |= {"limit": str(limit)} | ({"mistaken": "true"} if mistaken else {})
    found = client.get("/v1/records", parameters)
    if as_json:
        print_result(found, as_json=True)
        return
    lines = cast("list[dict[str, object]]", found["records"])
    print_lines(([line[name] for name in _SHOWN] for line in lines), nothing="no records")
    if found["next"]:
        click.echo(f"more with --before {found['next']}", err=True)


@records.command("show")
@click.argument("identifier")
@_JSON
@click.pass_obj
def show(client: ApiClient, identifier: str, as_json: bool) -> None:
    """Show all of a record: what was asked, by whom, and what came of it."""
    found = client.get(f"/v1/records/{quote(identifier, safe='')}")
    print_result(found, as_json=as_json)
