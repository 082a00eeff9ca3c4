"""`kingpost move-subject-keys`."""

import click

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemDisk
from kingpost.decisions import DataDirectoryInUse, move_to_key_store

__all__ = ["move_subject_keys"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def move_subject_keys(settings: Settings, as_json: bool) -> None:
    """Move the keys of data subjects from the data directory to `subject_key_store`.

    With the server stopped. The file is emptied, packed and removed once all keys are there; may
    be killed and done again. The master key stays where it is.
    """
    where, disk = data_directory(settings), SystemDisk()
    disk.make_directory(where.data)
    try:
        lock = disk.lock(where.data / "lock")
    except BlockingIOError as error:
        raise DataDirectoryInUse(where.root) from error
    try:
        moved = move_to_key_store(where)
    finally:
        lock.release()
    print_result({"moved": moved}, as_json=as_json)
