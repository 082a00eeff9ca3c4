"""`kingpost seal`."""

import click
import msgspec

from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemDisk
from kingpost.decisions import erase_sealed, seal_segments

__all__ = ["seal"]


@click.command()
@click.option("--most", type=click.IntRange(1), help="Seal so many segments, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def seal(settings: Settings, most: int | None, as_json: bool) -> None:
    """Seal finished segments of the journal as Parquet, below `<data_dir>/sealed`.

    Rows of whom was erased since they were sealed lose what they told. May be killed and started
    again at any time; a server may run meanwhile. The observer beside a server does the same by
    itself, unless `seal` is `off` in the settings.
    """
    where, disk = data_directory(settings), SystemDisk()
    with progress("seal", "segments") as show:
        done = seal_segments(where, disk=disk, most=most, on_progress=show)
    erased = erase_sealed(where, disk=disk)
    facts = {"erased_segments": erased.segments, "erased_rows": erased.rows}
    if erased.old:
        facts["unerased_segments"] = erased.old
    print_result({**msgspec.to_builtins(done), **facts}, as_json=as_json)
