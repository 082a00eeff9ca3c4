"""`kingpost archive`."""

import click
import msgspec

from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.sealing import archive_store
from kingpost.core import Settings, SystemClock, SystemDisk, duration_us
from kingpost.decisions import (
    archive_sealed,
    erase_sealed,
    fetch_archived,
    prune_archived,
    seal_segments,
)

__all__ = ["archive"]


@click.command()
@click.option(
    "--fetch",
    metavar="OFFSET",
    help="Bring the segment that holds an offset back, or `all` that were removed here.",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Afterwards remove old segments here, each read back from the store before.",
)
@click.option(
    "--older-than",
    default="90d",
    show_default=True,
    help="With --prune: only segments whose last commit is that old.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def archive(
    settings: Settings, fetch: str | None, prune: bool, older_than: str, as_json: bool
) -> None:
    """Seal, and put what is sealed into the object store of the setting `archive_store`.

    Segments of the journal and their Parquet files are put once and read back; files that were
    written anew, since somebody was erased, take the place of earlier ones. May be killed and
    started again at any time. Nothing is removed here without --prune.
    """
    where, disk = data_directory(settings), SystemDisk()
    store = archive_store(settings)
    if fetch is not None:
        if prune:
            raise click.UsageError("--fetch brings back what --prune removes; give one of them")
        offset = None if fetch == "all" else _offset(fetch)
        names = fetch_archived(where, store, disk=disk, offset=offset)
        print_result({"store": store.url, "fetched": list(names)}, as_json=as_json)
        return
    before_us = SystemClock().now_us() - duration_us(older_than)
    seal_segments(where, disk=disk)
    erase_sealed(where, disk=disk)
    with progress("archive", "segments") as show:
        done = archive_sealed(where, store, disk=disk, on_progress=show)
    result: dict[str, object] = msgspec.to_builtins(done)
    if prune:
        result["removed"] = list(prune_archived(where, store, disk=disk, before_us=before_us))
    print_result(result, as_json=as_json)


def _offset(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise click.BadParameter(f"{text!r} is neither an offset nor 'all'", param_hint="--fetch")
    return int(text)
