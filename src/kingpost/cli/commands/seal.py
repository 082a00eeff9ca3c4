"""`kingpost seal`."""

import logging

import click
import msgspec

from kingpost.cli.beside import end_with_parent
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.sealing import seal_and_archive
from kingpost.core import KingpostError, Settings, SystemDisk
from kingpost.decisions import DataDirectory, erase_sealed, seal_segments

__all__ = ["seal"]

_NICENESS = 5
_log = logging.getLogger(__name__)


@click.command()
@click.option("--most", type=click.IntRange(1), help="Seal so many segments, and end.")
@click.option(
    "--follow-parent",
    is_flag=True,
    hidden=True,
    help="Archive, too, and log; end when standard input ends; work politely.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def seal(settings: Settings, most: int | None, follow_parent: bool, as_json: bool) -> None:
    """Seal finished segments of the journal as Parquet, below `<data_dir>/sealed`.

    Rows of whom was erased since they were sealed lose what they told. May be killed and started
    again at any time; a server may run meanwhile. The observer beside a server does the same by
    itself, unless `seal` is `off` in the settings.
    """
    where, disk = data_directory(settings), SystemDisk()
    if follow_parent:
        _seal_beside(settings, where)
        return
    with progress("seal", "segments") as show:
        done = seal_segments(where, disk=disk, most=most, on_progress=show)
    erased = erase_sealed(where, disk=disk)
    facts = {"erased_segments": erased.segments, "erased_rows": erased.rows}
    if erased.old:
        facts["unerased_segments"] = erased.old
    print_result({**msgspec.to_builtins(done), **facts}, as_json=as_json)


def _seal_beside(settings: Settings, where: DataDirectory) -> None:
    log_to_stderr(settings.log_format)
    end_with_parent(niceness=_NICENESS)
    try:
        seal_and_archive(settings, where)
    except (KingpostError, OSError) as error:
        code = getattr(error, "code", type(error).__name__)
        _log.error("sealing_waits", extra={"code": code, "reason": str(error)})
        raise SystemExit(1) from error
