"""`kingpost run` and `kingpost keys`."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from kingpost.access import SCOPES, ApiKey, create_key, revoke_key
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result
from kingpost.cli.run import open_keys, run_server
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, duration_us

__all__ = ["keys", "run"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option("--host", help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--no-watch", is_flag=True, help="`kingpost watch` runs elsewhere.")
@click.option("--no-work", is_flag=True, help="`kingpost work` runs elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when ready.")
@click.pass_obj
def run(
    settings: Settings,
    app: Path,
    host: str | None,
    port: int | None,
    no_watch: bool,
    no_work: bool,
    as_json: bool,
) -> None:
    """Serve APP's decisions until SIGTERM or Ctrl-C.

    Every decision needs an approved bundle that matches the code as it is; see `kingpost
    train` and `kingpost approve`. What was decided is observed in a process beside it, and
    APP's workflows run in another one.
    """
    log_to_stderr()
    chosen = replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )

    def ready(url: str) -> None:
        if as_json:
            print_result({"url": url}, as_json=True)
        else:
            click.echo(f"serving at {url}   API: {url}/docs   stop with Ctrl-C")

    watch = () if no_watch else _command(settings, "watch", str(app), "--follow-parent")
    snapshot = _command(settings, "snapshot", str(app), "--follow-parent")
    work = () if no_work else _command(settings, "work", str(app), "--follow-parent")
    run_server(chosen, app, ready, observer=watch, worker=work, snapshot=snapshot)


def _command(settings: Settings, *arguments: str) -> Sequence[str]:
    config = click.get_current_context().find_root().params["config"]
    chosen = () if config is None else ("--config", str(config))
    data_dir = ("--data-dir", str(settings.data_dir))
    return (sys.executable, "-m", "kingpost.cli", *chosen, *data_dir, *arguments)


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create")
@click.option("--tenant", help="Whose key; the configured tenant by default.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help=f"What it may do: {', '.join(SCOPES)}, or decide:<decision>, or review:<queue>. "
    "As often as needed; decide, ingest and records by default.",
)
@click.option("--name", default="", help="For people, such as who holds it.")
@click.option("--expires", help="How long it is valid, as 90d; for ever by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def create(
    settings: Settings,
    tenant: str | None,
    scopes: tuple[str, ...],
    name: str,
    expires: str | None,
    as_json: bool,
) -> None:
    """Create a key and print its secret, which is shown this once."""
    clock = SystemClock()
    made = create_key(
        open_keys(settings),
        clock,
        tenant=tenant or settings.tenant,
        scopes=scopes or ("decide", "ingest", "records"),
        name=name,
        expires_us=None if expires is None else clock.now_us() + duration_us(expires),
    )
    print_result({**_shown(made.key), "secret": made.secret}, as_json=as_json)


@keys.command("list")
@click.option("--tenant", help="Only those of a tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_keys(settings: Settings, tenant: str | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    found: list[object] = [_shown(key) for key in open_keys(settings).list(tenant)]
    print_result({"keys": found}, as_json=as_json)


@keys.command("revoke")
@click.argument("identifier")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def revoke(settings: Settings, identifier: str, as_json: bool) -> None:
    """Revoke the key of an id for good; a running server stops taking it within 2 seconds."""
    print_result(
        _shown(revoke_key(open_keys(settings), SystemClock(), identifier)), as_json=as_json
    )


def _shown(key: ApiKey) -> dict[str, object]:
    def moment(at_us: int | None) -> str | None:
        return None if at_us is None else Instant(at_us // 1_000_000 * 1_000_000).isoformat()

    return {
        "id": key.id,
        "tenant": key.tenant,
        "scopes": msgspec.to_builtins(key.scopes),
        "name": key.name,
        "created": moment(key.created_us),
        "expires": moment(key.expires_us),
        "revoked": moment(key.revoked_us),
    }
