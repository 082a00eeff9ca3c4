"""`kingpost reproduce`: train a bundle's model again and compare the bytes."""

from pathlib import Path

import click
import msgspec

from kingpost.cli.declared import chosen_decision
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import NoModel, load_application, reproduce_bundle

__all__ = ["reproduce"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--bundle", help="The beginning of its digest; the newest bundle by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def reproduce(
    settings: Settings, app: Path, decision: str | None, bundle: str | None, as_json: bool
) -> None:
    """Train the model of a bundle of APP's DECISION again, from what was recorded.

    The source that the bundle names is trained on the rows that it was trained on, in a process
    of its own; APP only says which decision is meant. Nothing is registered. Ends with code 1
    where the bytes differ, and says why.
    """
    chosen = chosen_decision(load_application(app), decision)
    where, disk = data_directory(settings), SystemDisk()
    known = where.control_log(disk=disk, clock=SystemClock()).bundles(chosen.name)
    if not known:
        raise NoModel(chosen.name)
    with progress("reproduce", "models") as show:
        show(0, 1, "train")
        found = reproduce_bundle(
            where, chosen.name, bundle or known[-1].digest, disk=disk, threads=settings.threads
        )
        show(1, 1, "compare")
    result: dict[str, object] = msgspec.to_builtins(found)
    print_result(result, as_json=as_json)
    if not found.is_equal:
        raise SystemExit(1)
