"""`kingpost backfill`, `kingpost parity` and `kingpost features`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.cli.commands.feature_catalogue import list_features, show
from kingpost.cli.commands.import_feast import import_feast
from kingpost.cli.declared import chosen_decision
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk, duration_us
from kingpost.decisions import (
    BackfillJob,
    Decision,
    backfill_parts,
    load_application,
    read_all_histories,
    read_past_requests,
    recorded_requests,
    write_features,
)
from kingpost.features import (
    History,
    Requests,
    as_lived,
    check_parity,
)
from kingpost.features import hindsight as hindsight_of

__all__ = ["backfill", "features", "parity"]

ROWS_PER_PART = 250_000


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A .parquet file; with --workers, --rows-per-part or --on, a directory of parts.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Compute parts in so many processes, or so many workers of Ray.",
)
@click.option(
    "--rows-per-part",
    type=click.IntRange(min=1),
    help=f"Rows of each part; {ROWS_PER_PART} by default.",
)
@click.option(
    "--on",
    type=click.Choice(["processes", "ray"]),
    help="Where parts are computed; processes of this machine by default.",
)
@click.option(
    "--ray-address",
    help="A Ray cluster that runs, such as auto or ray://host:10001; a local one is started "
    "without.",
)
@click.option("--tenant", help="Whose events; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def backfill(
    settings: Settings,
    app: Path,
    decision: str | None,
    out: Path,
    workers: int | None,
    rows_per_part: int | None,
    on: Literal["processes", "ray"] | None,
    ray_address: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Compute the features of every past request of APP's DECISION into Parquet.

    A row has the request's key and time and one column per feature, as of the request's own
    time: what had happened and was known by then.

    A directory of parts that was not finished is continued by the same command, as of the
    journal that the first run saw.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    who, started = tenant or settings.tenant, time.perf_counter()
    where = data_directory(settings)
    in_parts = not (workers is None and rows_per_part is None and on is None)
    _check_out(out, in_parts=in_parts)
    if ray_address is not None and on != "ray":
        raise click.BadOptionUsage("ray_address", "--ray-address belongs to --on ray")
    if not in_parts:
        past = read_past_requests(where, chosen, who, disk=SystemDisk())
        started = time.perf_counter()
        write_features(past, out, 0, len(past), threads=settings.threads)
        told: dict[str, object] = {"rows": len(past)}
    else:
        count = workers or 1
        job = BackfillJob(
            application=application,
            decision=chosen,
            tenant=who,
            rows_per_part=rows_per_part or ROWS_PER_PART,
            workers=count,
            threads=max(1, settings.threads // count),
            on=on or "processes",
            ray_address=ray_address,
        )
        with progress("backfill", "rows") as show:
            done = backfill_parts(job, where, out, disk=SystemDisk(), on_progress=show)
        told = {"rows": done.plan.requests, "parts": done.plan.parts, "resumed": done.resumed}
    print_result(
        {
            "decision": chosen.name,
            **told,
            "features": len(chosen.features),
            "seconds": round(time.perf_counter() - started, 3),
            "out": str(out),
        },
        as_json=as_json,
    )
    if not told["rows"] and not as_json:
        click.echo(f"the journal of {where.root} holds no request of tenant {who!r}", err=True)


def _check_out(out: Path, *, in_parts: bool) -> None:
    if in_parts and out.is_file():
        raise click.BadParameter(f"{out} is a file; parts need a directory", param_hint="--out")
    if not in_parts and out.is_dir():
        mend = "give the --workers and --rows-per-part that it was begun with, or name a file"
        raise click.BadParameter(f"{out} is a directory: {mend}", param_hint="--out")


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--from", "start", help="First event time of the slice, ISO 8601 with an offset.")
@click.option("--until", help="End of the slice, exclusive.")
@click.option("--last", help="The slice: the last so long, as 7d. The default is 1d.")
@click.option(
    "--as-journalled",
    is_flag=True,
    help="Keep the order in which events reached the journal, instead of the order in which "
    "they became known.",
)
@click.option("--tenant", help="Whose events; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def parity(
    settings: Settings,
    app: Path,
    decision: str | None,
    start: str | None,
    until: str | None,
    last: str | None,
    as_journalled: bool,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Replay a slice of APP's DECISION online and offline and compare every bit.

    Ends with code 1 when a single bit differs.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    histories = _histories(settings, chosen, tenant)
    if not as_journalled:
        histories = as_lived(application.streams, histories)
    asked = histories[chosen.request.name]
    times = asked.events.numbers(chosen.request.event_time.name).astype(np.int64)
    end = _moment(until) if until else _end(times)
    first = _moment(start) if start else end - duration_us(last or "1d")
    with progress("parity", "requests") as show:
        report = check_parity(
            chosen.features,
            application.streams,
            histories,
            from_us=first,
            until_us=end,
            on_progress=show,
        )
    print_result(
        {
            "decision": chosen.name,
            "slice": f"{Instant(first).isoformat()} to {Instant(end).isoformat()}",
            "requests": report.requests,
            "reads": report.reads,
            "mismatches": report.mismatches,
            "different": [msgspec.to_builtins(one._asdict()) for one in report.shown],
        },
        as_json=as_json,
    )
    if report.mismatches:
        raise SystemExit(1)


@click.group()
def features() -> None:
    """List an application's features, look at them, or import them from Feast."""


for command in (list_features, show, import_feast):
    features.add_command(command)


@features.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--tenant", help="Whose events; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def hindsight(
    settings: Settings, app: Path, decision: str | None, tenant: str | None, as_json: bool
) -> None:
    """Say how much a backfill knows that serving did not, feature by feature.

    Every request of APP's DECISION is computed twice: as of its own position in the journal,
    as serving saw it (the recorded ones of this server where several share an online store),
    and as the classical backfill. A share is that of requests whose value
    differs in a bit.
    """
    chosen = chosen_decision(load_application(app), decision)
    histories = _histories(settings, chosen, tenant)
    where, vectors = data_directory(settings), None
    if where.listed:  # serving saw other partitions too, as the records say
        requests, vectors = recorded_requests(
            where, chosen, tenant or settings.tenant, disk=SystemDisk()
        )
    else:
        asked = histories[chosen.request.name].counted()
        requests = Requests(asked.events, asked.positions)
    shares = hindsight_of(
        chosen.features, requests, histories, vectors=vectors, threads=settings.threads
    )
    print_result(
        {
            "decision": chosen.name,
            "requests": len(requests),
            "features": [
                {"feature": name, "share": round(share, 6)}
                for name, share in sorted(shares.items(), key=lambda one: -one[1])
            ],
        },
        as_json=as_json,
    )


def _histories(settings: Settings, decision: Decision, tenant: str | None) -> Mapping[str, History]:
    held, _ = read_all_histories(data_directory(settings), decision.streams, disk=SystemDisk())
    return held.of(tenant or settings.tenant)


def _moment(text: str) -> int:
    try:
        return Instant.parse(text).us
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no ISO 8601 time: {error}") from error


def _end(times: NDArray[np.int64]) -> int:
    """Return when the history ends: a time a day ahead of the clock is somebody's mistake."""
    latest = SystemClock().now_us() + duration_us("1d")
    return int(times[times <= latest].max(initial=0)) + 1
