"""`kingpost inferences`: who asked which model directly."""

import click

from kingpost.cli.output import print_result, printable
from kingpost.cli.place import data_directory
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemDisk, id_text
from kingpost.decisions import find_inference, find_inferences
from kingpost.records import InferenceRecord

__all__ = ["inferences"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_TENANT = click.option("--tenant", help="Whose; the configured tenant by default.")
_SHOWN = ("id", "at", "model", "rows", "principal")


@click.group()
def inferences() -> None:
    """List and show what models were asked directly, over the inference protocols."""


@inferences.command("list")
@click.option("--model", default="", help="Only of a model, such as fraud.model.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@_TENANT
@_JSON
@click.pass_obj
def list_inferences(
    settings: Settings, model: str, limit: int, tenant: str | None, as_json: bool
) -> None:
    """List inferences, the newest first."""
    found = find_inferences(
        data_directory(settings),
        tenant or settings.tenant,
        disk=SystemDisk(),
        model=model,
        limit=limit,
    )
    facts = list(map(_facts, found))
    if as_json:
        print_result({"inferences": facts}, as_json=True)
        return
    for one in facts:
        click.echo(printable("  ".join(str(one[name]) for name in _SHOWN)))
    if not facts:
        click.echo("no inferences")


@inferences.command()
@click.argument("identifier")
@_TENANT
@_JSON
@click.pass_obj
def show(settings: Settings, identifier: str, tenant: str | None, as_json: bool) -> None:
    """Show an inference by the id that came with its answer, as `kingpost-record`."""
    found = find_inference(
        data_directory(settings), tenant or settings.tenant, identifier, disk=SystemDisk()
    )
    print_result(_facts(found), as_json=as_json)


def _facts(one: InferenceRecord) -> dict[str, object]:
    return {
        "id": id_text(one.id),
        "at": Instant(one.at_us).isoformat(),
        "tenant": one.tenant,
        "model": one.model,
        "bundle": one.bundle.hex(),
        "artefact": one.artefact.hex(),
        "principal": one.principal,
        "session": one.session,
        "trace_id": one.trace_id,
        "rows": one.rows,
        "inputs_sha256": one.inputs_digest.hex(),
        "scores_sha256": one.scores_digest.hex(),
    }
