"""`kingpost replay`."""

import click
import msgspec

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.contracts import Instant
from kingpost.core import Settings
from kingpost.decisions import replay_record

__all__ = ["replay"]


@click.command()
@click.argument("identifier")
@click.option("--tenant", help="Only a record of this tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def replay(settings: Settings, identifier: str, tenant: str | None, as_json: bool) -> None:
    """Run the decision of a record again, by its own bundle, and compare every bit.

    Ends with code 1 when anything differs.
    """
    report = replay_record(identifier, data_directory(settings), tenant=tenant)
    result: dict[str, object] = msgspec.json.decode(msgspec.json.encode(report))
    result["at"] = Instant(report.at_us).isoformat()
    if not as_json:
        del result["at_us"]
    print_result(result, as_json=as_json)
    if not report.is_equal:
        raise SystemExit(1)
