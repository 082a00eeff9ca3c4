"""`kingpost run` and `kingpost keys`."""

import sys
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from kingpost.access import SCOPES, ApiKey, create_key, revoke_key, rotate_key
from kingpost.cli.access import limits_of
from kingpost.cli.beside import own_command
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result
from kingpost.cli.run import open_keys, run_server
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, duration_us
from kingpost.serving import Addresses, run_http_worker

__all__ = ["http_worker", "keys", "run"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option("--host", help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option(
    "--grpc-port",
    type=click.IntRange(-1, 65535),
    help="Port for gRPC; 0 takes a free one, -1 none, which is the default.",
)
@click.option(
    "--http-workers",
    type=click.IntRange(0, 64),
    help="So many processes share the port and speak HTTP and TLS; 0, the default, has the one "
    "that decides do it.",
)
@click.option("--no-watch", is_flag=True, help="`kingpost watch` runs elsewhere.")
@click.option("--no-work", is_flag=True, help="`kingpost work` runs elsewhere.")
@click.option("--no-jobs", is_flag=True, help="`kingpost job-worker` runs elsewhere.")
@click.option("--no-streams", is_flag=True, help="Carry none of the streams in the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when ready.")
@click.pass_obj
def run(
    settings: Settings,
    app: Path,
    host: str | None,
    port: int | None,
    grpc_port: int | None,
    http_workers: int | None,
    no_watch: bool,
    no_work: bool,
    no_jobs: bool,
    no_streams: bool,
    as_json: bool,
) -> None:
    """Serve APP's decisions until SIGTERM or Ctrl-C.

    Every decision needs an approved bundle that matches the code as it is; see `kingpost
    train` and `kingpost approve`. What was decided is observed in a process beside it, and
    APP's workflows run in another one.
    """
    log_to_stderr(settings.log_format)
    chosen = replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
        grpc_port=settings.grpc_port if grpc_port is None else grpc_port,
        http_workers=settings.http_workers if http_workers is None else http_workers,
    )

    def ready(addresses: Addresses) -> None:
        url, grpc = addresses
        if as_json:
            told: dict[str, object] = {"url": url}
            print_result(told | {"grpc": grpc} if grpc else told, as_json=True)
        else:
            also = f"   gRPC: {grpc}" if grpc else ""
            click.echo(f"serving at {url}   API: {url}/docs{also}   stop with Ctrl-C")

    watch = () if no_watch else own_command(settings, "watch", str(app), "--follow-parent")
    snapshot = own_command(settings, "snapshot", str(app), "--follow-parent")
    work = () if no_work else own_command(settings, "work", str(app), "--follow-parent")
    run_server(
        chosen,
        app,
        ready,
        observer=watch,
        worker=work,
        snapshot=snapshot,
        http_worker=own_command(settings, "http-worker"),
        works_on_jobs=not no_jobs,
        streams=not no_streams,
    )


@click.command("http-worker", hidden=True)
@click.argument("engine", type=click.Path(path_type=Path))
@click.pass_obj
def http_worker(settings: Settings, engine: Path) -> None:
    """Share the port of the server behind the socket ENGINE; `kingpost run` starts it."""
    log_to_stderr(settings.log_format)
    sys.exit(run_http_worker(engine))


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys."""


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
@click.option(
    "--decision",
    "decisions",
    multiple=True,
    metavar="NAME",
    help="It may decide this decision: `--scope decide:NAME`. As often as needed.",
)
@click.option("--name", default="", help="For people, such as who holds it.")
@click.option("--expires", help="How long it is valid, as 90d; for ever by default.")
@click.option("--limit-requests", help="Requests it may send, as 100/s; `limit_requests` else.")
@click.option("--limit-rows", help="Rows it may send, as 10000/h; `limit_rows` else.")
@click.option("--limit-cost", help="What they may cost, as 500/m; `limit_cost` else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def create(
    settings: Settings,
    tenant: str | None,
    scopes: tuple[str, ...],
    decisions: tuple[str, ...],
    name: str,
    expires: str | None,
    limit_requests: str | None,
    limit_rows: str | None,
    limit_cost: str | None,
    as_json: bool,
) -> None:
    """Create a key and print its secret, which is shown this once."""
    clock = SystemClock()
    chosen = (*scopes, *(f"decide:{decision}" for decision in decisions))
    made = create_key(
        open_keys(settings),
        clock,
        tenant=tenant or settings.tenant,
        scopes=chosen or ("decide", "ingest", "records"),
        name=name,
        expires_us=None if expires is None else clock.now_us() + duration_us(expires),
        limits=limits_of(limit_requests, limit_rows, limit_cost),
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


@keys.command("rotate")
@click.argument("identifier")
@click.option(
    "--overlap", default="24h", show_default=True, help="How long the old one stays valid."
)
@click.option("--expires", help="How long the new one is valid; as long as the old one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def rotate(
    settings: Settings, identifier: str, overlap: str, expires: str | None, as_json: bool
) -> None:
    """Make a key that takes the place of the one of an id, and print its secret this once.

    It has the same tenant, scopes, limits and name, and counts as the same caller. The old one
    is valid until the overlap ends; give everybody the new one meanwhile.
    """
    clock = SystemClock()
    made = rotate_key(
        open_keys(settings),
        clock,
        identifier,
        overlap_us=duration_us(overlap),
        expires_us=None if expires is None else clock.now_us() + duration_us(expires),
    )
    shown = {**_shown(made.key), "rotates": identifier, "secret": made.secret}
    print_result(shown, as_json=as_json)


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
        "principal": key.principal,
        "limits": key.limits.to_text(),
    }
