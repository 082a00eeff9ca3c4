"""`kingpost replay`."""

import click
import msgspec

from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.selected import read_selection, selection_options
from kingpost.contracts import Instant
from kingpost.core import Settings
from kingpost.decisions import RecordSelection, replay_record, verify_records

__all__ = ["replay"]


@click.command()
@click.argument("identifier", metavar="[ID]", required=False)
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def replay(
    settings: Settings,
    identifier: str | None,
    tenant: str | None,
    as_json: bool,
    **selected: str | None,
) -> None:
    """Run the decision of the record ID again, by its own bundle, and compare every bit.

    Without ID, run again all that the options select, and count what differs.

    Ends with code 1 when anything differs.
    """
    if identifier is None:
        selection = read_selection(**selected, tenant=tenant)
        if selection == RecordSelection():
            raise click.UsageError("name a record, or select some; `kingpost verify` takes all")
        _replay_all(settings, selection, as_json=as_json)
        return
    if any(selected.values()):
        raise click.UsageError("a record is named: leave the options that select out")
    report = replay_record(identifier, data_directory(settings), tenant=tenant)
    result: dict[str, object] = msgspec.json.decode(msgspec.json.encode(report))
    result["at"] = Instant(report.at_us).isoformat()
    if not as_json:
        del result["at_us"]
    print_result(result, as_json=as_json)
    if not report.is_equal:
        raise SystemExit(1)


def _replay_all(settings: Settings, selection: RecordSelection, *, as_json: bool) -> None:
    with progress("replay", "records") as show:
        report = verify_records(data_directory(settings), selection=selection, on_progress=show)
    print_result(msgspec.to_builtins(report), as_json=as_json)
    if report.different:
        raise SystemExit(1)
