"""`kingpost erase` and `kingpost erasures`: at a running server."""

import os
from typing import cast

import click

from kingpost.cli.api_client import API_KEY, ApiClient
from kingpost.cli.output import print_result, printable
from kingpost.core import Settings

__all__ = ["erase", "erasures"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_URL = click.option(
    "--url",
    envvar="KINGPOST_URL",
    help="Where the server is; KINGPOST_URL, or the configured host and port.",
)


@click.command()
@click.argument("entity")
@click.argument("key")
@click.option("--reason", default="", help="Why, for whoever reads the record of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_URL
@_JSON
@click.pass_obj
def erase(
    settings: Settings,
    entity: str,
    key: str,
    reason: str,
    yes: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Erase the ENTITY (a field of events, as customer) that has the value KEY.

    Features forget its events, now and in every computation of the past; that cannot be
    undone. The API key is read from KINGPOST_API_KEY; it needs the scope erase.
    """
    if not yes:
        click.confirm(f"erase {printable(entity)} {printable(key)} for good?", abort=True, err=True)
    with _client(settings, url) as client:
        done = client.post("/v1/erasures", {"entity": entity, "key": key, "reason": reason})
    print_result(done, as_json=as_json)


@click.command()
@_URL
@_JSON
@click.pass_obj
def erasures(settings: Settings, url: str | None, as_json: bool) -> None:
    """List the entities that were erased, the latest first."""
    with _client(settings, url) as client:
        found = client.get("/v1/erasures")
    if as_json:
        print_result(found, as_json=True)
        return
    every = cast("list[dict[str, str]]", found["erasures"])
    for one in every:
        shown = (one[name] or "-" for name in ("at", "entity", "key", "by", "position", "reason"))
        click.echo(printable("  ".join(shown)))
    if not every:
        click.echo("nothing was erased")


def _client(settings: Settings, url: str | None) -> ApiClient:
    where = url or f"http://{settings.host}:{settings.port}"
    return ApiClient(where, os.environ.get(API_KEY, ""))
