"""`kingpost backfill`, `kingpost parity` and `kingpost features`."""

import time
from collections.abc import Mapping
from pathlib import Path

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
from kingpost.decisions import Decision, load_application, read_all_histories, recorded_requests
from kingpost.features import (
    History,
    Requests,
    as_lived,
    check_parity,
    feature_matrix,
)
from kingpost.features import hindsight as hindsight_of

__all__ = ["backfill", "features", "parity"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A .parquet file.")
@click.option("--tenant", help="Whose events; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def backfill(
    settings: Settings,
    app: Path,
    decision: str | None,
    out: Path,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Compute the features of every past request of APP's DECISION into a Parquet file.

    A row has the request's key and time and one column per feature, as of the request's own
    time: what had happened and was known by then.
    """
    import duckdb

    application = load_application(app)
    chosen = chosen_decision(application, decision)
    histories = _histories(settings, chosen, tenant)
    asked = histories[chosen.request.name].live()
    started = time.perf_counter()
    values = feature_matrix(
        chosen.features,
        Requests(asked.events, asked.positions),
        histories,
        threads=settings.threads,
    )
    seconds = time.perf_counter() - started
    columns: dict[str, object] = {
        chosen.request.key.name: np.array(asked.events.values(chosen.request.key.name)),
        chosen.request.event_time.name: asked.events.numbers(chosen.request.event_time.name)
        .astype(np.int64)
        .astype("datetime64[us]"),
    }
    for index, name in enumerate(chosen.features.names):
        columns[name if name not in columns else f"feature_{name}"] = values[:, index].copy()
    with duckdb.connect() as connection:
        connection.register("columns", columns)
        connection.table("columns").write_parquet(str(out), compression="zstd")
    print_result(
        {
            "decision": chosen.name,
            "rows": len(asked),
            "features": len(chosen.features),
            "seconds": round(seconds, 3),
            "out": str(out),
        },
        as_json=as_json,
    )


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
