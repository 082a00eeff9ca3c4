"""`kingpost erase`, `erasures`, `hold` and `holds`: at a running server."""

from pathlib import Path
from typing import cast

import click
import msgspec

from kingpost.cli.api_client import URL_OPTION, client_of
from kingpost.cli.output import print_lines, print_result, printable
from kingpost.core import Settings

__all__ = ["erase", "erasures", "hold", "holds"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_URLS = click.option(
    "--url",
    "urls",
    multiple=True,
    envvar="KINGPOST_URL",
    help="Where a server is; once for each that shares the online store. KINGPOST_URL, with "
    "spaces between several, or the configured host and port.",
)


@click.command()
@click.argument("entity", required=False)
@click.argument("key", required=False)
@click.option("--reason", default="", help="Why, for whoever reads the record of it.")
@click.option(
    "--again",
    "listed",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instead: whomever a file names that `kingpost erasures --json` has written, and whom "
    "the server does not know as erased, since it was restored from a backup of before.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_URLS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each server.")
@click.pass_obj
def erase(
    settings: Settings,
    entity: str | None,
    key: str | None,
    reason: str,
    listed: Path | None,
    yes: bool,
    urls: tuple[str, ...],
    as_json: bool,
) -> None:
    """Erase the ENTITY (a field of events, as customer) that has the value KEY.

    Features forget its events, now and in every computation of the past; that cannot be
    undone. Where several servers share an online store, each erases what came to it: give
    the --url of all. It may be done again, and is with --again after a restore. The API key is read from KINGPOST_API_KEY; it
    needs the scope erase.
    """
    if listed is not None:
        if entity is not None:
            raise click.UsageError("give an entity and a key, or --again and a file")
        _erase_again(settings, listed, yes=yes, urls=urls, as_json=as_json)
        return
    if entity is None or key is None:
        raise click.UsageError("give the entity and its key, as in: kingpost erase customer C42")
    if not yes:
        click.confirm(f"erase {printable(entity)} {printable(key)} for good?", abort=True, err=True)
    asked = {"entity": entity, "key": key, "reason": reason}
    left: set[str] = set()
    done: set[str] = set()
    for url in urls or (None,):
        with client_of(settings, url) as client:
            told = client.post("/v1/erasures", asked)
        print_result(told, as_json=as_json)
        done.add(str(told["position"]).partition(":")[0])
        left.update(cast("list[str]", told["other_partitions"]))
    if left - done:
        names = ", ".join(sorted(left - done))
        click.echo(f"still to be asked: the servers of the partitions {names}", err=True)


def _erase_again(
    settings: Settings, listed: Path, *, yes: bool, urls: tuple[str, ...], as_json: bool
) -> None:
    """Erase those of a list that a server does not know as erased, at each server."""
    try:
        wanted = msgspec.json.decode(listed.read_bytes(), type=_Listed).erasures
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"{listed} is no list of `kingpost erasures --json`: {error}")
    if not yes:
        click.confirm(f"erase up to {len(wanted)} entities for good?", abort=True, err=True)
    for url in urls or (None,):
        done: set[tuple[str, str]] = set()
        with client_of(settings, url) as client:
            found = cast("list[dict[str, str]]", client.get("/v1/erasures")["erasures"])
            known = {(one["entity"], one["key"]) for one in found}
            for one in wanted:
                who = (one.entity, one.key)
                if who not in known | done:
                    asked = {"entity": one.entity, "key": one.key, "reason": one.reason}
                    client.post("/v1/erasures", asked)
                    done.add(who)
        people = {(one.entity, one.key) for one in wanted}
        print_result({"erased": len(done), "known": len(people & known)}, as_json=as_json)


class _Erasure(msgspec.Struct):
    entity: str
    key: str
    reason: str = ""


class _Listed(msgspec.Struct):
    erasures: list[_Erasure]


@click.command()
@URL_OPTION
@_JSON
@click.pass_obj
def erasures(settings: Settings, url: str | None, as_json: bool) -> None:
    """List the entities that were erased, the latest first."""
    with client_of(settings, url) as client:
        found = client.get("/v1/erasures")
    if as_json:
        print_result(found, as_json=True)
        return
    every = cast("list[dict[str, str]]", found["erasures"])
    names = ("at", "entity", "key", "by", "position", "reason")
    print_lines(([one[name] for name in names] for one in every), nothing="nothing was erased")


@click.command()
@click.argument("entity")
@click.argument("key")
@click.option("--reason", default="", help="Why, for whoever reads the record of it.")
@click.option("--release", is_flag=True, help="End the hold.")
@_URLS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each server.")
@click.pass_obj
def hold(
    settings: Settings,
    entity: str,
    key: str,
    reason: str,
    release: bool,
    urls: tuple[str, ...],
    as_json: bool,
) -> None:
    """Let nobody erase the ENTITY (a field of events, as customer) that has the value KEY.

    An erasure is refused until the hold is released. Give the --url of every server that has
    events of it. The API key is read from KINGPOST_API_KEY; it needs the scope erase.
    """
    asked = {"entity": entity, "key": key, "reason": reason, "is_released": release}
    for url in urls or (None,):
        with client_of(settings, url) as client:
            print_result(client.post("/v1/holds", asked), as_json=as_json)


@click.command()
@URL_OPTION
@_JSON
@click.pass_obj
def holds(settings: Settings, url: str | None, as_json: bool) -> None:
    """List legal holds and their ends, the latest first."""
    with client_of(settings, url) as client:
        found = client.get("/v1/holds")
    if as_json:
        print_result(found, as_json=True)
        return
    every = cast("list[dict[str, object]]", found["holds"])
    names = ("at", "entity", "key", "by", "reason")
    rows = (
        ["released" if one["is_released"] else "held", *(one[name] for name in names)]
        for one in every
    )
    print_lines(rows, nothing="nothing was held")
