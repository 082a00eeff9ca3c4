"""`kingpost seal`."""

import click
import msgspec

from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemDisk
from kingpost.decisions import seal_segments

__all__ = ["seal"]


@click.command()
@click.option("--most", type=click.IntRange(1), help="Seal so many segments, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def seal(settings: Settings, most: int | None, as_json: bool) -> None:
    """Seal finished segments of the journal as Parquet, below `<data_dir>/sealed`.

    May be killed and started again at any time; a server may run meanwhile. The observer
    beside a server does the same by itself, unless `seal` is `off` in the settings.
    """
    with progress("seal", "segments") as show:
        done = seal_segments(
            data_directory(settings), disk=SystemDisk(), most=most, on_progress=show
        )
    print_result(msgspec.to_builtins(done), as_json=as_json)
