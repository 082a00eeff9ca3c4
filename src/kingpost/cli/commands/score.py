"""`kingpost score` and `kingpost batches`."""

import getpass
import time
from pathlib import Path

import click
import msgspec

from kingpost.cli.declared import chosen_decision
from kingpost.cli.output import print_result, printable, progress
from kingpost.cli.place import data_directory
from kingpost.cli.read_as import mapping_of
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import BatchJob, load_application, score_batch
from kingpost.integrations import Reading

__all__ = ["batches", "score"]

ROWS_PER_PART = 250_000
_NOTED = ("id", "at", "state", "bundle", "position", "rows", "refused", "output", "by")


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="A directory for the parts.",
)  # fmt: skip
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="The column of a field whose name differs; as often as needed.",
)
@click.option("--zone", help="What times without an offset mean, as UTC or Europe/Rome.")
@click.option("--ignore-extra", is_flag=True, help="Pass over columns that are no field.")
@click.option("--bundle", help="An approved bundle, by its digest; the one that runs by default.")
@click.option(
    "--rows-per-part",
    type=click.IntRange(min=1),
    default=ROWS_PER_PART,
    show_default=True,
    help="Rows of each part.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1, max=256),
    default=1,
    show_default=True,
    help="Score in so many processes, or so many workers of Ray.",
)
@click.option("--ray", "on_ray", is_flag=True, help="Score on a Ray cluster (extra ray).")
@click.option(
    "--ray-address",
    help="A Ray cluster that runs, such as auto or ray://host:10001; a local one is started "
    "without.",
)
@click.option("--by", help="Who scores; the name of this account by default.")
@click.option("--tenant", help="Whose events and requests; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def score(
    settings: Settings,
    app: Path,
    decision: str,
    inputs: tuple[str, ...],
    out: Path,
    mapped: tuple[str, ...],
    zone: str | None,
    ignore_extra: bool,
    bundle: str | None,
    rows_per_part: int,
    processes: int,
    on_ray: bool,
    ray_address: str | None,
    by: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Score the requests in INPUT by the bundle of APP's DECISION that runs.

    INPUT is files, folders and patterns of CSV, JSON lines (each also .gz) and Parquet. Each
    row is answered as the server would answer it next: features of the journal as it is now,
    the row's own event counted, no other row's. Rows that break the contract are written
    beside the parts with their reason.

    A directory that was not finished is continued by the same command, by the same bundle
    and as of the same journal.
    """
    if ray_address is not None and not on_ray:
        raise click.BadOptionUsage("ray_address", "--ray-address belongs to --ray")
    application = load_application(app)
    job = BatchJob(
        application=application,
        decision=chosen_decision(application, decision),
        inputs=inputs,
        reading=Reading(mapping_of(mapped), zone, ignore_extra),
        tenant=tenant or settings.tenant,
        by=by or getpass.getuser(),
        rows_per_part=rows_per_part,
        bundle=bundle,
        processes=processes,
        threads=max(1, settings.threads // processes),
        on_ray=on_ray,
        ray_address=ray_address,
    )
    started = time.perf_counter()
    with progress(f"score {decision}", "rows") as show:
        told = score_batch(
            job,
            data_directory(settings),
            out,
            disk=SystemDisk(),
            clock=SystemClock(),
            on_progress=lambda rows, share: show(rows, round(rows / share) if share else None),
        )
    seconds = time.perf_counter() - started
    print_result(
        {**msgspec.structs.asdict(told), "seconds": round(seconds, 3), "out": str(out)},
        as_json=as_json,
    )
    if told.refused and not as_json:
        click.echo(f"the refused rows and why: {out}/refused-*.parquet", err=True)


@click.command()
@click.argument("decision")
@click.option("--tenant", help="Whose; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def batches(settings: Settings, decision: str, tenant: str | None, as_json: bool) -> None:
    """List the batches of DECISION that the control log holds, oldest first.

    A batch is there when it began, and again when it had ended.
    """
    control = data_directory(settings).control_log(disk=SystemDisk(), clock=SystemClock())
    facts = [
        msgspec.structs.asdict(one) | {"at": Instant(one.at_us).isoformat()}
        for one in control.batches(decision)
        if one.tenant == (tenant or settings.tenant)
    ]
    if as_json:
        print_result({"decision": decision, "batches": facts}, as_json=True)
        return
    for one in facts:
        click.echo(
            printable("  ".join("-" if one[name] is None else str(one[name]) for name in _NOTED))
        )
    if not facts:
        click.echo("no batches")
